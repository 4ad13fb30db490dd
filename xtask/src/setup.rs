//! Installs what the tests and labs need on Debian 12.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A program, or a file it needs, and the Debian package that has it.
const NEEDS: [(&str, &str); 16] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
    ("unshare", "util-linux"),
    ("sysctl", "procps"),
    ("ping", "iputils-ping"),
    ("socat", "socat"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("linux.uml", "user-mode-linux"),
    ("modprobe", "kmod"),
    ("swanctl", "strongswan-swanctl"),
    ("/usr/lib/ipsec/charon", "strongswan-charon"),
    ("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", "libcharon-extra-plugins"),
    ("/usr/lib/ipsec/plugins/libstrongswan-openssl.so", "libstrongswan-standard-plugins"),
    ("g++", "g++"),
];

const DENY: &str = "0.20.2";

/// Everything.
pub(crate) fn run() -> Result<()> {
    packages()?;
    cargo_deny()
}

/// Debian's packages, only those that are missing.
pub(crate) fn packages() -> Result<()> {
    let missing: Vec<&str> =
        NEEDS.iter().filter(|(need, _)| !present(need)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat())
        .context("install them by hand, or run as root")?;
    let still: Vec<&str> = NEEDS.iter().filter(|(need, _)| !present(need)).map(|(need, _)| *need).collect();
    ensure!(still.is_empty(), "installed, and still missing: {}", still.join(" "));
    Ok(())
}

/// `cargo deny`, which Debian does not package.
pub(crate) fn cargo_deny() -> Result<()> {
    let version = crate::build::cargo().args(["deny", "--version"]).stderr(Stdio::null()).output()?;
    if version.status.success() {
        return Ok(());
    }
    println!("installing cargo-deny {DENY}");
    let status = crate::build::cargo()
        .args(["install", "cargo-deny", "--version", DENY, "--locked", "--debug", "--quiet"])
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    ensure!(status.success(), "cargo-deny cannot be installed");
    Ok(())
}

fn present(need: &str) -> bool {
    if need.starts_with('/') {
        return Path::new(need).exists();
    }
    let inherited = std::env::var("PATH").unwrap_or_default();
    let path = inherited.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    path.into_iter().any(|directory| Path::new(directory).join(need).exists())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}
