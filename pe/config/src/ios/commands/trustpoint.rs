//! `crypto pki trustpoint`: a CA, our certificate under it, and how revocation is checked. All of it comes
//! from files.

use pki::Revocation;

use super::super::args::Args;
use super::super::scope::Level::{Global, Trustpoint};
use super::super::scope::{Place, Scope};
use super::algorithms::{all_chosen, keywords};
use super::{Command, insert, many, one};
use crate::model::{Crl, Trustpoint as Point};

const METHODS: [(&str, Revocation); 3] =
    [("crl", Revocation::Crl), ("ocsp", Revocation::Ocsp), ("none", Revocation::None)];

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        named!(Trustpoint, "crypto pki trustpoint <NAME:word>", trustpoint, trustpoints),
        Command::synonym(
            Global,
            "crypto ca trustpoint <NAME:word>",
            |s, a| {
                let place = Place::at(Trustpoint, a.get::<String>("NAME")?);
                s.enter(&place).trustpoint();
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.trustpoints.retain(|point| point.name != name);
                Ok(())
            },
        )
        .opens(|_, a| Ok(Place::at(Trustpoint, a.get::<String>("NAME")?))),
        value!(Trustpoint, "description <TEXT:line>", trustpoint.description, "TEXT"),
        value!(Trustpoint, "vrf <V:vrf>", trustpoint.vrf, "V"),
    ];
    commands.extend(files());
    commands.extend(revocation());
    commands.extend(refused());
    commands
}

fn files() -> [Command; 3] {
    [
        Command::set(
            Trustpoint,
            "ca-certificate file <PATH:word>",
            |s, a| {
                insert(&mut s.trustpoint().ca_certificates, a.get("PATH")?);
                Ok(())
            },
            |s, a| {
                let one: Option<String> = a.opt("PATH");
                s.trustpoint().ca_certificates.retain(|path| one.as_ref().is_some_and(|one| one != path));
                Ok(())
            },
            |v| many(v.trustpoint()?.ca_certificates.iter().map(|path| Args::new().with("PATH", path))),
        ),
        value!(Trustpoint, "certificate file <PATH:word>", trustpoint.certificate, "PATH"),
        value!(Trustpoint, "private-key file <PATH:word>", trustpoint.private_key, "PATH"),
    ]
}

fn revocation() -> [Command; 3] {
    [
        Command::set(
            Trustpoint,
            "revocation-check {crl | ocsp | none} [{crl | ocsp | none} [{crl | ocsp | none}]]",
            |s, a| {
                s.trustpoint().revocation = all_chosen(a, &METHODS);
                Ok(())
            },
            |s, _| {
                s.trustpoint().revocation = Point::REVOCATION.to_vec();
                Ok(())
            },
            |v| {
                let methods = &v.trustpoint()?.revocation;
                let args = keywords(Args::new(), &METHODS, methods);
                one((methods[..] != Point::REVOCATION).then_some(args))
            },
        ),
        Command::set(
            Trustpoint,
            "crl {url <URL:url> | file <PATH:word>}",
            |s, a| {
                let file = || a.get("PATH").map(Crl::File);
                s.trustpoint().crl = Some(a.opt("URL").map(Crl::Url).map_or_else(file, Ok)?);
                Ok(())
            },
            no_crl,
            |v| {
                one(v.trustpoint()?.crl.as_ref().map(|crl| match crl {
                    Crl::Url(url) => Args::new().with("URL", url),
                    Crl::File(path) => Args::new().with("PATH", path),
                }))
            },
        ),
        value!(Trustpoint, "ocsp url <URL:url>", trustpoint.ocsp_url, "URL"),
    ]
}

fn no_crl(s: &mut Scope<'_>, _: &Args) -> super::Done {
    s.trustpoint().crl = None;
    Ok(())
}

fn refused() -> Vec<Command> {
    const FILES: &str =
        "there is no enrolment yet: write `certificate file`, `private-key file` and `ca-certificate file`";
    const MAPS: &str = "peers are chosen in profiles: write `match certificate` there";
    let inside = [
        ("enrollment <REST:line>", FILES),
        ("auto-enroll [<REST:line>]", FILES),
        ("rsakeypair <REST:line>", FILES),
        ("eckeypair <REST:line>", FILES),
        ("subject-name <REST:line>", FILES),
        ("subject-alt-name <REST:line>", FILES),
        ("fqdn <REST:line>", FILES),
        ("ip-address <REST:line>", FILES),
        ("serial-number [<REST:line>]", FILES),
        ("usage <REST:line>", "what a certificate is for stands in it: leave the line out"),
        ("password <REST:line>", FILES),
        ("regenerate", FILES),
        ("primary", "trustpoints are named where they are used: leave the line out"),
        ("match certificate <REST:line>", MAPS),
        ("authorization <REST:line>", "RADIUS is not supported yet"),
        (
            "chain-validation [<REST:line>]",
            "chains are always checked up to a certificate of `ca-certificate file`",
        ),
        ("crl query <REST:line>", "LDAP is not supported: write `crl url http://…` or `crl file`"),
        ("crl optional", "write `revocation-check crl none`"),
        ("crl-cache <REST:line>", "a CRL is kept until its next update"),
        (
            "ocsp disable-nonce",
            "a responder that leaves the nonce out is believed within its times: leave the line out",
        ),
        ("source interface <REST:line>", "write `vrf V`: the route in it decides"),
    ];
    let global = [
        ("crypto pki certificate chain <REST:line>", FILES),
        ("crypto ca certificate chain <REST:line>", FILES),
        ("crypto pki authenticate <REST:line>", FILES),
        ("crypto ca authenticate <REST:line>", FILES),
        ("crypto pki enroll <REST:line>", FILES),
        ("crypto ca enroll <REST:line>", FILES),
        ("crypto pki server <REST:line>", "there is no certificate server here"),
        ("crypto ca server <REST:line>", "there is no certificate server here"),
        ("crypto ca identity <REST:line>", "write `crypto pki trustpoint NAME`"),
    ];
    let rows = |level| move |(pattern, instead)| Command::refuse(level, pattern, instead);
    inside.into_iter().map(rows(Trustpoint)).chain(global.into_iter().map(rows(Global))).collect()
}
