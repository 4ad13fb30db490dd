//! No sequence of packets and configuration changes lets a packet cross between VRFs.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use base::{Spi, VrfId};
use dataplane::{Event, Key};
use proptest::collection::vec;
use proptest::prelude::*;
use tests::judge::Place;
use tests::packet::{self, Mark, Shape};
use tests::setup::{
    ATTACHED, BOX, CUSTOMERS, DENIED, FAR, FRONTS, INSIDES, NEAR, PEERS, PUBLIC, TRANSIT, TRANSIT_IN,
    TUNNELS, attachment, customer_of, front_of, front_vrf, inside_vrf, label_in, tunnel_of, vrfs, wan,
};
use tests::world::World;

#[derive(Clone, Debug)]
enum Step {
    /// Takes the object out of the plan, if it is there; else puts it back.
    Toggle(usize),
    SwapWans,
    SwapAttachments(usize, usize),
    SwapLabels(usize, usize),
    Rekey(usize),
    Deny(usize),
    CutAfter(usize),
    Narrow,
    Pipe,
    Wait(u16),
    Send {
        from: Entry,
        to: usize,
        shape: Shape,
    },
    /// The second half of an ESP packet arrives at a WAN port, its own or another.
    Rest(usize, usize),
    Flood(usize),
    Junk(usize, Vec<u8>),
}

/// How a packet comes to the box.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Sealed { wan: usize, tunnel: usize },
    Half { wan: usize, tunnel: usize, ident: u16 },
    Labelled(usize),
    Transit,
    Attached(usize),
    Clear(usize),
    Own(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..1000_usize).prop_map(Step::Toggle),
        1 => Just(Step::SwapWans),
        1 => (0..INSIDES, 0..INSIDES).prop_map(|(a, b)| Step::SwapAttachments(a, b)),
        1 => (0..CUSTOMERS, 0..CUSTOMERS).prop_map(|(a, b)| Step::SwapLabels(a, b)),
        2 => (0..CUSTOMERS).prop_map(Step::Rekey),
        1 => (0..CUSTOMERS).prop_map(Step::Deny),
        1 => (0..CUSTOMERS).prop_map(Step::CutAfter),
        1 => Just(Step::Narrow),
        1 => Just(Step::Pipe),
        1 => (0..4000_u16).prop_map(Step::Wait),
        16 => (entry(), 0..1000_usize, shape()).prop_map(|(from, to, shape)| Step::Send { from, to, shape }),
        4 => (0..1000_usize, 0..FRONTS).prop_map(|(index, wan)| Step::Rest(index, wan)),
        1 => (0..FRONTS).prop_map(Step::Flood),
        1 => (0..1000_usize, vec(any::<u8>(), 0..80)).prop_map(|(port, bytes)| Step::Junk(port, bytes)),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let tunnel = || (0..FRONTS, 0..TUNNELS);
    prop_oneof![
        4 => tunnel().prop_map(|(wan, tunnel)| Entry::Sealed { wan, tunnel }),
        4 => (tunnel(), 0..2_u16).prop_map(|((wan, tunnel), ident)| Entry::Half { wan, tunnel, ident }),
        4 => (0..CUSTOMERS).prop_map(Entry::Labelled),
        1 => Just(Entry::Transit),
        2 => (0..INSIDES).prop_map(Entry::Attached),
        2 => (0..FRONTS).prop_map(Entry::Clear),
        1 => (0..FRONTS + INSIDES).prop_map(Entry::Own),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let ttl = prop_oneof![1 => Just(1), 1 => Just(2), 6 => Just(64)];
    (ttl, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(ttl, big, df, ping)| Shape {
        ttl,
        big,
        df,
        ping,
    })
}

/// Who is asked for; every address means another host in each VRF.
fn destination(choice: usize, tunnel: usize) -> Ipv4Addr {
    let nowhere = Ipv4Addr::new(9, 9, 9, 9);
    let all =
        [NEAR[tunnel], FAR, ATTACHED, BOX, PUBLIC, PEERS[0], PEERS[1], PEERS[2], DENIED[tunnel], nowhere];
    all[[0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9][choice % 15]]
}

