//! strongSwan with its load tester, which Debian's packages lack: built once from Debian's source package, beside our own
//! programs, and with keys of every kind.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build::{self, step};

/// What the driver and the responder beside ours load, and no more.
const PLUGINS: [&str; 22] = [
    "charon",
    "ikev1",
    "ikev2",
    "load-tester",
    "openssl",
    "random",
    "nonce",
    "aes",
    "sha1",
    "sha2",
    "hmac",
    "kdf",
    "pem",
    "pkcs1",
    "pkcs8",
    "x509",
    "pubkey",
    "constraints",
    "socket-default",
    "kernel-netlink",
    "vici",
    "swanctl",
];

/// Where the load tester says that the gateways' key can only be one for RSA.
const CREDENTIALS: &str = "src/libcharon/plugins/load_tester/load_tester_creds.c";

const SOURCES: &str = "\
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

/// Where it is installed; builds it first if it is not there, which takes some minutes.
pub(crate) fn home() -> Result<PathBuf> {
    let place = build::target().join("bench/load-tester");
    if place.join("libexec/ipsec/charon").exists() {
        return Ok(place);
    }
    let work = build::target().join("bench/load-tester-build");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    println!("fetching strongSwan's source");
    let archive = source(&work)?;
    println!("building strongSwan with its load tester");
    step(&work, "tar", &["xf", &archive.to_string_lossy(), "--strip-components=1"])?;
    step(&work, "sed", &["-i", "s/KEY_RSA/KEY_ANY/", CREDENTIALS])?;
    let enabled = PLUGINS.map(|plugin| format!("--enable-{plugin}"));
    let prefix = format!("--prefix={}", place.display());
    let mut options = vec!["./configure", "--quiet", "--disable-defaults", "CFLAGS=-O2", &prefix];
    options.extend(enabled.iter().map(String::as_str));
    step(&work, "sh", &options)?;
    step(&work, "make", &["-s", "-j2"])?;
    step(&work, "make", &["-s", "install"])?;
    std::fs::remove_dir_all(&work)?;
    Ok(place)
}

/// Debian's own copy of strongSwan's release. Apt gets lists of its own: the machine's may name no sources.
fn source(work: &Path) -> Result<PathBuf> {
    let parts = work.join("parts");
    std::fs::create_dir_all(&parts)?;
    std::fs::create_dir_all(work.join("lists/partial"))?;
    std::fs::write(parts.join("debian.sources"), SOURCES)?;
    let options: Vec<String> = [
        ("Dir::Etc::SourceList", PathBuf::from("/dev/null")),
        ("Dir::Etc::SourceParts", parts),
        ("Dir::State::Lists", work.join("lists")),
        ("Dir::Cache", work.join("cache")),
        ("APT::Sandbox::User", PathBuf::from("root")),
    ]
    .iter()
    .flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={}", value.display())])
    .collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    step(work, "apt-get", &[&options[..], &["update", "-qq"]].concat())?;
    step(work, "apt-get", &[&options[..], &["source", "-qq", "--download-only", "strongswan"]].concat())?;
    let mut files = std::fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.to_string_lossy().ends_with(".orig.tar.bz2"))
        .context("the source package has no .orig.tar.bz2")
}
