//! `show crypto ikev2 sa | session | proposal | policy | profile`.

use std::fmt::Write as _;
use std::net::IpAddr;

use api::{Ikev2Child, Ikev2Policy, Ikev2Profile, Ikev2Proposal, Ikev2Sa};

use super::none_or;

const COLUMNS: &str = "Tunnel-id Local                 Remote                fvrf/ivrf            Status\n";

pub(super) fn sas(sas: &[Ikev2Sa], detail: bool) -> String {
    let mut text = String::new();
    for (family, is_ours) in families() {
        let _ = write!(text, " {family} Crypto IKEv2 SA\n\n");
        let mut ours = sas.iter().filter(|sa| is_ours(sa.remote)).peekable();
        if ours.peek().is_some() {
            text.push_str(COLUMNS);
        }
        for sa in ours {
            text.push_str(&line(sa));
            if detail {
                details(&mut text, sa);
            }
            text.push('\n');
        }
    }
    text
}

/// By the order of the SAs' numbers, each with what it made.
pub(super) fn sessions(sas: &[Ikev2Sa], detail: bool) -> String {
    let mut text = String::new();
    for (family, is_ours) in families() {
        let _ = write!(text, " {family} Crypto IKEv2 Session\n\n");
        for sa in sas.iter().filter(|sa| is_ours(sa.remote)) {
            let count = sa.children.len();
            let status = match (sa.state.as_str(), count) {
                ("READY", 0) => "UP-IDLE",
                ("READY", _) => "UP-ACTIVE",
                _ => "DOWN-NEGOTIATING",
            };
            let _ = write!(
                text,
                "Session-id:{}, Status:{status}, IKE count:1, CHILD count:{count}\n\n{COLUMNS}",
                sa.id
            );
            text.push_str(&line(sa));
            if detail {
                details(&mut text, sa);
            }
            sa.children.iter().for_each(|one| child(&mut text, one, detail));
            text.push('\n');
        }
    }
    text
}

