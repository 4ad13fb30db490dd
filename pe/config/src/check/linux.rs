//! What only one of the two dataplanes can carry out.

use ipsec::{DfBit, Mode};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Backend, Config, Interface, MapEntry};

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
}
