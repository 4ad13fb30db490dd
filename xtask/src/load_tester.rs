//! strongSwan with its load tester, which Debian's packages lack: built once from Debian's source package, beside our own
//! programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::build;

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

const SOURCES: &str = "\
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

/// Where it is installed; builds it first if it is not there, which takes some minutes.
pub(crate) fn home() -> Result<PathBuf> {
    let place = build::target().join("bench/strongswan");
    if place.join("libexec/ipsec/charon").exists() {
        return Ok(place);
    }
    let work = build::target().join("bench/strongswan-build");
    let _ = std::fs::remove_dir_all(&work);
    std::fs::create_dir_all(&work)?;
    println!("fetching strongSwan's source");
    let archive = source(&work)?;
    println!("building strongSwan with its load tester");
    step(&work, "tar", &["xf", &archive.to_string_lossy(), "--strip-components=1"])?;
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

fn step(work: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let log = std::fs::File::create(work.join("log"))?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    let end = || std::fs::read_to_string(work.join("log")).unwrap_or_default();
    ensure!(status.success(), "{program} {}: {}", arguments.join(" "), tail(&end()));
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
