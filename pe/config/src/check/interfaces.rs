//! Interfaces without a device: tunnels, loopbacks and VLANs of another interface.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::Family;
use ike::config::Peer;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Config, Interface, Tunnel, TunnelMode, TunnelSource, parent};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    for (name, interface) in &config.interfaces {
        let place = Place::at(Level::Interface, name);
        deviceless(&place, interface, report);
        if let Some(tunnel) = &interface.tunnel {
            incomplete(&place, interface.mpls, tunnel, report);
            ends(config, &place, tunnel, report);
        }
        sub_interface(config, &place, interface, report);
    }
    vlans(config, report);
    distinct(config, report);
}

/// What has no device of its own has nothing of a device. Labels may leave by VLANs and tunnels without
/// protection.
fn deviceless(place: &Place, interface: &Interface, report: &mut Report<'_>) {
    let (kind, labels) = match (&interface.tunnel, interface.loopback, interface.vlan) {
        (Some(tunnel), ..) => ("a tunnel interface", tunnel.bare().is_some()),
        (None, true, _) => ("a loopback", false),
        (None, false, Some(_)) => ("an 802.1Q sub-interface", true),
        (None, false, None) => return,
    };
    let maps = interface.vlan.is_some();
    for (said, command) in [
        (interface.device.is_some(), "device"),
        (interface.mtu.is_some(), "mtu"),
        (interface.mpls && !labels, "mpls ip"),
        (interface.crypto_map.is_some() && !maps, "crypto map"),
        (interface.crypto_map_ipv6.is_some() && !maps, "ipv6 crypto map"),
    ] {
        if said {
            let message = format!("{kind} has no device");
            report.error(place, command, message, "leave the line out; `ip mtu` bounds its packets");
        }
    }
}

fn incomplete(place: &Place, mpls: bool, tunnel: &Tunnel, report: &mut Report<'_>) {
    let missing: Vec<_> = [
        (tunnel.source.is_none(), "`tunnel source`"),
        (tunnel.destination.is_none(), "`tunnel destination`"),
        (tunnel.ipsec().is_some() && tunnel.profile.is_none(), "`tunnel protection ipsec profile`"),
        (matches!(tunnel.mode, TunnelMode::MplsUdp(_)) && !mpls, "`mpls ip`"),
    ]
    .into_iter()
    .filter_map(|(absent, command)| absent.then_some(command))
    .collect();
    if !missing.is_empty() {
        let message = format!("the tunnel is incomplete: it needs {}", missing.join(", "));
        report.warning(place, "", message, "until then it is down");
    }
}

/// Both ends are of the family that the mode says. With IPsec the ISAKMP profile leaves the inside VRF to the
/// interface (VTI-04); without IPsec there is none.
fn ends(config: &Config, place: &Place, tunnel: &Tunnel, report: &mut Report<'_>) {
    let (TunnelMode::Gre(family) | TunnelMode::MplsUdp(family) | TunnelMode::Ipsec(family)) = tunnel.mode;
    let help = "`tunnel mode` says of which family both ends are";
    let wrong = |address: &IpAddr| family != Family::of(*address);
    if matches!(&tunnel.source, Some(TunnelSource::Address(address)) if wrong(address)) {
        report.error(place, "tunnel source", "the source is of the other address family", help);
    }
    if matches!(&tunnel.destination, Some(Peer::Address(address)) if wrong(address)) {
        report.error(place, "tunnel destination", "the destination is of the other address family", help);
    }
    match tunnel.mode {
        TunnelMode::Ipsec(_) => protected(config, place, tunnel, report),
        TunnelMode::Gre(_) => bare("GRE", place, tunnel, report),
        TunnelMode::MplsUdp(_) => labelled(place, tunnel, report),
    }
}

