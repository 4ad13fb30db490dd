//! Settings under `/proc/sys/net`: forwarding, reverse path filters, labels. What was already right is not
//! touched; every change is logged.

use std::fs;
use std::io;

/// Labels reach up to this number in the kernel.
const LABELS: u32 = 1_048_575;

/// What a device of ours or a port needs. Missing files are no error: the kernel has no such feature.
pub(crate) fn prepare(device: &str, labels: bool) {
    require(&format!("ipv4/conf/{device}/forwarding"), 1);
    let all = read("ipv4/conf/all/rp_filter").unwrap_or(0);
    // The stricter of the two counts: where "all" is strict, loose is the most that can be had.
    require(&format!("ipv4/conf/{device}/rp_filter"), if all == 0 { 0 } else { 2 });
    require(&format!("ipv6/conf/{device}/forwarding"), 1);
    // The addresses stay when the device becomes a slave.
    require(&format!("ipv6/conf/{device}/keep_addr_on_down"), 1);
    require(&format!("mpls/conf/{device}/input"), u32::from(labels));
}

/// A port that is ours no more neither forwards nor takes labels.
pub(crate) fn close(device: &str) {
    for setting in ["ipv4/conf/DEVICE/forwarding", "ipv6/conf/DEVICE/forwarding", "mpls/conf/DEVICE/input"] {
        require(&setting.replace("DEVICE", device), 0);
    }
}

/// What the box as a whole needs.
pub(crate) fn prepare_box() {
    require("ipv6/conf/all/forwarding", 1);
    // While a question for an SA is open the kernel asks no second time: once a second, as long as packets come.
    require("core/xfrm_acq_expires", 1);
    // What is popped for the global table is looked up again on this device.
    for setting in ["ipv4/conf/lo/forwarding", "ipv6/conf/lo/forwarding", "mpls/conf/lo/input"] {
        require(setting, 1);
    }
    if read("mpls/platform_labels").is_some_and(|labels| labels < LABELS) {
        require("mpls/platform_labels", LABELS);
    }
}

fn read(name: &str) -> Option<u32> {
    fs::read_to_string(path(name)).ok()?.trim().parse().ok()
}

fn require(name: &str, value: u32) {
    match read(name) {
        None => {}
        Some(old) if old == value => {}
        Some(old) => match fs::write(path(name), value.to_string()) {
            Ok(()) => tracing::info!("net/{name} set from {old} to {value}"),
            // Its device has just gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => say(name, value, &error),
        },
    }
}

fn say(name: &str, value: u32, error: &io::Error) {
    tracing::warn!("net/{name} cannot be set to {value}: {error}");
}

fn path(name: &str) -> String {
    format!("/proc/sys/net/{name}")
}
