//! The modules of the labs' kernel: those of Debian's user-mode Linux, and what it lacks, XFRM interfaces and tunnels in
//! UDP, built once from the source of the same release.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::build::{self, step};

/// Where Debian's package keeps its modules, a directory a release; `modprobe` looks elsewhere.
const PACKAGED: &str = "/usr/lib/uml/modules";

/// What we build, in the kernel's source.
const OURS: [&str; 3] = ["net/xfrm/xfrm_interface.ko", "net/ipv4/fou.ko", "net/ipv6/fou6.ko"];

/// A directory for `modprobe -d`; builds what is missing first, which takes about a minute.
pub(crate) fn home() -> Result<PathBuf> {
    let release = release()?;
    let place = build::target().join("lab").join(format!("modules-{release}"));
    if !place.exists() {
        let work = build::target().join("lab").join(format!("modules-{release}-build"));
        let _ = std::fs::remove_dir_all(&work);
        let built = build_in(&work, &release).with_context(|| {
            format!("user-mode Linux {release} comes without XFRM interfaces and fou, which cannot be built")
        });
        // Renamed at the end, so that what is there is whole; the source goes, however it ended.
        let done = built.and_then(|tree| Ok(std::fs::rename(tree, &place)?));
        let _ = std::fs::remove_dir_all(&work);
        done?;
    }
    Ok(place)
}

/// The release of the packaged kernel.
fn release() -> Result<String> {
    let directories =
        std::fs::read_dir(PACKAGED).with_context(|| format!("no {PACKAGED}: run `./x setup`"))?;
    let names = directories.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.max().with_context(|| format!("{PACKAGED} is empty: is user-mode-linux installed?"))
}

fn build_in(work: &Path, release: &str) -> Result<PathBuf> {
    println!("fetching the source of Linux {release}");
    let source = source(work, release)?;
    println!("building modules for user-mode Linux");
    let configs = format!("{PACKAGED}/{release}/kernel/kernel/configs.ko");
    step(&source, "sh", &["-c", &format!("scripts/extract-ikconfig {configs} >.config")])
        .context("the packaged kernel does not tell its configuration")?;
    step(&source, "scripts/config", &["--module", "XFRM_INTERFACE", "--enable", "NET_FOU_IP_TUNNELS"])?;
    make(&source, &["olddefconfig"])?;
    make(&source, &["modules_prepare"])?;
    // Of the kernel only its headers are ready: who has which symbol is seen when it is loaded.
    make(&source, &[&["KBUILD_MODPOST_WARN=1"], &OURS[..]].concat())?;
    tree(work, &source, release)
}

/// Debian's source of that release, unpacked.
fn source(work: &Path, release: &str) -> Result<PathBuf> {
    let source = work.join("source");
    std::fs::create_dir_all(&source)?;
    let series = release.rsplit_once('.').map_or(release, |(series, _)| series);
    let package = format!("linux-source-{series}");
    let version = version(&package, release).or_else(|_| {
        step(work, "apt-get", &["update", "-qq"])?;
        version(&package, release)
    })?;
    let wanted = format!("{package}={version}");
    step(work, "apt-get", &["download", "-qq", "-o", "APT::Sandbox::User=root", &wanted])?;
    let unpack = format!(
        "dpkg-deb --extract {package}_*.deb package && rm {package}_*.deb \
         && tar xJf package/usr/src/{package}.tar.xz -C source --strip-components=1 && rm -r package"
    );
    step(work, "sh", &["-c", &unpack])?;
    Ok(source)
}

/// The newest version of the source package that is of this release.
fn version(package: &str, release: &str) -> Result<String> {
    let output = Command::new("apt-cache").args(["madison", package]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut versions = text.lines().filter_map(|line| line.split('|').nth(1).map(str::trim));
    let ours = versions.find(|version| version.starts_with(&format!("{release}-")));
    let ours = ours.with_context(|| {
        format!("apt knows no {package} of release {release}: look into /etc/apt/sources.list.d, or upgrade user-mode-linux")
    })?;
    Ok(ours.to_owned())
}

fn make(source: &Path, targets: &[&str]) -> Result<()> {
    step(source, "nice", &[&["make", "-s", "-j2", "ARCH=um"], targets].concat())
}

/// Debian's modules and ours as `modprobe` wants them.
fn tree(work: &Path, source: &Path, release: &str) -> Result<PathBuf> {
    let root = work.join("tree");
    let modules = root.join("lib/modules").join(release);
    // What lies there comes before the kernel's own of the same name.
    let updates = modules.join("updates");
    std::fs::create_dir_all(&updates)?;
    let packaged = Path::new(PACKAGED).join(release);
    std::os::unix::fs::symlink(packaged.join("kernel"), modules.join("kernel"))?;
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        if packaged.join(list).exists() {
            std::fs::copy(packaged.join(list), modules.join(list))?;
        }
    }
    for module in OURS.map(|path| source.join(path)) {
        let name = module.file_name().unwrap_or_default();
        std::fs::copy(&module, updates.join(name))
            .with_context(|| format!("make built no {}", module.display()))?;
    }
    step(work, "depmod", &["--basedir", &root.to_string_lossy(), release])?;
    let index = std::fs::read_to_string(modules.join("modules.dep"))?;
    let known = |name: &str| {
        index.lines().any(|line| line.split(':').next().is_some_and(|path| path.ends_with(name)))
    };
    ensure!(
        ["updates/xfrm_interface.ko", "updates/fou.ko", "updates/fou6.ko", "/vrf.ko"].into_iter().all(known),
        "depmod does not find the modules in {}",
        modules.display()
    );
    Ok(root)
}
