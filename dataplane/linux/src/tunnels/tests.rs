//! Where policies stand, and that none is left behind.

use base::{PortId, VrfId};
use dataplane::{Link, Port, TtlModel};
use ipsec::Fragmentation;

use super::*;
use crate::ground::Place;

const VRF: VrfId = VrfId(3);
const PORT: PortId = PortId(1);
const MAP: Carrier = Carrier::Map { port: PORT, inside: VRF };

fn ground(device: &str) -> Ground {
    let mut ground = Ground::default();
    let place = Place { device: None, table: 1003, mark: 0x2_0000, alias: None, ttl: TtlModel::Uniform };
    ground.vrfs.insert(VRF, place);
    let port = Port {
        id: PORT,
        name: "GigabitEthernet1".to_owned(),
        device: device.to_owned(),
        vrf: VRF,
        link: Link::Ethernet { mac: [2, 0, 0, 0, 0, 1] },
        mtu: 1500,
        addresses: Vec::new(),
        mpls: false,
        crypto: true,
        offload: None,
    };
    ground.ports.insert(PORT, port);
    ground
}

fn policy(id: u32) -> Policy {
    let host = |last: u8| Prefix::host(IpAddr::from([10, 0, 0, last]));
    let selector = Selector::between(host(1), host(2));
    Policy {
        id: PolicyId(id),
        port: PORT,
        sequence: id,
        front: VRF,
        inside: VRF,
        rules: vec![Rule { permit: true, selector }],
        bundles: Vec::new(),
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    }
}

/// What the kernel should hold after all that.
fn take(kernel: &mut BTreeMap<Key, Thing>, wanted: Vec<Wanted>) {
    for (key, thing) in wanted {
        match thing {
            Some(thing) => kernel.insert(key, thing),
            None => kernel.remove(&key),
        };
    }
}

#[test]
fn a_map_of_the_ports_own_vrf_follows_its_device_and_leaves_nothing_behind() {
    let (mut tunnels, mut kernel, plan) = (Tunnels::default(), BTreeMap::new(), Plan::default());
    for device in ["wan", "other"] {
        for id in [1, 2] {
            take(&mut kernel, tunnels.set_policy(&policy(id), MAP, &ground(device), &plan).0);
        }
        let out =
            |key: &&Key| matches!(key, Key::Policy(Scope::Port(name), Hook::Out, _) if **name == *device);
        assert_eq!(kernel.keys().filter(out).count(), 1, "of equal selectors the first");
        let arriving =
            |key: &&Key| matches!(key, Key::Policy(Scope::Front(0x8002_0000), Hook::In | Hook::Forward, _));
        assert_eq!((kernel.keys().filter(arriving).count(), kernel.len()), (2, 3));
    }
    for id in [1, 2] {
        take(&mut kernel, tunnels.unset_policy(PolicyId(id), MAP, &plan));
    }
    assert!(kernel.is_empty() && tunnels.spds.is_empty() && tunnels.guards.is_empty());
}

#[test]
fn what_arrives_is_held_to_the_maps_of_all_ports_of_the_vrf() {
    let (mut tunnels, plan) = (Tunnels::default(), Plan::default());
    let mut ground = ground("wan");
    let second = Port { id: PortId(2), device: "wan2".to_owned(), ..ground.ports[&PORT].clone() };
    ground.ports.insert(PortId(2), second);
    let other = Carrier::Map { port: PortId(2), inside: VRF };
    let mut kernel = BTreeMap::new();
    take(&mut kernel, tunnels.set_policy(&policy(1), MAP, &ground, &plan).0);
    let alone = kernel.clone();
    take(&mut kernel, tunnels.set_policy(&policy(2), other, &ground, &plan).0);
    assert_eq!(kernel.len(), 4, "a policy for each port, and two for both");
    take(&mut kernel, tunnels.unset_policy(PolicyId(2), other, &plan));
    assert!(kernel == alone);
}