type Family = (&'static str, fn(IpAddr) -> bool);

fn families() -> [Family; 2] {
    [("IPv4", |address| address.is_ipv4()), ("IPv6", |address| address.is_ipv6())]
}

fn line(sa: &Ikev2Sa) -> String {
    let vrf = |name: &Option<String>| name.as_deref().unwrap_or("none").to_owned();
    let line = format!(
        "{:<9} {:<21} {:<21} {:<20} {}",
        sa.id,
        format!("{}/{}", sa.local, sa.local_port),
        format!("{}/{}", sa.remote, sa.remote_port),
        format!("{}/{}", vrf(&sa.front), vrf(&sa.inside)),
        sa.state,
    );
    let mut text = format!("{line}\n");
    let Some(cipher) = &sa.encryption else { return text };
    let (ours, theirs) = sa.authentication.clone().unwrap_or_default();
    let _ = writeln!(
        text,
        "      Encr: {}, PRF: {}, Hash: {}, DH Grp: {}, Auth sign: {ours}, Auth verify: {theirs}",
        encryption(cipher),
        hash(sa.prf.as_deref()),
        hash(sa.integrity.as_deref()),
        groups(&sa.groups),
    );
    let _ = writeln!(text, "      Life/Active Time: {}/{} sec", sa.lifetime, sa.active);
    text
}

fn details(text: &mut String, sa: &Ikev2Sa) {
    let _ = writeln!(text, "      Local spi: {}       Remote spi: {}", sa.spis.0, sa.spis.1);
    let _ = writeln!(text, "      Local id: {}", none_or(sa.own_identity.as_ref()));
    let _ = writeln!(text, "      Remote id: {}", none_or(sa.identity.as_ref()));
    let _ = writeln!(text, "      Profile: {}", none_or(sa.profile.as_ref()));
    let on = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    let _ = writeln!(
        text,
        "      Fragmentation {}, MOBIKE {}, PPK {}",
        on(sa.fragmentation, "negotiated", "not negotiated"),
        on(sa.mobike, "negotiated", "not negotiated"),
        on(sa.ppk, "in use", "not in use"),
    );
    let _ = writeln!(text, "      NAT-T is {}", on(sa.nat, "detected", "not detected"));
    let _ = writeln!(text, "      Initiator of SA : {}", on(sa.initiator, "Yes", "No"));
}

fn child(text: &mut String, child: &Ikev2Child, detail: bool) {
    let side = |(first, last, from, to): (IpAddr, IpAddr, u16, u16)| format!("{first}/{from} - {last}/{to}");
    let _ = writeln!(text, "Child sa: local selector  {}", side(child.local));
    let _ = writeln!(text, "          remote selector {}", side(child.remote));
    if child.protocol != 0 {
        let _ = writeln!(text, "          protocol {}", child.protocol);
    }
    let _ = writeln!(text, "          ESP spi in/out: 0x{:X}/0x{:X}", child.spi_in, child.spi_out);
    if detail {
        let mode = if child.transport { "transport" } else { "tunnel" };
        let esn = if child.esn { "on" } else { "off" };
        let _ = writeln!(text, "          {}, mode {mode}, ESN {esn}", child.transform);
        let _ = writeln!(text, "          remaining lifetime {} sec", child.seconds_left);
    }
}

pub(super) fn proposals(proposals: &[Ikev2Proposal]) -> String {
    proposals.iter().map(proposal).collect()
}

fn proposal(of: &Ikev2Proposal) -> String {
    let words = |list: &[String], word: fn(&str) -> String| {
        list.iter().map(|one| word(one)).collect::<Vec<_>>().join(" ")
    };
    let mut text = format!(
        " IKEv2 proposal: {}\n     Encryption : {}\n     Integrity  : {}\n     PRF        : {}\n     \
         DH Group   : {}\n",
        of.name,
        words(&of.encryption, |one| one.to_ascii_uppercase()),
        words(&of.integrity, |one| hash(Some(one))),
        if of.prf.is_empty() {
            "that of the integrity".to_owned()
        } else {
            words(&of.prf, |one| hash(Some(one)))
        },
        named(&of.groups),
    );
    for (number, groups) in (1..).zip(&of.additional) {
        let _ = writeln!(text, "     Addl. KE {number} : {}", named(groups));
    }
    text
}

pub(super) fn policies(policies: &[Ikev2Policy]) -> String {
    policies.iter().map(policy).collect()
}

fn policy(of: &Ikev2Policy) -> String {
    let mut text = format!("\n IKEv2 policy : {}\n      Match fvrf : {}\n", of.name, of.front);
    let _ = writeln!(text, "      Match address local : {}", addresses(&of.local, "any"));
    for proposal in &of.proposals {
        let _ = writeln!(text, "      Proposal    : {proposal}");
    }
    text
}

pub(super) fn profiles(profiles: &[Ikev2Profile]) -> String {
    profiles.iter().map(profile).collect()
}

fn profile(of: &Ikev2Profile) -> String {
    let mut text = format!("\nIKEv2 profile: {}\n", of.name);
    if of.incomplete {
        text.push_str(" Incomplete: serves nobody until it has a match and both authentication methods\n");
    }
    let _ = writeln!(text, " Match criteria:\n  Fvrf: {}", of.front);
    let _ = writeln!(text, "  Local address/interface: {}\n  Identities:", addresses(&of.local, "none"));
    for identity in &of.identities {
        let _ = writeln!(text, "   {identity}");
    }
    let _ = writeln!(text, "  Certificate maps: {}", list(&of.certificate_maps));
    let _ = writeln!(text, " Local identity: {}", or_none(of.local_identity.as_ref()));
    let _ = writeln!(text, " Local authentication method: {}", or_none(of.local_authentication.as_ref()));
    let _ = writeln!(text, " Remote authentication method(s): {}", list(&of.remote_authentication));
    let _ = writeln!(text, " Keyring: {}", or_none(of.keyring.as_ref()));
    let _ = writeln!(text, " Trustpoint(s) to sign: {}", all_or(&of.sign));
    let _ = writeln!(text, " Trustpoint(s) to verify: {}", all_or(&of.verify));
    let renewal = if of.reauthentication { ", then authenticated anew" } else { "" };
    let _ = writeln!(text, " Lifetime: {} seconds{renewal}", of.lifetime);
    let _ = writeln!(text, " DPD: {}", dpd(of.dpd));
    let seconds = |every: u64| format!("{every} seconds");
    let _ =
        writeln!(text, " NAT-keepalive: {}", of.nat_keepalive.map_or_else(|| "default".to_owned(), seconds));
    let _ = writeln!(text, " Ivrf: {}", or_none(of.inside.as_ref()));
    let _ = writeln!(text, " MOBIKE: {}", if of.mobike { "enabled" } else { "disabled" });
    text
}

fn dpd(dpd: Option<(u64, u64, bool)>) -> String {
    dpd.map_or_else(
        || "disabled".to_owned(),
        |(every, retry, periodic)| {
            let kind = if periodic { "periodic" } else { "on-demand" };
            format!("interval {every}, retry-interval {retry}, {kind}")
        },
    )
}

fn or_none(text: Option<&String>) -> &str {
    text.map_or("none", String::as_str)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn all_or(names: &[String]) -> String {
    if names.is_empty() { "all".to_owned() } else { names.join(" ") }
}

fn addresses(addresses: &[IpAddr], empty: &str) -> String {
    if addresses.is_empty() {
        return empty.to_owned();
    }
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}

/// `AES-CBC, keysize: 256`.
fn encryption(word: &str) -> String {
    match word.rsplit_once('-') {
        Some((cipher, bits)) if bits.parse::<u16>().is_ok() => {
            format!("{}, keysize: {bits}", cipher.to_ascii_uppercase())
        }
        Some(_) | None => word.to_ascii_uppercase(),
    }
}

fn hash(word: Option<&str>) -> String {
    match word {
        None => "None".to_owned(),
        Some("sha1") => "SHA96".to_owned(),
        Some("md5") => "MD596".to_owned(),
        Some(other) => other.to_ascii_uppercase(),
    }
}

fn groups(numbers: &[u16]) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join("+")
}

fn named(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{}/Group {number}", group(*number))).collect::<Vec<_>>().join(" ")
}

const fn group(number: u16) -> &'static str {
    match number {
        1 => "DH_GROUP_768_MODP",
        2 => "DH_GROUP_1024_MODP",
        5 => "DH_GROUP_1536_MODP",
        14 => "DH_GROUP_2048_MODP",
        15 => "DH_GROUP_3072_MODP",
        16 => "DH_GROUP_4096_MODP",
        17 => "DH_GROUP_6144_MODP",
        18 => "DH_GROUP_8192_MODP",
        19 => "DH_GROUP_256_ECP",
        20 => "DH_GROUP_384_ECP",
        21 => "DH_GROUP_521_ECP",
        31 => "DH_GROUP_X25519",
        36 => "ML_KEM_768",
        37 => "ML_KEM_1024",
        _ => "DH_GROUP",
    }
}