fn protected(config: &Config, place: &Place, tunnel: &Tunnel, report: &mut Report<'_>) {
    if tunnel.key.is_some() {
        let help =
            "packets go into ESP without a header between: leave the line out, or write `tunnel mode gre ip`";
        report.error(place, "tunnel key", "an IPsec tunnel has no key", help);
    }
    let profile = tunnel.profile.as_ref().and_then(|name| config.ipsec_profiles.get(name));
    let inside = profile.is_some_and(|profile| {
        let one = config.profiles.iter().filter(|it| Some(&it.name) == profile.profile.as_ref());
        let two = config.ikev2.profiles.iter().filter(|it| Some(&it.name) == profile.ikev2_profile.as_ref());
        one.map(|it| &it.vrf).chain(two.map(|it| &it.vrf)).any(Option::is_some)
    });
    if inside {
        let help = "the interface's own VRF is the inside one: take `vrf` or `ivrf` out of the profile";
        report.error(place, "tunnel protection ipsec profile", "the profile names an inside VRF", help);
    }
}

fn labelled(place: &Place, tunnel: &Tunnel, report: &mut Report<'_>) {
    if tunnel.key.is_some() {
        let help = "leave the line out: the labels say whose a packet is";
        report.error(place, "tunnel key", "MPLS in UDP has no key", help);
    }
    bare("MPLS in UDP", place, tunnel, report);
}

fn bare(kind: &str, place: &Place, tunnel: &Tunnel, report: &mut Report<'_>) {
    if tunnel.profile.is_some() {
        let message = format!("{kind} inside IPsec is not supported");
        let help = "write `tunnel mode ipsec ipv4` or `ipv6`: GRE is what a tunnel is without a mode";
        report.error(place, "tunnel protection ipsec profile", message, help);
    }
    if matches!(tunnel.destination, Some(Peer::Host(_))) {
        let help = "names of peers are for IPsec";
        report.error(place, "tunnel destination", "without IPsec a tunnel goes to an address", help);
    }
}

fn sub_interface(config: &Config, place: &Place, interface: &Interface, report: &mut Report<'_>) {
    let Some(parent) = parent(&place.name) else { return };
    if interface.vlan.is_none() && interface.device.is_none() {
        let help = "write `encapsulation dot1Q N`, or `device DEV` for a VLAN device of Linux";
        report.error(place, "", "the sub-interface has no encapsulation", help);
    }
    if interface.vlan.is_some() && !config.interfaces.get(parent).is_some_and(Interface::is_device) {
        let message = format!("there is no interface {parent} with a device");
        let help = format!("write `interface {parent}`, with `device DEV` if Linux calls it otherwise");
        report.error(place, "encapsulation dot1Q", message, help);
    }
}

/// A frame belongs to one interface.
fn vlans(config: &Config, report: &mut Report<'_>) {
    let mut seen = BTreeMap::new();
    for (name, interface) in &config.interfaces {
        let (Some(parent), Some(vlan)) = (parent(name), interface.vlan) else { continue };
        if let Some(first) = seen.insert((parent, vlan), name) {
            let message = format!("VLAN {vlan} of {parent} is {first}'s already");
            report.error(
                &Place::at(Level::Interface, name),
                "encapsulation dot1Q",
                message,
                "give each its own",
            );
        }
    }
}

/// A packet that comes in by GRE or UDP belongs to one tunnel.
fn distinct(config: &Config, report: &mut Report<'_>) {
    let mut seen = Vec::new();
    for (name, interface) in &config.interfaces {
        let Some(tunnel) = interface.tunnel.as_ref().filter(|it| it.bare().is_some()) else { continue };
        let (Some(source), Some(destination)) = (&tunnel.source, &tunnel.destination) else { continue };
        let ends = (tunnel.mode, source, destination, tunnel.key, &tunnel.vrf);
        match seen.iter().find(|(known, _)| *known == ends) {
            Some((_, first)) => {
                let message = format!("{first} has the same ends");
                let help = match tunnel.mode {
                    TunnelMode::Gre(_) => "give each its own `tunnel key`",
                    TunnelMode::MplsUdp(_) | TunnelMode::Ipsec(_) => "give each its own `tunnel source`",
                };
                report.error(&Place::at(Level::Interface, name), "", message, help);
            }
            None => seen.push((ends, name)),
        }
    }
}
