//! What every backend must keep to: tests that a backend's own tests run against it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base::{Label, PolicyId, PortId, Prefix, SaId, Secret, Spi, VrfId};
use ipsec::{
    Bundle, Cipher, DfBit, Direction, Encap, Fragmentation, Integrity, Keys, Policy, Replay, Rule, Sa,
};
use ipsec::{Selector, Suite};

use crate::{
    Address, Counters, Dataplane, Event, Hop, Key, LabelAction, Labels, Link, Neighbour, Object, Op, Plan,
    Port, Route, SaCounters, TtlModel, Vrf,
};

/// A backend with nothing in it, and a way to use it.
pub trait Subject {
    fn plane(&mut self) -> &mut dyn Dataplane;

    /// Brings one IP packet with label 3001 and IPv4 from 10.1.0.7 to 10.2.0.9 in by [`CORE`], to the
    /// port's link address, and waits until it was dealt with: it leaves by the SA [`OUTBOUND`].
    fn carry(&mut self);
}

/// The port that carries the policy.
pub const WAN: PortId = PortId(1);
/// The port that labelled packets come in by.
pub const CORE: PortId = PortId(2);
/// A VLAN on the wire of [`CORE`].
pub const VLAN: PortId = PortId(3);
/// The SA of [`Subject::carry`].
pub const OUTBOUND: SaId = SaId(2);
const INBOUND: SaId = SaId(1);

const FRONT: VrfId = VrfId(10);
const INSIDE: VrfId = VrfId(1);

/// Runs every test of the contract, each with a backend of its own. Panics where one fails.
pub fn suite(make: &mut dyn FnMut() -> Box<dyn Subject>) {
    for test in [
        a_plan_sent_again_changes_nothing,
        an_identical_sa_keeps_its_counters,
        an_sa_with_other_keys_starts_anew,
        an_sa_whose_peer_moved_goes_on,
        unsetting_what_is_not_there_is_harmless,
        what_was_unset_is_gone_and_can_come_back,
        an_sa_that_goes_tells_what_it_counted,
        a_question_about_sas_is_answered_under_its_number,
        a_rekey_makes_before_it_breaks,
        a_drop_has_one_name_and_one_meaning,
    ] {
        test(&mut *make());
    }
}

fn a_plan_sent_again_changes_nothing(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    let before = subject.plane().counters();
    set(subject, &plan());
    let after = subject.plane().counters();
    assert_eq!(traffic(&after), traffic(&before));
    subject.carry();
    assert_eq!(outbound(subject).packets, 2, "packets pass as before");
}

fn an_identical_sa_keeps_its_counters(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    apply(subject, &[Op::Set(Object::Sa(sa(OUTBOUND)))]);
    assert_eq!(outbound(subject).sequence, 1);
    subject.carry();
    assert_eq!(outbound(subject).sequence, 2, "a sequence number is never used twice");
}

fn an_sa_with_other_keys_starts_anew(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    let keys = Keys { cipher: Secret::from(vec![9; 20]), integrity: Secret::default() };
    apply(subject, &[Op::Set(Object::Sa(Sa { keys, ..sa(OUTBOUND) }))]);
    assert_eq!(outbound(subject), SaCounters::default());
}

fn an_sa_whose_peer_moved_goes_on(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    let encap = Encap::Udp { local: 4500, remote: 61_000 };
    apply(subject, &[Op::Set(Object::Sa(Sa { encap, ..sa(OUTBOUND) }))]);
    subject.carry();
    assert!(outbound(subject).sequence > 1, "the same keys never see a sequence number again");
}

fn unsetting_what_is_not_there_is_harmless(subject: &mut dyn Subject) {
    let unsets: Vec<Op> = plan().objects().map(|object| Op::Unset(object.key())).collect();
    apply(subject, &unsets);
    set(subject, &plan());
    apply(subject, &[Op::Unset(Key::Sa(SaId(77))), Op::Unset(Key::Port(PortId(77)))]);
    subject.carry();
    assert_eq!(outbound(subject).packets, 1);
}

