//! Certificates of the worlds: one CA, and peers named after their keys.

use std::sync::Arc;

use crypto::sign::PrivateKey;
use pki::{Certificate, Credential, Revocation, Trustpoint};

const CA: &[u8] = include_bytes!("../keys/ca.pem");

/// The CA, and our certificate and key under it.
pub fn trustpoint(name: &str) -> Arc<Trustpoint> {
    let (certificate, key): (&[u8], &[u8]) = match name {
        "rsa" => (include_bytes!("../keys/rsa.pem"), include_bytes!("../keys/rsa.key")),
        "rsa4096" => (include_bytes!("../keys/rsa4096.pem"), include_bytes!("../keys/rsa4096.key")),
        "ecdsa" => (include_bytes!("../keys/ecdsa.pem"), include_bytes!("../keys/ecdsa.key")),
        "ecdsa384" => (include_bytes!("../keys/ecdsa384.pem"), include_bytes!("../keys/ecdsa384.key")),
        "ecdsa521" => (include_bytes!("../keys/ecdsa521.pem"), include_bytes!("../keys/ecdsa521.key")),
        "ed25519" => (include_bytes!("../keys/ed25519.pem"), include_bytes!("../keys/ed25519.key")),
        other => panic!("no certificate is called {other}"),
    };
    let chain = Certificate::from_pem_bundle(certificate).unwrap();
    let key = PrivateKey::from_pem(key).unwrap_or_else(|_| panic!("the key of {name}"));
    let credential = Some(Credential { chain, key: Arc::new(key) });
    Arc::new(Trustpoint { credential, ..Trustpoint::clone(&authority()) })
}

/// The CA alone.
pub fn authority() -> Arc<Trustpoint> {
    Arc::new(Trustpoint {
        name: "ca".into(),
        vrf: None,
        anchors: Certificate::from_pem_bundle(CA).unwrap(),
        credential: None,
        revocation: vec![Revocation::None],
        crl_url: None,
        ocsp_url: None,
    })
}
