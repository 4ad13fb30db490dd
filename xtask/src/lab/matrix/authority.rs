//! Certificates for the lab, made with openssl: our own and the peers', good ones and such as must be refused. They are
//! kept beside the programs until they are a week old.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a certificate is signed with, its name's word, its key.
const PAIRS: [(&str, &str, &str); 8] = [
    ("ca", "rsa", "RSA -pkeyopt rsa_keygen_bits:2048"),
    ("ca", "p256", "EC -pkeyopt ec_paramgen_curve:P-256"),
    ("ca", "p384", "EC -pkeyopt ec_paramgen_curve:P-384"),
    ("ca", "ed25519", "ED25519"),
    ("middle2", "chain", "RSA -pkeyopt rsa_keygen_bits:4096"),
    ("ca", "revoked", "RSA -pkeyopt rsa_keygen_bits:2048"),
    ("ca", "expired", "RSA -pkeyopt rsa_keygen_bits:2048"),
    ("foreign-ca", "foreign", "RSA -pkeyopt rsa_keygen_bits:2048"),
];

/// A directory with everything, in the cache of the build directory.
pub(super) fn directory() -> Result<PathBuf> {
    let place = crate::build::target().join("lab/pki");
    let age = std::fs::metadata(place.join("done"))
        .and_then(|done| done.modified())
        .ok()
        .map(|when| when.elapsed());
    if age.is_some_and(|age| age.is_ok_and(|age| age < WEEK)) {
        return Ok(place);
    }
    println!("making certificates");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place)?;
    authorities(&place)?;
    for (issuer, word, key) in PAIRS {
        for side in ["onramp", "site"] {
            leaf(&place, issuer, side, word, key)?;
        }
    }
    lists(&place)?;
    for_strongswan(&place)?;
    for_libreswan(&place)?;
    std::fs::write(place.join("done"), "")?;
    Ok(place)
}

/// Two roots, and under the first two intermediate CAs, one above the other.
fn authorities(place: &Path) -> Result<()> {
    std::fs::write(place.join("openssl.cnf"), SETTINGS)?;
    std::fs::write(place.join("index.txt"), "")?;
    for (name, bits) in [("ca", 2048), ("foreign-ca", 2048), ("middle1", 4096), ("middle2", 4096)] {
        shell(
            place,
            &format!("openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out {name}.key"),
        )?;
    }
    for name in ["ca", "foreign-ca"] {
        shell(
            place,
            &format!(
                "openssl req -x509 -new -config openssl.cnf -extensions authority -key {name}.key -sha256 -days 3650 \
                 -subj '/O=Onramp lab/CN={name}' -out {name}.pem"
            ),
        )?;
    }
    for (name, issuer) in [("middle1", "ca"), ("middle2", "middle1")] {
        sign(place, name, issuer, &format!("/O=Onramp lab/CN={name}"), "authority", "-days 3650")?;
    }
    Ok(())
}

fn leaf(place: &Path, issuer: &str, side: &str, word: &str, key: &str) -> Result<()> {
    let name = format!("{side}-{word}");
    shell(place, &format!("openssl genpkey -quiet -algorithm {key} -out {name}.key"))?;
    let dates =
        if word == "expired" { "-startdate 20200101000000Z -enddate 20210101000000Z" } else { "-days 365" };
    // NSS takes certificates with the same subject for one.
    sign(place, &name, issuer, &format!("/O=Onramp lab/OU={word}/CN={side}.example"), side, dates)?;
    if issuer == "middle2" {
        shell(place, &format!("cat middle2.pem middle1.pem >>{name}.pem"))?;
    }
    if word == "revoked" {
        shell(place, &format!("openssl ca -config openssl.cnf -revoke {name}.pem"))?;
    }
    Ok(())
}

/// `openssl ca` keeps the index that OCSP answers come from.
fn sign(place: &Path, name: &str, issuer: &str, subject: &str, extensions: &str, dates: &str) -> Result<()> {
    shell(
        place,
        &format!(
            "openssl req -new -config openssl.cnf -key {name}.key -subj '{subject}' -out {name}.csr && openssl ca -batch \
             -notext -config openssl.cnf -cert {issuer}.pem -keyfile {issuer}.key -extensions {extensions} {dates} \
             -in {name}.csr -out {name}.pem"
        ),
    )
}

fn lists(place: &Path) -> Result<()> {
    shell(
        place,
        "openssl ca -config openssl.cnf -gencrl -crldays 3650 -out ca.crl.pem && openssl crl -in ca.crl.pem -outform DER \
         -out ca.crl",
    )
}

/// The folders in which `swanctl --load-creds` looks.
fn for_strongswan(place: &Path) -> Result<()> {
    shell(
        place,
        "mkdir -p swanctl/private swanctl/x509ca && cp site-*.key swanctl/private && cp ca.pem middle1.pem \
         middle2.pem swanctl/x509ca",
    )
}

/// An NSS database without password; nicknames are the files' names.
fn for_libreswan(place: &Path) -> Result<()> {
    let home = crate::setup::libreswan()?;
    let home = home.display();
    let mut script = format!(
        "export LD_LIBRARY_PATH={home}/usr/lib/x86_64-linux-gnu PATH={home}/usr/bin:$PATH; mkdir nss; \
         certutil -N -d sql:nss --empty-password; certutil -A -d sql:nss -n ca -t CT,C,C -i ca.pem; "
    );
    for (_, word, _) in PAIRS {
        script += &format!(
            "openssl pkcs12 -export -in site-{word}.pem -inkey site-{word}.key -name site-{word} -passout pass:x -out x.p12 \
             && pk12util -i x.p12 -d sql:nss -W x -K '' || echo 'no {word}'; "
        );
    }
    shell(place, &(script + "rm -f x.p12"))
}

fn shell(place: &Path, script: &str) -> Result<()> {
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .context("cannot run sh")?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

const SETTINGS: &str = "\
[ca]
default_ca = lab
[lab]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
default_crl_days = 3650
certificate = ca.pem
private_key = ca.key
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[onramp]
basicConstraints = CA:false
subjectAltName = DNS:onramp.example, IP:192.0.2.1
keyUsage = digitalSignature
extendedKeyUsage = serverAuth, clientAuth, 1.3.6.1.5.5.7.3.17
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://192.0.2.254/ca.crl
authorityInfoAccess = OCSP;URI:http://192.0.2.254:8080/
[site]
basicConstraints = CA:false
subjectAltName = DNS:site.example, IP:198.51.100.2
keyUsage = digitalSignature
extendedKeyUsage = serverAuth, clientAuth, 1.3.6.1.5.5.7.3.17
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://192.0.2.254/ca.crl
authorityInfoAccess = OCSP;URI:http://192.0.2.254:8080/
";