fn an_sa_that_goes_tells_what_it_counted(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    let counted = outbound(subject);
    apply(subject, &plan().toward(&Plan::default()));
    // Whoever knows the counters after it has told what it has to tell.
    let _ = subject.plane().counters();
    let events: Vec<_> = core::iter::from_fn(|| subject.plane().poll()).collect();
    assert!(events.contains(&Event::Gone(OUTBOUND, counted)), "{events:?}");
}

fn a_question_about_sas_is_answered_under_its_number(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    let (sent, received) = (outbound(subject), SaCounters::default());
    subject.plane().read(7, &[OUTBOUND, SaId(77), INBOUND]);
    subject.plane().read(8, &[]);
    // As above.
    let _ = subject.plane().counters();
    let events: Vec<_> = core::iter::from_fn(|| subject.plane().poll()).collect();
    assert!(events.contains(&Event::Counted(7, vec![Some(sent), None, Some(received)])), "{events:?}");
    assert!(events.contains(&Event::Counted(8, Vec::new())), "{events:?}");
}

fn what_was_unset_is_gone_and_can_come_back(subject: &mut dyn Subject) {
    set(subject, &plan());
    subject.carry();
    apply(subject, &plan().toward(&Plan::default()));
    let empty = subject.plane().counters();
    assert!(empty.sas.is_empty() && empty.ports.is_empty());
    set(subject, &plan());
    assert_eq!(outbound(subject), SaCounters::default());
    subject.carry();
    assert_eq!(outbound(subject).packets, 1);
}

/// The order of `Plan::toward` itself, and that a backend follows it without losing a packet.
fn a_rekey_makes_before_it_breaks(subject: &mut dyn Subject) {
    let old = plan();
    let mut new = plan();
    let fresh = SaId(4);
    let keys = Keys { cipher: Secret::from(vec![7; 20]), integrity: Secret::default() };
    new.unset(Key::Sa(OUTBOUND));
    new.set(Object::Sa(Sa { id: fresh, spi: Spi(0x0200_0001), keys, ..sa(OUTBOUND) }));
    new.set(Object::Policy(policy(fresh)));
    let ops = old.toward(&new);
    let keys: Vec<Key> = ops.iter().map(Op::key).collect();
    assert_eq!(keys, [Key::Sa(fresh), Key::Policy(PolicyId(1)), Key::Sa(OUTBOUND)]);
    assert!(matches!(ops.last(), Some(Op::Unset(_))));
    set(subject, &old);
    for op in ops {
        apply(subject, &[op]);
    }
    let sas = subject.plane().counters().sas;
    assert_eq!(sas.keys().copied().collect::<Vec<_>>(), [INBOUND, fresh]);
}

fn a_drop_has_one_name_and_one_meaning(subject: &mut dyn Subject) {
    let drops = subject.plane().counters().drops;
    let names: BTreeSet<&str> = drops.iter().map(|drop| drop.name).collect();
    let meanings: BTreeSet<&str> = drops.iter().map(|drop| drop.meaning).collect();
    assert_eq!((names.len(), meanings.len()), (drops.len(), drops.len()));
    assert!(drops.iter().all(|drop| drop.packets == 0 && drop.meaning.ends_with('.')));
}

fn apply(subject: &mut dyn Subject, ops: &[Op]) {
    assert_eq!(subject.plane().apply(ops), Ok(()));
}

fn set(subject: &mut dyn Subject, plan: &Plan) {
    apply(subject, &Plan::default().toward(plan));
}

fn outbound(subject: &mut dyn Subject) -> SaCounters {
    subject.plane().counters().sas.get(&OUTBOUND).copied().unwrap_or_default()
}

/// What only packets may change.
fn traffic(counters: &Counters) -> impl PartialEq + std::fmt::Debug {
    (counters.sas.clone(), counters.labels.clone())
}

