//! The kernel's knobs on ports that are ours.

use std::fs;
use std::path::Path;

use pe::HostPort;

/// For the whole namespace: a reverse path is the dataplane's business, and what the kernel answers
/// keeps the mark of what it was asked by.
const EVERYWHERE: [(&str, &str); 4] = [
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/fwmark_reflect", "1"),
    ("ipv4/tcp_fwmark_accept", "1"),
    ("ipv6/fwmark_reflect", "1"),
];

/// `accept_local`: a peer of one VRF may have the address that is ours in another. `arp_*`: each
/// device answers for its own addresses alone. `promote_secondaries`: an address that goes does not
/// take others with it.
const IPV4: [(&str, &str); 9] = [
    ("forwarding", "0"),
    ("rp_filter", "0"),
    ("arp_ignore", "1"),
    ("arp_announce", "2"),
    ("accept_local", "1"),
    ("send_redirects", "0"),
    ("accept_redirects", "0"),
    ("accept_source_route", "0"),
    ("promote_secondaries", "1"),
];

const IPV6: [(&str, &str); 4] =
    [("forwarding", "0"), ("accept_ra", "0"), ("accept_redirects", "0"), ("keep_addr_on_down", "1")];

/// What could not be set of the whole namespace, one line each. Without IPv6 in the kernel its knobs are not missed.
pub(crate) fn everywhere() -> Vec<String> {
    EVERYWHERE.iter().filter_map(|(name, value)| write(name, value)).collect()
}

/// The same of a port's device.
pub(crate) fn set(port: &HostPort) -> Vec<String> {
    let mut knobs = device("ipv4", &port.device, &IPV4);
    knobs.extend(device("ipv6", &port.device, &IPV6));
    if port.host {
        // No link-local address: it would send router solicitations into the graph.
        knobs.extend(device("ipv6", &port.device, &[("addr_gen_mode", "1")]));
    }
    knobs.iter().filter_map(|(name, value)| write(name, value)).collect()
}

fn device<'a>(family: &str, device: &str, knobs: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    knobs.iter().map(|(knob, value)| (format!("{family}/conf/{device}/{knob}"), *value)).collect()
}

/// Writes only what differs: a write to `forwarding` resets other knobs of the device.
fn write(name: &str, value: &str) -> Option<String> {
    let path = Path::new("/proc/sys/net").join(name);
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return None;
    }
    if name.starts_with("ipv6") && !path.exists() {
        return None;
    }
    fs::write(&path, value).err().map(|error| format!("{}: {error}", path.display()))
}
