//! strongSwan's configuration for a cell: swanctl.conf.

use anyhow::Result;

use super::algorithm::Suite;
use super::onramp::{by_name, credential};
use super::place::{KEY, THEM, US};
use super::scenario::{Auth, By, Cell, Exchange, Fault, Peer, Proof, Role};

/// The whole file.
pub(super) fn configuration(cell: &Cell) -> Result<String> {
    let secret = if cell.scenario.fault() == Some(Fault::Key) { "another-secret" } else { KEY };
    let ppk =
        if cell.scenario.ppk { "  ppk-1 { id = quantum\n    secret = post-quantum-secret }\n" } else { "" };
    Ok(format!(
        "connections {{\n  pe {{\n{}{}{}    children {{\n{}    }}\n  }}\n}}\nsecrets {{\n  ike-1 {{ secret = {secret} }}\n{ppk}}}\n",
        options(cell)?,
        end(cell, "local", us(cell)),
        end(cell, "remote", them(cell)),
        children(cell)?
    ))
}

/// The suites that the peer is to use instead where that is its fault: nothing of ours.
pub(super) fn suites(cell: &Cell) -> Result<[Suite; 2]> {
    let [mut ike, mut esp] = [cell.scenario.ike, cell.scenario.esp];
    match cell.scenario.fault() {
        Some(Fault::IkeAlgorithms) => ike = "aes192-sha512-16",
        Some(Fault::EspAlgorithms) => esp = "aes192-sha512",
        _ => {}
    }
    Ok([Suite::read(ike)?, Suite::read(esp)?])
}

fn options(cell: &Cell) -> Result<String> {
    let place = cell.place();
    let version = if cell.scenario.is_v1() { 1 } else { 2 };
    let mut lines = vec![
        format!("version = {version}"),
        format!(
            "local_addrs = {}{}",
            place.peer,
            if moves(cell) { format!(",{}", cell.moved()) } else { String::new() }
        ),
        format!("remote_addrs = {}", cell.local()),
        format!("proposals = {}", suites(cell)?[0].swan()),
        "keyingtries = 1".to_owned(),
        format!("mobike = {}", if moves(cell) { "yes" } else { "no" }),
    ];
    if cell.scenario.exchange == Exchange::Aggressive {
        lines.push("aggressive = yes".to_owned());
    }
    if cell.scenario.proof == Proof::Death(By::Us) {
        lines.push("dpd_delay = 2\n    dpd_timeout = 6".to_owned());
    }
    if cell.scenario.proof == Proof::Fragments {
        lines.push("fragmentation = force".to_owned());
    }
    if cell.scenario.childless {
        lines.push("childless = force".to_owned());
    }
    if cell.scenario.ppk {
        lines.push("ppk_id = quantum\n    ppk_required = yes".to_owned());
    }
    Ok(lines.iter().map(|line| format!("    {line}\n")).collect())
}

fn moves(cell: &Cell) -> bool {
    cell.scenario.proof == Proof::Moves
}

/// Who the peer says it is, and by which means.
fn us(cell: &Cell) -> String {
    let mut lines = format!("auth = {}", method(cell));
    let name = match (cell.scenario.fault(), by_name(cell)) {
        (Some(Fault::Identity), true) => "stranger.example",
        (Some(Fault::Identity), false) => "10.9.9.9",
        (_, true) => THEM,
        (_, false) => cell.place().peer,
    };
    lines += &format!("\n      id = {name}");
    if let Some(key) = credential(cell.scenario.auth) {
        let key = match cell.scenario.fault() {
            Some(Fault::RevokedByCrl | Fault::RevokedByOcsp) => "revoked",
            Some(Fault::Expired) => "expired",
            Some(Fault::UnknownCa) => "foreign",
            _ => key,
        };
        lines += &format!("\n      certs = /srv/pki/site-{key}.pem");
    }
    lines
}

/// Whom it expects.
fn them(cell: &Cell) -> String {
    let name = if by_name(cell) { US } else { cell.place().pe };
    let anchor = if cell.scenario.auth == Auth::Psk { "" } else { "\n      cacerts = /srv/pki/ca.pem" };
    // Of us any scheme of the kind will do: which of them we take is our choice.
    let method = match cell.scenario.auth {
        Auth::Psk => "psk",
        Auth::Rsa | Auth::RsaPss | Auth::RsaChain => "rsa",
        Auth::Ecdsa256 | Auth::Ecdsa384 => "ecdsa",
        Auth::Ed25519 => "pubkey",
    };
    format!("auth = {method}\n      id = {name}{anchor}")
}

const fn method(cell: &Cell) -> &'static str {
    match (cell.scenario.auth, cell.scenario.exchange) {
        (Auth::Psk, _) => "psk",
        (_, Exchange::Main | Exchange::Aggressive) => "pubkey",
        (Auth::Rsa | Auth::RsaChain, _) => "rsa-sha256",
        (Auth::RsaPss, _) => "rsa/pss-sha256",
        (Auth::Ecdsa256, _) => "ecdsa-sha256",
        (Auth::Ecdsa384, _) => "ecdsa-sha384",
        (Auth::Ed25519, _) => "pubkey",
    }
}

fn end(cell: &Cell, word: &str, lines: String) -> String {
    debug_assert!(cell.peer != Peer::Libre);
    format!("    {word} {{\n      {lines}\n    }}\n")
}

fn children(cell: &Cell) -> Result<String> {
    (0..cell.children()).map(|number| child(cell, number)).collect()
}

/// The name of a child.
pub(super) fn name(number: usize) -> String {
    if number == 0 { "site".to_owned() } else { format!("site{number}") }
}

fn child(cell: &Cell, number: usize) -> Result<String> {
    let (place, [_, esp]) = (cell.place(), suites(cell)?);
    let group = cell.scenario.pfs.map(Suite::group).transpose()?.map_or("", |group| group.swan);
    let esn = if cell.scenario.esn { "esn" } else { "" };
    let words: Vec<String> =
        [esp.swan(), group.to_owned(), esn.to_owned()].into_iter().filter(|word| !word.is_empty()).collect();
    let selectors = match (cell.scenario.transport, cell.scenario.fault()) {
        (true, _) => "mode = transport".to_owned(),
        (false, Some(Fault::Selectors)) => {
            "local_ts = 10.77.0.0/24\n        remote_ts = 10.88.0.0/24".to_owned()
        }
        (false, _) => {
            format!("local_ts = {}\n        remote_ts = {}", place.near_networks[number], place.far_network)
        }
    };
    let volume = if cell.role == Role::They { "rekey_time = 1h" } else { "rekey_time = 0" };
    Ok(format!(
        "      {} {{\n        {selectors}\n        esp_proposals = {}\n        {volume}\n      }}\n",
        name(number),
        words.join("-")
    ))
}
