//! `crypto pki certificate map` and `crypto identity`: what a certificate must say (CMAP-01, DN-01).

use ike::config::PeerIdentity;
use pki::{Attribute, Criterion, Field, Test};

use super::super::args::Args;
use super::super::scope::Level::{CertificateMap, Global, Identity};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::algorithms::{Table, chosen, keywords};
use super::{Command, insert, many};

const FIELDS: [(&str, Field); 8] = [
    ("subject-name", Field::SubjectName),
    ("issuer-name", Field::IssuerName),
    ("alt-subject-name", Field::AltSubjectName),
    ("unstructured-subject-name", Field::UnstructuredSubjectName),
    ("name", Field::Name),
    ("serial-number", Field::SerialNumber),
    ("valid-start", Field::ValidStart),
    ("expires-on", Field::ExpiresOn),
];

const TESTS: [(&str, Test); 6] = [
    ("eq", Test::Equal),
    ("ne", Test::NotEqual),
    ("co", Test::Contains),
    ("nc", Test::NotContains),
    ("lt", Test::Less),
    ("ge", Test::GreaterOrEqual),
];

pub(super) fn commands() -> Vec<Command> {
    let mut commands = maps("crypto pki certificate map <NAME:word> <SEQ:1-65535>", printed_maps);
    commands.extend(maps("crypto ca certificate map <NAME:word> <SEQ:1-65535>", |_| None));
    commands.push(Command::no(Global, "crypto pki certificate map <NAME:word>", no_map));
    commands.push(Command::no(Global, "crypto ca certificate map <NAME:word>", no_map));
    commands.push(criterion());
    commands.push(
        Command::set(
            Global,
            "crypto identity <NAME:word>",
            |s, a| {
                s.config.identities.entry(a.get("NAME")?).or_default();
                Ok(())
            },
            |s, a| {
                s.config.identities.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.identities.keys().map(|name| Args::new().with("NAME", name))),
        )
        .opens(|_, a| Ok(Place::at(Identity, a.get::<String>("NAME")?))),
    );
    commands.push(identity());
    commands
}

fn maps(pattern: &'static str, get: super::Getter) -> Vec<Command> {
    let set = |s: &mut Scope<'_>, a: &Args| {
        let map = s.config.certificate_maps.entry(a.get("NAME")?).or_default();
        map.sequences.entry(a.get("SEQ")?).or_default();
        Ok(())
    };
    let unset = |s: &mut Scope<'_>, a: &Args| {
        let (name, sequence): (String, u32) = (a.get("NAME")?, a.get("SEQ")?);
        s.config.certificate_maps.retain(|known, map| {
            map.sequences.retain(|number, _| *known != name || *number != sequence);
            !map.sequences.is_empty()
        });
        Ok(())
    };
    let enter =
        |_: &Place, a: &Args| Ok(Place::numbered(CertificateMap, a.get::<String>("NAME")?, a.get("SEQ")?));
    vec![Command::set(Global, pattern, set, unset, get).opens(enter)]
}

fn printed_maps(v: View<'_>) -> Option<Vec<Args>> {
    many(v.config.certificate_maps.iter().flat_map(|(name, map)| {
        map.sequences.keys().map(move |sequence| Args::new().with("NAME", name).with("SEQ", sequence))
    }))
}

fn no_map(s: &mut Scope<'_>, a: &Args) -> Done {
    s.config.certificate_maps.remove(&a.get::<String>("NAME")?);
    Ok(())
}

/// One row, so that the tests print in the order they were given.
fn criterion() -> Command {
    fn words<T>(table: &Table<T>) -> String {
        table.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" | ")
    }
    Command::set(
        CertificateMap,
        format!("{{{}}} {{{}}} <VALUE:line>", words(&FIELDS), words(&TESTS)).leak(),
        |s, a| {
            let criterion = read(a)?;
            insert(criteria(s), criterion);
            Ok(())
        },
        |s, a| {
            let gone = read(a)?;
            criteria(s).retain(|known| *known != gone);
            Ok(())
        },
        |v| {
            let criteria = v.certificate_map()?.sequences.get(&v.place.number)?;
            many(criteria.iter().map(|criterion| {
                let field = keywords(Args::new(), &FIELDS, &[criterion.field]);
                keywords(field, &TESTS, &[criterion.test]).with("VALUE", &criterion.value)
            }))
        },
    )
}

fn criteria<'s>(s: &'s mut Scope<'_>) -> &'s mut Vec<Criterion> {
    let sequence = s.place.number;
    s.certificate_map().sequences.entry(sequence).or_default()
}

fn read(a: &Args) -> Result<Criterion, Fault> {
    let value: String = a.get("VALUE")?;
    let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::trim);
    let value = unquoted.filter(|inner| !inner.is_empty() && !inner.contains('"')).unwrap_or(&value);
    Criterion::new(chosen(a, &FIELDS)?, chosen(a, &TESTS)?, value)
        .map_err(|error| Fault::new(format!("no such test: {error}"), TESTS_HELP))
}

const TESTS_HELP: &str =
    "names and serial numbers take eq, ne, co, nc; dates take eq, ne, lt, ge and `20 11 2026 22:50:00`";

fn identity() -> Command {
    Command::set(
        Identity,
        "{dn <DN:line> | fqdn <HOST:host>}",
        |s, a| {
            let identity = described(a)?;
            insert(s.identities(), identity);
            Ok(())
        },
        |s, a| {
            let gone = described(a)?;
            s.identities().retain(|known| *known != gone);
            Ok(())
        },
        |v| {
            many(v.identities()?.iter().map(|identity| match identity {
                PeerIdentity::Dn(attributes) => Args::new().with("DN", dn(attributes)),
                PeerIdentity::Fqdn(host) => Args::new().with("HOST", host),
            }))
        },
    )
}

fn described(a: &Args) -> Result<PeerIdentity, Fault> {
    let Some(text) = a.opt::<String>("DN") else { return a.get("HOST").map(PeerIdentity::Fqdn) };
    let mut attributes = Attribute::parse_list(&text).map_err(|error| {
        Fault::new(format!("not a distinguished name: {error}"), "write `dn ou=sites,o=Example`").at("DN")
    })?;
    // As they are compared: so the number of spaces does not matter, and nothing is lost in printing.
    for attribute in &mut attributes {
        attribute.value = attribute.value.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    Ok(PeerIdentity::Dn(attributes))
}

/// What separates, quotes or escapes is itself escaped (RFC 4514).
fn dn(attributes: &[Attribute]) -> String {
    let escaped = |value: &str| {
        let escape = |c: char| if ",+;\"\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        value.chars().map(escape).collect::<String>()
    };
    let pairs = attributes.iter().map(|it| format!("{}={}", it.kind, escaped(&it.value)));
    pairs.collect::<Vec<_>>().join(",")
}
