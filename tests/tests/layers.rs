//! Holds the layers: a crate depends on strictly lower ones only, and an outside crate is used only where the tables say.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

use std::process::Command;

use serde_json::Value;

/// Every crate of the workspace and its layer. Below 6 nothing does I/O.
const LAYERS: [(&str, u8); 23] = [
    ("base", 0),
    ("wire", 1),
    ("crypto", 1),
    ("api", 1),
    ("vrf", 2),
    ("mpls", 2),
    ("ipsec", 2),
    ("pki", 2),
    ("esp", 3),
    ("ike", 3),
    ("bfd", 3),
    ("ldp", 3),
    ("bgp", 3),
    ("dataplane", 4),
    ("config", 4),
    ("pe", 5),
    ("sys", 6),
    ("dp-user", 7),
    ("dp-linux", 7),
    ("onrampd", 8),
    ("onramp", 8),
    ("tests", 9),
    ("xtask", 9),
];

/// Outside crates that any crate may use: words, not means.
const COMMON: [&str; 4] = ["ipnetwork", "serde", "thiserror", "zeroize"];

/// Every other outside crate, and who may use it.
const OUTSIDE: [(&str, &[&str]); 27] = [
    ("anyhow", &["onrampd", "onramp", "tests", "xtask"]),
    ("argon2", &["crypto"]),
    ("aws-lc-rs", &["crypto"]),
    ("aws-lc-sys", &["crypto"]),
    ("bytes", &["bgp"]),
    ("codespan-reporting", &["config"]),
    ("crossbeam-channel", &["dp-user"]),
    ("der", &["pki"]),
    ("futures-util", &["onrampd"]),
    ("hmac", &["crypto"]),
    ("libc", &["sys"]),
    ("md-5", &["crypto"]),
    ("netlink-packet-core", &["dp-linux"]),
    ("netlink-packet-route", &["dp-linux", "onrampd"]),
    ("netlink-sys", &["dp-linux"]),
    ("prefix-trie", &["vrf"]),
    ("ring", &["crypto"]),
    ("rtnetlink", &["onrampd"]),
    ("rustbgpd-wire", &["bgp"]),
    ("sd-notify", &["onrampd"]),
    ("serde-saphyr", &["xtask"]),
    ("serde_json", &["onrampd", "onramp", "tests", "xtask"]),
    ("sha1", &["crypto"]),
    ("sha2", &["crypto"]),
    ("socket2", &["sys", "onrampd", "xtask"]),
    ("subtle", &["crypto", "ike"]),
    ("tokio", &["onrampd"]),
];

/// Outside crates of the daemon's log.
const LOG: [&str; 2] = ["tracing", "tracing-subscriber"];

#[test]
fn every_dependency_points_to_a_lower_layer_or_to_a_permitted_crate() {
    let faults: Vec<String> = packages().iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_sideways_edge_is_a_fault() {
    assert_eq!(
        fault("vrf", "ipsec", true, false).unwrap(),
        "vrf (layer 2) may not depend on ipsec (layer 2)"
    );
    assert_eq!(
        fault("base", "wire", true, false).unwrap(),
        "base (layer 0) may not depend on wire (layer 1)"
    );
    assert_eq!(fault("ipsec", "base", true, false), None);
}

#[test]
fn an_outside_crate_needs_permission() {
    assert_eq!(fault("ike", "tokio", false, false).unwrap(), "ike may not use tokio");
    assert_eq!(fault("onrampd", "tokio", false, false), None);
    assert_eq!(fault("ike", "rand", false, false).unwrap(), "ike may not use rand");
    assert_eq!(fault("ike", "proptest", false, true), None);
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn faults(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap();
    if layer(name).is_none() {
        return vec![format!("{name} has no layer: add it to the table in tests/tests/layers.rs")];
    }
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let edge = |dependency: &Value| {
        let (inside, for_tests) = (dependency["path"].is_string(), dependency["kind"] == "dev");
        fault(name, dependency["name"].as_str().unwrap(), inside, for_tests)
    };
    dependencies.filter_map(edge).collect()
}

/// What is wrong with `from` depending on `to`, a crate of the workspace (`inside`) or not.
fn fault(from: &str, to: &str, inside: bool, for_tests: bool) -> Option<String> {
    if inside {
        let (Some(above), Some(below)) = (layer(from), layer(to)) else {
            return Some(format!("{to} has no layer: add it to the table in tests/tests/layers.rs"));
        };
        let fault = || format!("{from} (layer {above}) may not depend on {to} (layer {below})");
        return (below >= above).then(fault);
    }
    let listed = OUTSIDE.iter().any(|(name, users)| *name == to && users.contains(&from));
    let log = LOG.contains(&to) && ["onrampd", "dp-user", "dp-linux"].contains(&from);
    let permitted = for_tests || listed || log || COMMON.contains(&to);
    (!permitted).then(|| format!("{from} may not use {to}"))
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, layer)| *layer)
}
