//! `show crypto pki trustpoints | certificates`: what was loaded.

use std::collections::BTreeMap;

use api::{Certificate, Trustpoint};
use crypto::sign::Kind;
use pki::{AltName, Dn, Revocation};

use crate::Pe;

/// In configuration order.
pub(super) fn trustpoints(pe: &Pe) -> Vec<Trustpoint> {
    let loaded = pe.config.trustpoints.iter().filter_map(|written| pe.trustpoints.get(&written.name));
    loaded.map(|loaded| trustpoint(loaded)).collect()
}

fn trustpoint(of: &pki::Trustpoint) -> Trustpoint {
    let own = of.credential.as_ref().and_then(|credential| {
        Some((one_line(&credential.chain.first()?.subject), kind(credential.key.kind())))
    });
    Trustpoint {
        name: of.name.clone(),
        vrf: of.vrf.clone(),
        authorities: of.anchors.iter().map(|anchor| one_line(&anchor.subject)).collect(),
        own,
        revocation: of.revocation.iter().map(|method| word(*method).to_owned()).collect(),
        crl_url: of.crl_url.clone(),
        ocsp_url: of.ocsp_url.clone(),
    }
}

/// Ours before those of CAs; each once, with the trustpoints it belongs to.
pub(super) fn certificates(pe: &Pe) -> Vec<Certificate> {
    let mut shown: BTreeMap<(bool, &[u8]), Certificate> = BTreeMap::new();
    for trustpoint in pe.trustpoints.values() {
        let own = trustpoint.credential.iter().flat_map(|credential| &credential.chain);
        for of in own.chain(&trustpoint.anchors) {
            let at = shown.entry((of.is_ca, of.der.as_slice())).or_insert_with(|| certificate(of));
            at.trustpoints.push(trustpoint.name.clone());
        }
    }
    shown.into_values().collect()
}

fn certificate(of: &pki::Certificate) -> Certificate {
    Certificate {
        ca: of.is_ca,
        serial: of.serial.iter().map(|octet| format!("{octet:02X}")).collect(),
        subject: attributes(&of.subject),
        issuer: attributes(&of.issuer),
        names: of.alt_names.iter().map(name).collect(),
        not_before: of.not_before,
        not_after: of.not_after,
        crl_urls: of.crl_urls.clone(),
        trustpoints: Vec::new(),
    }
}

/// The most specific first, as IOS prints them.
fn attributes(dn: &Dn) -> Vec<String> {
    dn.attributes.iter().rev().map(ToString::to_string).collect()
}

fn one_line(dn: &Dn) -> String {
    attributes(dn).join(",")
}

fn name(name: &AltName) -> String {
    match name {
        AltName::Address(address) => format!("address {address}"),
        AltName::Dns(name) => format!("dns {name}"),
        AltName::Email(name) => format!("email {name}"),
        AltName::Directory(dn) => format!("dn {}", one_line(dn)),
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Rsa(bits) => format!("RSA {bits} bit"),
        Kind::EcP256 => "ECDSA P-256".to_owned(),
        Kind::EcP384 => "ECDSA P-384".to_owned(),
        Kind::EcP521 => "ECDSA P-521".to_owned(),
        Kind::Ed25519 => "Ed25519".to_owned(),
    }
}

const fn word(method: Revocation) -> &'static str {
    match method {
        Revocation::Crl => "crl",
        Revocation::Ocsp => "ocsp",
        Revocation::None => "none",
    }
}
