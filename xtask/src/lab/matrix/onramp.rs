//! Our configuration for a cell, as an operator would write it.

use std::fmt::Write as _;

use anyhow::Result;

use super::algorithm::Suite;
use super::place::{IPV4, IPV6, KEY, THEM, US};
use super::scenario::{Auth, By, Cell, Exchange, Fault, Phase, Proof, Role};

/// The proof that lasts as long as a lifetime: IOS's shortest is a minute in version 1 and two in version 2.
const LIVES_OUT: Proof = Proof::Rekey(Phase::One, By::Us);

/// The whole file.
pub(super) fn configuration(cell: &Cell) -> Result<String> {
    let ike = Suite::read(cell.scenario.ike)?;
    let phase1 = if cell.scenario.is_v1() { isakmp(cell, &ike) } else { ikev2(cell, &ike) };
    Ok([vrf(), trustpoint(cell), phase1, map(cell)?, interfaces(cell), routes(), access_list(cell)].concat())
}

/// What stands between two cells: no tunnel at all.
pub(super) fn idle() -> String {
    idle_but_for("")
}

/// The same with another line on the outer interface.
pub(super) fn idle_but_for(line: &str) -> String {
    [vrf(), ports(line), routes()].concat()
}

fn vrf() -> String {
    "hostname onramp.example\n!\nvrf definition red\n rd 65000:1\n address-family ipv4\n address-family ipv6\n!\n"
        .to_owned()
}

/// The PEM files lie where every node has them.
fn trustpoint(cell: &Cell) -> String {
    let Some(key) = credential(cell.scenario.auth) else { return String::new() };
    let revocation = match cell.scenario.fault() {
        Some(Fault::RevokedByCrl) => "crl",
        Some(Fault::RevokedByOcsp) => "ocsp",
        Some(_) | None => "none",
    };
    format!(
        "crypto pki trustpoint lab\n ca-certificate file /srv/pki/ca.pem\n certificate file /srv/pki/onramp-{key}.pem\n \
         private-key file /srv/pki/onramp-{key}.key\n revocation-check {revocation}\n!\n"
    )
}

/// The word in the names of the certificates that an authentication uses.
pub(super) const fn credential(auth: Auth) -> Option<&'static str> {
    match auth {
        Auth::Psk => None,
        Auth::Rsa | Auth::RsaPss => Some("rsa"),
        Auth::RsaChain => Some("chain"),
        Auth::Ecdsa256 => Some("p256"),
        Auth::Ecdsa384 => Some("p384"),
        Auth::Ed25519 => Some("ed25519"),
    }
}

fn isakmp(cell: &Cell, ike: &Suite) -> String {
    let method = if cell.scenario.auth == Auth::Psk { "pre-share" } else { "rsa-sig" };
    let group = ike.group.map_or("14", |group| group.isakmp);
    let mut text = format!(
        "crypto isakmp policy 10\n encryption {}\n hash {}\n authentication {method}\n group {group}\n",
        ike.cipher.isakmp, ike.integrity.isakmp
    );
    if cell.scenario.proof == LIVES_OUT {
        text += " lifetime 60\n";
    }
    if cell.scenario.proof == Proof::Fragments {
        text += "crypto isakmp fragmentation\n";
    }
    text += &keyring(cell);
    if cell.scenario.exchange == Exchange::Aggressive && cell.role == Role::We {
        text += &opens_aggressively(cell);
    }
    text + &isakmp_profile(cell)
}

/// In main mode the peer is known by its address alone, in aggressive mode by its name.
fn keyring(cell: &Cell) -> String {
    if cell.scenario.auth != Auth::Psk {
        return String::new();
    }
    let whose = match (cell.scenario.exchange, cell.scenario.ipv6) {
        (Exchange::Aggressive, _) => format!("hostname {THEM}"),
        (_, true) => format!("address ipv6 {}/128", cell.remote()),
        (_, false) => format!("address {}", cell.remote()),
    };
    format!("!\ncrypto keyring ring\n pre-shared-key {whose} key {KEY}\n")
}

fn opens_aggressively(cell: &Cell) -> String {
    let password = if cell.scenario.auth == Auth::Psk {
        format!(" set aggressive-mode password {KEY}\n")
    } else {
        String::new()
    };
    format!(
        "crypto isakmp peer address {}\n{password} set aggressive-mode client-endpoint fqdn {US}\n",
        cell.remote()
    )
}

fn isakmp_profile(cell: &Cell) -> String {
    let mut text = "!\ncrypto isakmp profile site\n".to_owned();
    text += inside(cell, "vrf");
    let has_key = cell.scenario.auth == Auth::Psk;
    text += if has_key { " keyring ring\n" } else { " ca trust-point lab\n" };
    if by_name(cell) {
        let _ = writeln!(text, " self-identity fqdn\n match identity host {THEM}");
    } else if cell.scenario.ipv6 {
        let _ = writeln!(text, " match identity address ipv6 {}/128", cell.place().peer);
    } else {
        let _ = writeln!(text, " match identity address {} 255.255.255.255", cell.place().peer);
    }
    if cell.scenario.proof == Proof::Death(By::Them) {
        text += " keepalive 10 retry 2\n";
    }
    if cell.scenario.exchange == Exchange::Aggressive && cell.scenario.auth != Auth::Psk {
        text += " initiate mode aggressive\n";
    }
    text
}

/// Whether the sides call themselves by name rather than by address.
pub(super) fn by_name(cell: &Cell) -> bool {
    cell.scenario.auth != Auth::Psk || cell.scenario.exchange != Exchange::Main
}

