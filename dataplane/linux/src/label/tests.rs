//! What becomes of labels, and what is read back of them.

use std::collections::BTreeMap;

use base::{PortId, VrfId};
use dataplane::{Labels, Port};
use netlink_packet_core::Parseable as _;

use super::*;
use crate::ground::{Kind, Link, Place};

const CORE: PortId = PortId(2);

fn ground() -> Ground {
    let mut ground = Ground::default();
    let place = |device: Option<&str>, table, ttl| {
        let device: Option<Name> = device.map(Name::from);
        Place { device, table, mark: 0, alias: None, ttl }
    };
    ground.vrfs = BTreeMap::from([
        (VrfId::GLOBAL, place(None, 254, TtlModel::Uniform)),
        (VrfId(1), place(Some("red"), 1001, TtlModel::Pipe)),
    ]);
    let core = Port {
        id: CORE,
        name: "Ethernet0".to_owned(),
        device: "core".to_owned(),
        vrf: VrfId::GLOBAL,
        link: dataplane::Link::Ethernet { mac: [2; 6] },
        mtu: 1500,
        addresses: Vec::new(),
        mpls: true,
        crypto: false,
        offload: None,
    };
    ground.ports.insert(CORE, core);
    for (index, device) in (1..).zip(["lo", "red", "core"]) {
        let (alias, kind) = (None, Kind::Other);
        let link = Link { index, master: None, enabled: true, running: true, mtu: 1500, alias, kind };
        ground.set_link(&Name::from(device), Some(link));
    }
    ground
}

fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

fn swap(to: u32, gateway: &str, push: &[u32]) -> LabelAction {
    let push: Vec<_> = push.iter().map(|value| label(*value)).collect();
    let push = Labels::of(&push).unwrap();
    LabelAction::Swap(label(to), Hop::Out { port: CORE, gateway: Some(gateway.parse().unwrap()), push })
}

fn forward(action: &LabelAction) -> Forward {
    match things(label(500), action, &ground()).map(|mut things| things.pop()) {
        Ok(Some((_, Thing::Label(forward)))) => forward,
        Ok(_) | Err(_) => panic!("no forwarding"),
    }
}

#[test]
fn what_is_sent_is_what_is_read_back() {
    let actions = [
        LabelAction::PopTo(VrfId(1)),
        LabelAction::PopTo(VrfId::GLOBAL),
        swap(600, "192.168.0.2", &[]),
        swap(600, "fe80::1", &[700, 701]),
        swap(0, "192.168.0.2", &[]),
        swap(3, "192.168.0.2", &[]),
    ];
    for action in actions {
        let forward = forward(&action);
        let requests = set(label(500), &forward, None, &ground()).unwrap();
        let message = RouteMessage::parse(requests[0].body.as_slice()).unwrap();
        let read = read(&message, &ground());
        assert!(read == Some((Key::Label(label(500)), Thing::Label(forward.clone()))), "{forward:?}");
    }
}

#[test]
fn implicit_null_never_goes_on_the_wire_and_the_label_stands_under_what_is_pushed() {
    assert!(forward(&swap(3, "192.168.0.2", &[])).push.is_empty());
    assert_eq!(*forward(&swap(600, "192.168.0.2", &[700, 3])).push, [label(700), label(600)]);
}

#[test]
fn the_ttl_goes_on_or_stays_as_the_vrf_says() {
    assert_eq!(forward(&LabelAction::PopTo(VrfId(1))).ttl, TtlModel::Pipe);
    assert_eq!(forward(&LabelAction::PopTo(VrfId::GLOBAL)).ttl, TtlModel::Uniform);
}

#[test]
fn a_label_that_leads_nowhere_is_none() {
    let nowhere = LabelAction::Swap(label(600), Hop::Drop);
    assert!(things(label(500), &nowhere, &ground()).is_ok_and(|things| things.is_empty()));
}

#[test]
fn a_reserved_label_is_refused() {
    let forward = forward(&LabelAction::PopTo(VrfId(1)));
    assert!(matches!(set(label(2), &forward, None, &ground()), Err(Unable::Never(_))));
}
