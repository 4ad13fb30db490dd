//! libreswan's configuration for a cell: ipsec.conf and ipsec.secrets.

use anyhow::Result;

use super::algorithm::Suite;
use super::onramp::{by_name, credential};
use super::place::{KEY, THEM, US};
use super::scenario::{Auth, By, Cell, Exchange, Fault, Proof};
use super::strongswan::{name, suites};

/// ipsec.conf: one connection for each child.
pub(super) fn configuration(cell: &Cell) -> Result<String> {
    (0..cell.children()).map(|number| connection(cell, number)).collect()
}

pub(super) fn secrets(cell: &Cell) -> String {
    let key = if cell.scenario.fault() == Some(Fault::Key) { "another-secret" } else { KEY };
    let ppk = if cell.scenario.ppk { ": PPKS \"quantum\" \"post-quantum-secret\"\n" } else { "" };
    format!(": PSK \"{key}\"\n{ppk}")
}

fn connection(cell: &Cell, number: usize) -> Result<String> {
    let mut lines = [phase1(cell)?, phase2(cell)?, ends(cell, number)].concat();
    lines.push("leftupdown=/bin/true".to_owned());
    lines.push("auto=add".to_owned());
    let lines: String = lines.iter().map(|line| format!("\t{line}\n")).collect();
    Ok(format!("conn {}\n{lines}\n", name(number)))
}

fn phase1(cell: &Cell) -> Result<Vec<String>> {
    let yes = |is| if is { "yes" } else { "no" };
    let mut lines = vec![
        format!("ikev2={}", if cell.scenario.is_v1() { "no" } else { "insist" }),
        format!("authby={}", method(cell)),
        format!("ike={}", suites(cell)?[0].libre()),
        format!("aggressive={}", yes(cell.scenario.exchange == Exchange::Aggressive)),
        "keyingtries=1".to_owned(),
        "retransmit-timeout=15s".to_owned(),
        format!("fragmentation={}", if cell.scenario.proof == Proof::Fragments { "force" } else { "yes" }),
        format!("ppk={}", if cell.scenario.ppk { "insist" } else { "no" }),
        format!("mobike={}", yes(cell.scenario.proof == Proof::Moves)),
    ];
    if cell.scenario.proof == Proof::Death(By::Us) {
        lines.extend(["dpddelay=2", "dpdtimeout=6", "dpdaction=clear"].map(str::to_owned));
    }
    Ok(lines)
}

fn phase2(cell: &Cell) -> Result<Vec<String>> {
    let group = cell.scenario.pfs.map(Suite::group).transpose()?.map(|group| group.libre);
    let esp = suites(cell)?[1].libre();
    Ok(vec![
        format!("type={}", if cell.scenario.transport { "transport" } else { "tunnel" }),
        format!("phase2alg={}", group.map_or_else(|| esp.clone(), |group| format!("{esp};{group}"))),
        format!("pfs={}", if group.is_some() { "yes" } else { "no" }),
        format!("esn={}", if cell.scenario.esn { "yes" } else { "no" }),
    ])
}

const fn method(cell: &Cell) -> &'static str {
    match (cell.scenario.auth, cell.scenario.exchange) {
        (Auth::Psk, _) => "secret",
        (_, Exchange::Main | Exchange::Aggressive) => "rsasig",
        (Auth::Rsa | Auth::RsaChain, _) => "rsa-sha1",
        (Auth::RsaPss, _) => "rsa-sha2_256",
        (Auth::Ecdsa256, _) => "ecdsa-sha2_256",
        (Auth::Ecdsa384, _) => "ecdsa-sha2_384",
        (Auth::Ed25519, _) => "eddsa",
    }
}

fn ends(cell: &Cell, number: usize) -> Vec<String> {
    let place = cell.place();
    let names = match (cell.scenario.fault(), by_name(cell)) {
        (Some(Fault::Identity), true) => ["@stranger.example".to_owned(), format!("@{US}")],
        (Some(Fault::Identity), false) => ["10.9.9.9".to_owned(), place.pe.to_owned()],
        (_, true) => [format!("@{THEM}"), format!("@{US}")],
        (_, false) => [place.peer.to_owned(), place.pe.to_owned()],
    };
    let mut lines = vec![
        format!("left={}", place.peer),
        format!("leftid={}", names[0]),
        format!("right={}", cell.local()),
        format!("rightid={}", names[1]),
    ];
    if !cell.scenario.transport {
        let [near, far] = if cell.scenario.fault() == Some(Fault::Selectors) {
            ["10.77.0.0/24", "10.88.0.0/24"]
        } else {
            [place.near_networks[number], place.far_network]
        };
        lines.extend([format!("leftsubnet={near}"), format!("rightsubnet={far}")]);
    }
    if let Some(key) = credential(cell.scenario.auth) {
        let key = match cell.scenario.fault() {
            Some(Fault::RevokedByCrl | Fault::RevokedByOcsp) => "revoked",
            Some(Fault::Expired) => "expired",
            Some(Fault::UnknownCa) => "foreign",
            _ => key,
        };
        lines.extend([format!("leftcert=site-{key}"), "leftsendcert=always".to_owned()]);
    }
    lines
}
