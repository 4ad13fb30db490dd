//! Installs what the tests and labs need on Debian 12.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A program, or a file it needs, and the Debian package that has it.
const NEEDS: [(&str, &str); 28] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("ethtool", "ethtool"),
    ("unshare", "util-linux"),
    ("sysctl", "procps"),
    ("ping", "iputils-ping"),
    ("socat", "socat"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("linux.uml", "user-mode-linux"),
    ("modprobe", "kmod"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("xz", "xz-utils"),
    ("swanctl", "strongswan-swanctl"),
    ("/usr/lib/ipsec/charon", "strongswan-charon"),
    ("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", "libcharon-extra-plugins"),
    ("/usr/lib/ipsec/plugins/libstrongswan-openssl.so", "libstrongswan-standard-plugins"),
    ("/usr/lib/ipsec/plugins/libstrongswan-gcrypt.so", "libstrongswan-extra-plugins"),
    ("ike-scan", "ike-scan"),
    ("/usr/lib/frr/bgpd", "frr"),
    ("gobgpd", "gobgpd"),
    ("bird", "bird2"),
    ("exabgp", "exabgp"),
    ("openssl", "openssl"),
    ("g++", "g++"),
];

/// libreswan and the libraries that it alone needs.
const LIBRESWAN: [&str; 10] = [
    "libreswan",
    "libnss3",
    "libnss3-tools",
    "libnspr4",
    "libcurl3-nss",
    "libevent-core-2.1-7",
    "libevent-pthreads-2.1-7",
    "libldns3",
    "libunbound8",
    "libldap-2.5-0",
];

const DENY: &str = "0.20.2";

/// Asked by packages before they start their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Everything.
pub(crate) fn run() -> Result<()> {
    packages()?;
    libreswan()?;
    crate::modules::home()?;
    cargo_deny()
}

/// libreswan's files, unpacked: Debian's package cannot stand beside strongSwan's.
pub(crate) fn libreswan() -> Result<PathBuf> {
    let place = crate::build::target().join("lab/libreswan");
    if place.join("usr/libexec/ipsec/pluto").exists() {
        return Ok(place);
    }
    println!("unpacking libreswan");
    let archives = crate::build::target().join("lab/archives");
    std::fs::create_dir_all(&archives)?;
    let download = |list: &[&str]| {
        apt_in(&archives, &[&["download", "-qq", "-o", "APT::Sandbox::User=root"], list].concat())
    };
    download(&LIBRESWAN).or_else(|_| {
        apt(&["update", "-qq"])?;
        download(&LIBRESWAN)
    })?;
    let unpacked = place.with_extension("new");
    for archive in std::fs::read_dir(&archives)? {
        let status = Command::new("dpkg-deb").arg("-x").arg(archive?.path()).arg(&unpacked).status()?;
        ensure!(status.success(), "dpkg-deb cannot unpack libreswan");
    }
    std::fs::remove_dir_all(&archives)?;
    // Renamed at the end, so that what is there is whole.
    std::fs::rename(&unpacked, &place)?;
    Ok(place)
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
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat();
    without_services(Path::new(POLICY), || apt(&install)).context("install them by hand, or run as root")?;
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

/// The labs start what they need in namespaces of their own: routing daemons must not run on the machine itself.
fn without_services(policy: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    if policy.exists() {
        return install();
    }
    std::fs::write(policy, "#!/bin/sh\nexit 101\n").with_context(|| policy.display().to_string())?;
    std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755))?;
    let outcome = install();
    std::fs::remove_file(policy)?;
    outcome
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
    apt_in(Path::new("/"), arguments)
}

fn apt_in(directory: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .current_dir(directory)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_forbidden_only_while_packages_are_installed() {
        let policy = std::env::temp_dir().join(format!("onramp-policy-{}", std::process::id()));
        let asked = || anyhow::Ok(Command::new("sh").arg(&policy).status()?.code());
        without_services(&policy, || {
            ensure!(asked()? == Some(101));
            Ok(())
        })
        .unwrap();
        assert!(!policy.exists());
        assert!(without_services(&policy, || anyhow::bail!("no network")).is_err());
        assert!(!policy.exists(), "also when it fails");
        std::fs::write(&policy, "theirs").unwrap();
        without_services(&policy, || Ok(())).unwrap();
        assert_eq!(std::fs::read_to_string(&policy).unwrap(), "theirs");
        std::fs::remove_file(&policy).unwrap();
    }
}
