//! What two selectors have in common, and a selector in pieces that the kernel can hold: it knows ports by value and
//! mask.

use base::Prefix;
use ipsec::{Ports, Selector};

/// The flows of both; `None` where there is none.
pub(super) fn meet(a: &Selector, b: &Selector) -> Option<Selector> {
    let protocol = match (a.protocol, b.protocol) {
        (Some(a), Some(b)) if a != b => return None,
        (a, b) => a.or(b),
    };
    Some(Selector {
        local: narrower(a.local, b.local)?,
        remote: narrower(a.remote, b.remote)?,
        protocol,
        local_ports: common(a.local_ports, b.local_ports)?,
        remote_ports: common(a.remote_ports, b.remote_ports)?,
    })
}

/// The same flows in selectors whose ports have a common mask.
pub(super) fn blocks(selector: &Selector) -> impl Iterator<Item = Selector> {
    let (whole, locals) = (*selector, port_blocks(selector.local_ports));
    let remotes = port_blocks(selector.remote_ports);
    locals.into_iter().flat_map(move |local_ports| {
        let remotes = remotes.clone();
        remotes.into_iter().map(move |remote_ports| Selector { local_ports, remote_ports, ..whole })
    })
}

/// The longest prefixes nest or have nothing in common.
fn narrower(a: Prefix, b: Prefix) -> Option<Prefix> {
    if a.covers(b) { Some(b) } else { b.covers(a).then_some(a) }
}

fn common(a: Ports, b: Ports) -> Option<Ports> {
    let (first, last) = (a.first.max(b.first), a.last.min(b.last));
    (first <= last).then_some(Ports { first, last })
}

/// As few blocks as make the range up: each as large as its place allows.
fn port_blocks(ports: Ports) -> Vec<Ports> {
    let (mut next, last) = (u32::from(ports.first), u32::from(ports.last));
    let mut blocks = Vec::new();
    while next <= last {
        let mut size = if next == 0 { 1 << 16 } else { 1 << next.trailing_zeros() };
        while next + size - 1 > last {
            size /= 2;
        }
        let port = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
        blocks.push(Ports { first: port(next), last: port(next + size - 1) });
        next += size;
    }
    blocks
}
