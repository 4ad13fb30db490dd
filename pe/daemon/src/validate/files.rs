//! Reads the files of trustpoints: CA certificates, our own, and our keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base::Secret;
use config::model::{Crl, Trustpoint as Written};
use crypto::sign::{BadKey, Kind, PrivateKey};
use pki::{Certificate, Credential, Status, Trustpoint, Utc};

use super::{FILE, now};

/// Every trustpoint of a configuration, and what an operator should know though it works.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) trustpoints: pe::Trustpoints,
    pub(crate) warnings: Vec<String>,
}

/// Largest file of certificates or keys, in bytes.
const LARGEST: usize = 1 << 20;
/// Others than the owner and its group may read or write it.
const EVERYONE: u32 = 0o006;
const GROUP: u32 = 0o060;
/// Bits of an RSA key that need no warning.
const STRONG: u16 = 2048;
/// Seconds before its end when a certificate is worth a warning.
const SOON: u64 = 14 * 86_400;

/// Relative paths start at `folder`, that of the configuration. The error has every fault, each with the name of its
/// trustpoint.
pub(crate) fn load(written: &[Written], folder: &Path) -> Result<Loaded, Vec<String>> {
    let (mut trustpoints, mut warnings, mut faults) = (BTreeMap::new(), Vec::new(), Vec::new());
    for one in written {
        let mut told = Vec::new();
        let name = |text: String| format!("trustpoint {}: {text}", one.name);
        match trustpoint(one, folder, &mut told) {
            Ok(loaded) => drop(trustpoints.insert(one.name.clone(), Arc::new(loaded))),
            Err(fault) => faults.push(name(fault)),
        }
        warnings.extend(told.into_iter().map(name));
    }
    if faults.is_empty() { Ok(Loaded { trustpoints: Arc::new(trustpoints), warnings }) } else { Err(faults) }
}

/// At most `limit` bytes of a file.
pub(super) fn read(path: impl AsRef<Path>, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    file.map_err(|error| error.to_string())?;
    if bytes.len() > limit { Err(format!("it is larger than {limit} bytes")) } else { Ok(bytes) }
}

fn trustpoint(written: &Written, folder: &Path, warnings: &mut Vec<String>) -> Result<Trustpoint, String> {
    let mut anchors = Vec::new();
    for path in &written.ca_certificates {
        anchors.extend(certificates("ca-certificate", path, folder)?);
    }
    if anchors.is_empty() {
        warnings.push("no peer can be verified under it: write ca-certificate file".to_owned());
    }
    anchors.iter().for_each(|anchor| warn_of(anchor, warnings));
    let not_a_ca = anchors.iter().filter(|anchor| !anchor.is_ca && !anchor.is_self_issued());
    warnings.extend(not_a_ca.map(|one| format!("{} is no CA: only itself is trusted", one.subject)));
    let credential = credential(written, folder, warnings)?;
    Ok(Trustpoint {
        name: written.name.clone(),
        vrf: written.vrf.clone(),
        anchors,
        credential,
        revocation: written.revocation.clone(),
        crl_url: written.crl.as_ref().map(|crl| match crl {
            Crl::Url(url) => url.clone(),
            Crl::File(path) => format!("{FILE}{}", folder.join(path).display()),
        }),
        ocsp_url: written.ocsp_url.clone(),
    })
}

fn credential(
    written: &Written,
    folder: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<Credential>, String> {
    let (path, key) = match (&written.certificate, &written.private_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err("a certificate needs its key: write private-key file".to_owned()),
        (None, Some(_)) => return Err("a key needs its certificate: write certificate file".to_owned()),
    };
    let chain = certificates("certificate", path, folder)?;
    let key = private_key(key, folder, warnings)?;
    let Some(own) = chain.first() else { return Ok(None) };
    if own.public_key().is_none_or(|public| public != *key.public()) {
        let (name, file) = (&own.subject, written.private_key.as_deref().unwrap_or_default());
        return Err(format!("private-key file {file} is not the key of the certificate of {name}"));
    }
    warn_of(own, warnings);
    Ok(Some(Credential { chain, key: Arc::new(key) }))
}

fn certificates(line: &str, path: &str, folder: &Path) -> Result<Vec<Certificate>, String> {
    let read = read(folder.join(path), LARGEST)
        .and_then(|text| Certificate::from_pem_bundle(&text).map_err(|error| error.to_string()));
    read.map_err(|why| format!("{line} file {path}: {why}"))
}

fn private_key(path: &str, folder: &Path, warnings: &mut Vec<String>) -> Result<PrivateKey, String> {
    let fault = |why: String| format!("private-key file {path}: {why}");
    let whole = folder.join(path);
    let mode = std::fs::metadata(&whole).map_err(|error| fault(error.to_string()))?.permissions().mode();
    if mode & EVERYONE != 0 {
        return Err(fault("everyone on this machine may read or change it: chmod 600 it".to_owned()));
    }
    if mode & GROUP != 0 {
        warnings.push(fault("its group may read or change it: chmod 600 it".to_owned()));
    }
    let text = Secret::from(read(whole, LARGEST).map_err(fault)?);
    PrivateKey::from_pem(text.expose()).map_err(|bad| fault(advice(bad)))
}

fn advice(bad: BadKey) -> String {
    match bad {
        BadKey::Absent => "there is no private key in PEM in it".to_owned(),
        BadKey::Encrypted => {
            "it is encrypted, and nobody is there to type its passphrase: decrypt it with openssl pkey"
                .to_owned()
        }
        BadKey::Malformed => "the key in it is broken".to_owned(),
        BadKey::Unsupported => {
            "it is no RSA key, no key of P-256, P-384 or P-521, and no Ed25519 key".to_owned()
        }
        BadKey::Length(bits) => format!("an RSA key of {bits} bits is not used: it takes 2048 to 8192"),
    }
}

/// A clock that is wrong must not keep the box from starting, so what is over is only told.
fn warn_of(certificate: &Certificate, warnings: &mut Vec<String>) {
    let (now, name) = (now(), &certificate.subject);
    match certificate.key_kind() {
        Some(Kind::Rsa(bits)) if bits < STRONG => {
            warnings.push(format!("the key of {name} has only {bits} bits: {STRONG} are safe"));
        }
        Some(Kind::Rsa(_) | Kind::EcP256 | Kind::EcP384 | Kind::EcP521 | Kind::Ed25519) => {}
        None => warnings.push(format!("the key of {name} is of no use: too short, or of an unknown kind")),
    }
    match certificate.status(now) {
        Status::Expired => {
            warnings.push(format!("the certificate of {name} ended at {}", Utc(certificate.not_after)));
        }
        Status::NotYetValid => {
            warnings.push(format!("the certificate of {name} begins at {}", Utc(certificate.not_before)));
        }
        Status::InForce if certificate.not_after < now + SOON => {
            warnings.push(format!("the certificate of {name} ends soon, at {}", Utc(certificate.not_after)));
        }
        Status::InForce => {}
    }
}

#[cfg(test)]
mod tests;