fn act(world: &mut World, step: Step) {
    match step {
        Step::Toggle(choice) => toggle(world, choice),
        Step::SwapWans => world.configure(|setup| setup.wan_front.reverse()),
        Step::SwapAttachments(a, b) => world.configure(|setup| setup.attached.swap(a, b)),
        Step::SwapLabels(a, b) => world.configure(|setup| setup.labels.swap(a, b)),
        Step::Rekey(customer) => world.configure(|setup| setup.generation[customer] += 1),
        Step::Deny(customer) => world.configure(|setup| setup.denies[customer] ^= true),
        Step::CutAfter(customer) => world.configure(|setup| setup.cuts_after[customer] ^= true),
        Step::Narrow => world.configure(|setup| setup.narrow ^= true),
        Step::Pipe => world.configure(|setup| setup.pipe ^= true),
        Step::Wait(millis) => world.wait(Duration::from_millis(millis.into())),
        Step::Send { from, to, shape } => send(world, from, to, shape),
        Step::Rest(index, wan) => world.send_rest(index, wan),
        Step::Flood(wan) => world.send_lonely_fragments(wan, 70),
        Step::Junk(port, bytes) => junk(world, port, &bytes),
    }
}

fn toggle(world: &mut World, choice: usize) {
    world.configure(|setup| {
        let masked = std::mem::take(&mut setup.masked);
        let keys: Vec<Key> = setup.plan().objects().map(|object| object.key()).collect();
        setup.masked = &masked ^ &BTreeSet::from([keys[choice % keys.len()]]);
    });
}

fn send(world: &mut World, from: Entry, to: usize, shape: Shape) {
    let marked = |world: &mut World, owner: VrfId, src: Ipv4Addr, tunnel: usize| {
        let mark = world.mark(owner);
        (mark, packet::marked(mark, src, destination(to, tunnel), shape))
    };
    match from {
        Entry::Sealed { wan, tunnel } => {
            let owner = inside_vrf(world.setup.customer_at(wan, tunnel));
            let (_, packet) = marked(world, owner, NEAR[tunnel], tunnel);
            world.send_sealed(wan, tunnel, &packet);
        }
        Entry::Half { wan, tunnel, ident } => {
            let owner = inside_vrf(world.setup.customer_at(wan, tunnel));
            let (mark, packet) = marked(world, owner, NEAR[tunnel], tunnel);
            world.send_half(wan, tunnel, mark, &packet, ident);
        }
        Entry::Labelled(index) => {
            let customer = world.setup.labels[index];
            let (_, packet) = marked(world, inside_vrf(customer), FAR, tunnel_of(customer));
            world.send_labelled(label_in(index), shape.ttl, &packet);
        }
        Entry::Transit => {
            let (_, packet) = marked(world, TRANSIT, FAR, 0);
            world.send_labelled(base::Label::new(TRANSIT_IN).unwrap(), shape.ttl, &packet);
        }
        Entry::Attached(index) => {
            let customer = customer_of(world.setup.attached[index]);
            let (_, packet) = marked(world, inside_vrf(customer), ATTACHED, tunnel_of(customer));
            world.send_ip(attachment(index), &packet);
        }
        Entry::Clear(index) => {
            let (_, packet) = marked(world, front_vrf(world.setup.wan_front[index]), NEAR[to % TUNNELS], 2);
            world.send_ip(wan(index), &packet);
        }
        Entry::Own(index) => {
            let vrf = vrfs().nth(index).unwrap();
            let (_, packet) = marked(world, vrf, BOX, if index < FRONTS { 2 } else { 0 });
            world.send_own(vrf, &packet);
        }
    }
}

fn junk(world: &mut World, port: usize, bytes: &[u8]) {
    let ports: Vec<_> = (0..FRONTS).map(wan).chain((0..INSIDES).map(attachment)).collect();
    world.send_ip(ports[port % ports.len()], bytes);
    world.inject(ports[port % ports.len()], bytes);
}

/// When everything is in force, each customer reaches its own sites; and no other does, or the
/// world would have stopped.
fn everyone_is_served(world: &mut World) {
    world.restore();
    let mut due: Vec<(Mark, Place, &str)> = Vec::new();
    for index in 0..CUSTOMERS {
        let customer = world.setup.labels[index];
        let (mark, packet) = world.plain(inside_vrf(customer), FAR, NEAR[tunnel_of(customer)]);
        world.send_labelled(label_in(index), 64, &packet);
        due.push((mark, Place::Sealed(customer), "from the core"));
    }
    for (wan, tunnel) in tunnels() {
        let inside = inside_vrf(world.setup.customer_at(wan, tunnel));
        let (mark, packet) = world.plain(inside, NEAR[tunnel], FAR);
        world.send_sealed(wan, tunnel, &packet);
        due.push((mark, Place::Labelled(inside), "from the tunnel"));
    }
    halves_meet(world, &mut due);
    for index in 0..INSIDES {
        let customer = customer_of(world.setup.attached[index]);
        let (tunnel, inside) = (tunnel_of(customer), inside_vrf(customer));
        let wan = world.setup.wan_front.iter().position(|front| *front == front_of(customer)).unwrap();
        let (mark, packet) = world.plain(inside, ATTACHED, NEAR[tunnel]);
        world.send_ip(attachment(index), &packet);
        due.push((mark, Place::Sealed(customer), "from the attachment"));
        let (mark, packet) = world.plain(inside, NEAR[tunnel], ATTACHED);
        world.send_sealed(wan, tunnel, &packet);
        due.push((mark, Place::Clear(attachment(index), inside), "to the attachment"));
    }
    for (mark, place, way) in due {
        assert_eq!(world.seen.get(&mark), Some(&vec![place]), "{way}");
    }
    each_internet_is_told_of(world);
}