/// The inside VRF; in transport mode the packets are those of the front VRF itself.
fn inside(cell: &Cell, word: &str) -> &'static str {
    match (cell.scenario.transport, word) {
        (true, _) => "",
        (false, "vrf") => " vrf red\n",
        (false, _) => " ivrf red\n",
    }
}

fn ikev2(cell: &Cell, ike: &Suite) -> String {
    let group = ike.group.map_or("19", |group| group.ikev2);
    let mut text = format!("crypto ikev2 proposal one\n encryption {}\n", ike.cipher.ikev2);
    text += &match (ike.is_aead(), ike.integrity.ikev2) {
        (true, hash) => format!(" prf {hash}\n"),
        (false, hash) => format!(" integrity {hash}\n"),
    };
    let _ = writeln!(text, " group {group}\n!\ncrypto ikev2 policy one\n proposal one\n!");
    if cell.scenario.auth == Auth::Psk {
        text += &ikev2_keyring(cell);
    }
    text + &ikev2_profile(cell)
}

fn ikev2_keyring(cell: &Cell) -> String {
    let address = if cell.scenario.ipv6 {
        format!("ipv6 {}/128", cell.remote())
    } else {
        format!("{} 255.255.255.255", cell.remote())
    };
    let ppk =
        if cell.scenario.ppk { "  ppk manual id quantum key post-quantum-secret required\n" } else { "" };
    format!("crypto ikev2 keyring ring\n peer site\n  address {address}\n  pre-shared-key {KEY}\n{ppk}!\n")
}

fn ikev2_profile(cell: &Cell) -> String {
    let method = match cell.scenario.auth {
        Auth::Psk => "pre-share",
        Auth::Rsa | Auth::RsaPss | Auth::RsaChain => "rsa-sig",
        Auth::Ecdsa256 | Auth::Ecdsa384 => "ecdsa-sig",
        Auth::Ed25519 => "eddsa-sig",
    };
    let has_key = cell.scenario.auth == Auth::Psk;
    let keys = if has_key { " keyring local ring\n" } else { " pki trustpoint lab\n" };
    let mut text = format!(
        "crypto ikev2 profile site\n match identity remote fqdn {THEM}\n identity local fqdn {US}\n \
         authentication remote {method}\n authentication local {method}\n{keys}{}",
        inside(cell, "ivrf")
    );
    if cell.scenario.proof == Proof::Death(By::Them) {
        text += " dpd 10 2 periodic\n";
    }
    if cell.scenario.childless {
        text += " childless\n";
    }
    if cell.scenario.proof == LIVES_OUT {
        text += " lifetime 120\n";
    }
    if cell.scenario.reauthentication {
        text += " reauthentication\n";
    }
    text
}

fn map(cell: &Cell) -> Result<String> {
    let scenario = &cell.scenario;
    let family = if scenario.ipv6 { "ipv6 " } else { "" };
    let profile = if scenario.is_v1() { "isakmp-profile" } else { "ikev2-profile" };
    let mode = if scenario.transport { " mode transport\n" } else { "" };
    let mut text = format!(
        "!\ncrypto ipsec transform-set set {}\n{mode}!\ncrypto map {family}sites 10 ipsec-isakmp\n set peer {}\n \
         set transform-set set\n set {profile} site\n",
        Suite::read(scenario.esp)?.esp(),
        cell.remote()
    );
    if let Some(group) = scenario.pfs {
        let _ = writeln!(text, " set pfs group{group}");
    }
    if scenario.esn {
        text += " set security-association esn\n";
    }
    if matches!(scenario.proof, Proof::Rekey(Phase::Two, By::Us)) {
        text += " set security-association lifetime kilobytes 2560\n";
    }
    Ok(text + " match address sites\n!\n")
}

fn interfaces(cell: &Cell) -> String {
    ports(if cell.scenario.ipv6 { " ipv6 crypto map sites\n" } else { " crypto map sites\n" })
}

fn ports(map: &str) -> String {
    format!(
        "interface Ethernet0/1\n device eth1\n ip address {} 255.255.255.0\n ipv6 address {}/64\n{map}!\n\
         interface Ethernet0/2\n device eth2\n vrf forwarding red\n ip address 10.1.0.1 255.255.255.0\n \
         ipv6 address fd01::1/64\n!\n",
        IPV4.pe, IPV6.pe
    )
}

fn routes() -> String {
    let (v4, v6) = (IPV4.router_by_pe, IPV6.router_by_pe);
    format!(
        "ip route 0.0.0.0 0.0.0.0 {v4}\nipv6 route ::/0 {v6}\n\
         ip route vrf red 10.2.0.0 255.255.0.0 Ethernet0/1 {v4}\n\
         ipv6 route vrf red fd02::/16 Ethernet0/1 {v6}\n!\n"
    )
}

fn access_list(cell: &Cell) -> String {
    let place = cell.place();
    let (list, protocol) = if cell.scenario.ipv6 {
        ("ipv6 access-list sites", "ipv6")
    } else {
        ("ip access-list extended sites", "ip")
    };
    let lines: String = if cell.scenario.transport {
        format!(" permit {protocol} host {} host {}\n", place.pe, place.peer)
    } else {
        let near = place.near_listed.iter().take(cell.children());
        near.map(|near| format!(" permit {protocol} {} {near}\n", place.far_listed)).collect()
    };
    format!("{list}\n{lines}")
}