/// One customer: labelled packets from the core go into a tunnel and back.
/// What the tests start from: a label into a VRF whose far site is behind a tunnel.
pub fn plan() -> Plan {
    let vrf = |id: VrfId| {
        let name = (id != VrfId::GLOBAL).then(|| format!("vrf{}", id.0));
        Object::Vrf(Vrf { id, name, ttl: TtlModel::Uniform })
    };
    let neighbour = |port, address| Object::Neighbour(Neighbour { port, address, mac: [2, 0, 0, 0, 0, 9] });
    let (wan, core) = (v4([172, 18, 1, 254]), v4([192, 168, 0, 2]));
    let label = |value| Label::new(value).unwrap_or(Label::LAST);
    let route = |vrf, network, length, port, gateway, push| {
        let prefix = prefix(network, length);
        Object::Route(Route { vrf, prefix, hop: Hop::Out { port, gateway: Some(gateway), push } })
    };
    Plan::from_iter([
        vrf(VrfId::GLOBAL),
        vrf(INSIDE),
        vrf(FRONT),
        Object::Port(port(WAN, FRONT, [172, 18, 1, 1])),
        Object::Port(port(CORE, VrfId::GLOBAL, [192, 168, 0, 1])),
        Object::Port(vlan()),
        neighbour(WAN, wan),
        neighbour(CORE, core),
        Object::Sa(sa(INBOUND)),
        Object::Sa(sa(OUTBOUND)),
        Object::Policy(policy(OUTBOUND)),
        Object::Label { label: label(3001), action: LabelAction::PopTo(INSIDE) },
        route(FRONT, [0, 0, 0, 0], 0, WAN, wan, Labels::default()),
        route(INSIDE, [10, 1, 0, 0], 16, CORE, core, Labels::from([label(2001)])),
        route(INSIDE, [10, 2, 0, 0], 16, WAN, wan, Labels::default()),
        route(INSIDE, [10, 8, 0, 0], 16, VLAN, v4([10, 7, 0, 2]), Labels::default()),
    ])
}

fn port(id: PortId, vrf: VrfId, address: [u8; 4]) -> Port {
    Port {
        id,
        name: format!("port{}", id.0),
        device: format!("port{}", id.0),
        vrf,
        link: Link::Ethernet { mac: [2, 0, 0, 0, 0, 1] },
        mtu: 1500,
        addresses: vec![Address { address: v4(address), length: 24 }],
        mpls: id == CORE,
        crypto: id == WAN,
        offload: None,
    }
}

fn vlan() -> Port {
    let (name, device) = ("port2.100".to_owned(), "port2.100".to_owned());
    let link = Link::Vlan { parent: CORE, id: 100, mac: [2, 0, 0, 0, 0, 1] };
    Port { name, device, link, ..port(VLAN, INSIDE, [10, 7, 0, 1]) }
}

fn sa(id: SaId) -> Sa {
    let inbound = id == INBOUND;
    let seed = if inbound { 1 } else { 2 };
    Sa {
        id,
        direction: if inbound { Direction::In } else { Direction::Out },
        policy: PolicyId(1),
        spi: Spi(if inbound { 0x1ABC } else { 0x0C00_0001 }),
        front: FRONT,
        inside: INSIDE,
        local: v4([172, 18, 1, 1]),
        remote: v4([198, 51, 100, 1]),
        encap: Encap::Esp,
        suite: Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
        mode: ipsec::Mode::Tunnel,
        keys: Keys { cipher: Secret::from(vec![seed; 20]), integrity: Secret::default() },
        replay: Replay::DEFAULT,
        selector: selector(),
        kilobytes: None,
    }
}

fn policy(outbound: SaId) -> Policy {
    Policy {
        id: PolicyId(1),
        port: WAN,
        sequence: 10,
        front: FRONT,
        inside: INSIDE,
        rules: vec![Rule { permit: true, selector: selector() }],
        bundles: vec![Bundle { selector: selector(), outbound }],
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    }
}

fn selector() -> Selector {
    Selector::between(prefix([10, 1, 0, 0], 16), prefix([10, 2, 0, 0], 16))
}

fn prefix(network: [u8; 4], length: u8) -> Prefix {
    Prefix::new(v4(network), length).unwrap_or_else(|_| Prefix::host(v4(network)))
}

fn v4(octets: [u8; 4]) -> IpAddr {
    IpAddr::from(octets)
}
