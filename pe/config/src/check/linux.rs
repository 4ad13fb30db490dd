//! What only one of the two dataplanes can carry out.

use ipsec::{DfBit, Mode};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Backend, Config, CryptoMap, Interface, MapEntry};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    match config.dataplane {
        Backend::User => offloads(config, report),
        Backend::Linux => linux(config, report),
    }
}

fn offloads(config: &Config, report: &mut Report<'_>) {
    for (name, _) in config.interfaces.iter().filter(|(_, interface)| interface.offload.is_some()) {
        let message = "no network card helps the userspace dataplane";
        let help = "leave the line out, or write `dataplane linux`";
        report.error(&Place::at(Level::Interface, name), "crypto ipsec offload", message, help);
    }
}

fn linux(config: &Config, report: &mut Report<'_>) {
    outer_headers(Place::GLOBAL, Some(config.ipsec.df), report);
    for (name, interface) in &config.interfaces {
        outer_headers(Place::at(Level::Interface, name), interface.df, report);
        offload(name, interface, report);
        labels(name, interface, report);
        bare(name, interface, report);
        own_maps(config, interface, report);
    }
    for (name, _) in config.transform_sets.iter().filter(|(_, set)| set.mode == Mode::Transport) {
        let message = "XFRM interfaces have tunnel mode alone";
        let help = "write `mode tunnel`, or `dataplane user`";
        report.error(&Place::at(Level::TransformSet, name), "mode", message, help);
    }
    entries(config, report);
    vrfs(config, report);
}

fn outer_headers(place: Place, df: Option<DfBit>, report: &mut Report<'_>) {
    if df == Some(DfBit::Set) {
        let message = "the kernel copies the DF bit or clears it, but never sets it";
        report.error(&place, "crypto ipsec df-bit", message, "write `copy` or `clear`, or `dataplane user`");
    }
}

fn offload(name: &str, interface: &Interface, report: &mut Report<'_>) {
    if interface.offload.is_some() && interface.tunnel.is_some() {
        let message = "a tunnel interface has no network card";
        let help = "write the line under the interface that its packets leave by";
        report.error(&Place::at(Level::Interface, name), "crypto ipsec offload", message, help);
    }
}

/// An explicit null that comes in would lead out of the VRF.
fn labels(name: &str, interface: &Interface, report: &mut Report<'_>) {
    if interface.mpls && interface.vrf.is_some() {
        let message = "the kernel's labels know no VRF: they are for interfaces of the global table";
        let help = "take the interface out of the VRF, or write `dataplane user`";
        report.error(&Place::at(Level::Interface, name), "mpls ip", message, help);
    }
}

/// Where no tunnel of a VRF fits, the kernel gives a packet to one of another VRF with the same addresses and key;
/// its sockets for MPLS in UDP (`fou`) know no VRF either.
fn bare(name: &str, interface: &Interface, report: &mut Report<'_>) {
    if interface.tunnel.as_ref().is_some_and(|tunnel| tunnel.bare().is_some()) {
        let help = "make the device in Linux and name it with `device`, or write `dataplane user`";
        let message = "the kernel's GRE and MPLS in UDP do not keep VRFs apart";
        report.error(&Place::at(Level::Interface, name), "", message, help);
    }
}

/// What the box itself sends of IPv6, or takes from under a label, the kernel leads by no policy of a port.
fn own_maps(config: &Config, interface: &Interface, report: &mut Report<'_>) {
    for name in [&interface.crypto_map, &interface.crypto_map_ipv6].into_iter().flatten() {
        let Some(map) = config.crypto_maps.get(name) else { continue };
        for (number, entry) in &map.entries {
            let dynamic = entry.dynamic.as_ref().and_then(|of| Some((of, config.dynamic_maps.get(of)?)));
            let written = Place::numbered(Level::MapEntry, name, *number);
            let all: Vec<_> = match dynamic {
                None => vec![(written, entry)],
                Some((of, entries)) => {
                    let place = |number: &u32| Place::numbered(Level::DynamicEntry, of, *number);
                    entries.iter().map(|(number, entry)| (place(number), entry)).collect()
                }
            };
            for (place, entry) in all {
                if is_own(config, interface, map, entry) && is_six(config, map, entry) {
                    let message =
                        "IPv6 of the interface's own VRF is not protected by a crypto map of the kernel";
                    let help = "use a tunnel interface, a profile with another VRF, or `dataplane user`";
                    report.error(&place, "match address", message, help);
                }
            }
        }
    }
}

/// Whether the inside VRF is the interface's own.
fn is_own(config: &Config, interface: &Interface, map: &CryptoMap, entry: &MapEntry) -> bool {
    let first = entry.profile.as_ref().or(map.profile.as_ref());
    let inside = match &entry.ikev2_profile {
        Some(name) => config.ikev2.profiles.iter().find(|it| it.name == *name).and_then(|it| it.vrf.as_ref()),
        None => config.profiles.iter().find(|it| Some(&it.name) == first).and_then(|it| it.vrf.as_ref()),
    };
    inside.is_none() || inside == interface.vrf.as_ref()
}

/// Without an access list the peer says what it wants.
fn is_six(config: &Config, map: &CryptoMap, entry: &MapEntry) -> bool {
    match &entry.access_list {
        Some(name) => config.access_lists.get(name).is_some_and(|list| list.ipv6),
        None => map.ipv6,
    }
}

/// The kernel has extended sequence numbers only with a window.
fn entries(config: &Config, report: &mut Report<'_>) {
    let maps = config.crypto_maps.iter().flat_map(|(name, map)| {
        map.entries
            .iter()
            .map(move |(number, entry)| (Place::numbered(Level::MapEntry, name, *number), entry))
    });
    let dynamic = config.dynamic_maps.iter().flat_map(|(name, map)| {
        map.iter().map(move |(number, entry)| (Place::numbered(Level::DynamicEntry, name, *number), entry))
    });
    let profiles = config.ipsec_profiles.iter();
    let profiles = profiles.map(|(name, entry)| (Place::at(Level::IpsecProfile, name), entry));
    for (place, entry) in maps.chain(dynamic).chain(profiles) {
        if windowless(config, entry) {
            let own = entry.replay_window.is_some();
            let command =
                if own { "set security-association replay" } else { "set security-association esn" };
            let message = "the kernel has extended sequence numbers only with a replay window";
            let help = "write a window, or no `security-association esn`";
            report.error(&place, command, message, help);
        }
    }
}

fn windowless(config: &Config, entry: &MapEntry) -> bool {
    let replay = entry.replay(config.ipsec.replay);
    replay.esn && replay.window == 0
}

/// A VRF is a device of its own name, if no port has it.
fn vrfs(config: &Config, report: &mut Report<'_>) {
    for (name, interface) in &config.interfaces {
        let device = interface.device.as_ref().unwrap_or(name);
        if config.vrfs.contains_key(device) {
            let message = format!("the VRF's device has the name of interface {name}'s");
            report.error(&Place::at(Level::Vrf, device), "", message, "give the VRF another name");
        }
    }
    for (name, vrf) in &config.vrfs {
        let family = |number| Place::numbered(Level::Family, name, number);
        let all = [
            (Place::at(Level::Vrf, name), Some(&vrf.targets)),
            (family(4), vrf.ipv4.as_ref()),
            (family(6), vrf.ipv6.as_ref()),
        ];
        for (place, _) in all.iter().filter(|(_, it)| it.is_some_and(|it| it.global_import.is_some())) {
            let message = "no route of a VRF's device leads into the kernel's main table";
            let help = "write a static route with `global`, or `dataplane user`";
            report.error(place, "import", message, help);
        }
    }
}