fn tunnels() -> impl Iterator<Item = (usize, usize)> {
    (0..FRONTS).flat_map(|wan| (0..TUNNELS).map(move |tunnel| (wan, tunnel)))
}

/// Fragments of both internets under way at once, equal in source, destination and identification; and
/// some that only meet if internets are confused.
fn halves_meet(world: &mut World, due: &mut Vec<(Mark, Place, &str)>) {
    for (wan, tunnel) in tunnels().filter(|(wan, _)| *wan > 0) {
        let inside = inside_vrf(world.setup.customer_at(wan, tunnel));
        let (mark, packet) = world.plain(inside, NEAR[tunnel], FAR);
        world.send_half(wan, tunnel, mark, &packet, 7);
        due.push((mark, Place::Labelled(inside), "in fragments, while the other internet is flooded"));
        world.wait(Duration::from_millis(1));
        world.send_lonely_fragments(0, 70);
    }
    for (wan, _) in tunnels().filter(|(wan, _)| *wan > 0) {
        world.send_rest(0, wan);
    }
    world.wait(Duration::from_secs(31));
    for (wan, tunnel) in tunnels() {
        let inside = inside_vrf(world.setup.customer_at(wan, tunnel));
        let (mark, packet) = world.plain(inside, NEAR[tunnel], FAR);
        world.send_half(wan, tunnel, mark, &packet, 7);
        due.push((mark, Place::Labelled(inside), "in fragments"));
    }
    for (wan, _) in tunnels() {
        world.send_rest(0, wan);
    }
    for (wan, tunnel) in tunnels() {
        let (mark, packet) = world.plain(inside_vrf(world.setup.customer_at(wan, tunnel)), NEAR[tunnel], FAR);
        world.send_half(wan, tunnel, mark, &packet, 8 + u16::try_from(wan).unwrap());
        world.send_rest(0, (wan + 1) % FRONTS);
    }
}

fn each_internet_is_told_of(world: &mut World) {
    world.events.clear();
    for index in 0..FRONTS {
        world.send_unknown(index, Spi(0xBEEF_0000));
    }
    let mut fronts = BTreeSet::new();
    for event in &world.events {
        if let Event::UnknownSpi { front, .. } = event {
            fronts.insert(*front);
        }
    }
    assert_eq!(fronts, (0..FRONTS).map(front_vrf).collect(), "unknown SPIs, each in its internet");
}

#[test]
fn everyone_is_served_when_nothing_happened() {
    everyone_is_served(&mut World::new());
}

#[test]
fn everyone_is_served_after_the_wan_ports_changed_places() {
    let mut world = World::new();
    act(&mut world, Step::SwapWans);
    act(&mut world, Step::SwapAttachments(0, 3));
    act(&mut world, Step::SwapLabels(1, 4));
    everyone_is_served(&mut world);
}

#[test]
fn what_waits_for_a_neighbour_does_not_leave_once_its_port_is_in_another_vrf() {
    for port in [wan(0), attachment(0)] {
        let mut world = World::new();
        let neighbour = |key: &Key| matches!(key, Key::Neighbour(of, _) if *of == port);
        let masked = world.setup.plan().objects().map(|object| object.key()).filter(neighbour).collect();
        world.configure(|setup| setup.masked = masked);
        let inside = inside_vrf(0);
        for dst in [NEAR[0], ATTACHED] {
            let (_, packet) = world.plain(inside, FAR, dst);
            world.send_labelled(label_in(0), 64, &packet);
        }
        world.configure(|setup| {
            setup.wan_front.reverse();
            setup.attached.reverse();
        });
        world.configure(|setup| setup.masked.clear());
        everyone_is_served(&mut world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_packet_crosses_between_vrfs(steps in vec(step(), 1..80)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| act(&mut world, step));
        everyone_is_served(&mut world);
    }
}
