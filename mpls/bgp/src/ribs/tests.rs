//! The tables as a whole, against a model that recomputes everything.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::{BTreeMap, BTreeSet};

use base::Label;
use mpls::Fec;
use proptest::prelude::*;

use super::*;
use crate::attributes::{Attributes, Origin};
use crate::config::{FamilyConfig, GracefulRestart, LabelMode, Leak, Neighbor, Redistribute, Vrf, VrfFamily};
use crate::io::{Reach, Route};
use crate::policy::{Entry, Match, PrefixList, PrefixRule, RouteMap, Set};
use crate::rib_out::Wire;
use crate::session::{Negotiated, Refresh, Restart, Terms};
use crate::update::{Nlri, Update};

const RED: VrfId = VrfId(1);
const BLUE: VrfId = VrfId(2);

/// Two PEs, a reflector client that filters by target, a site in each VRF, one beside them.
const PEERS: [(VrfId, [u8; 4]); 6] = [
    (VrfId::GLOBAL, [10, 0, 0, 1]),
    (VrfId::GLOBAL, [10, 0, 0, 2]),
    (VrfId::GLOBAL, [10, 0, 0, 3]),
    (RED, [172, 16, 0, 4]),
    (BLUE, [172, 16, 0, 5]),
    (VrfId::GLOBAL, [172, 16, 0, 6]),
];
const PREFIXES: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "192.0.2.1/32"];
const RDS: [&str; 3] = ["65000:1", "65000:2", "65000:9"];
const TARGETS: [&str; 3] = ["65000:1", "65000:2", "65000:3"];

/// A route as a neighbour says it, numbers into the tables above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    peer: usize,
    rd: usize,
    prefix: usize,
    path: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    preference: u32,
    med: u32,
    targets: u8,
    hop: u8,
    label: u32,
}

#[derive(Clone, Debug)]
enum Step {
    Say(Name, Option<Look>),
    Own {
        vrf: VrfId,
        prefix: usize,
        tag: Option<u32>,
    },
    Hop {
        peer: usize,
        hop: u8,
        metric: Option<u32>,
    },
    Session {
        peer: usize,
        up: bool,
        graceful: bool,
    },
    Want {
        target: usize,
        wanted: bool,
    },
    /// Bits that switch parts of the configuration.
    Configure(u16),
    Room {
        peer: usize,
        room: bool,
    },
    Refresh(usize),
}

type Told = BTreeMap<(AddressFamily, Option<Rd>, Prefix), (Arc<Attributes>, Option<Label>)>;

/// The tables, and everything around them that answers and listens.
struct Bench {
    ribs: Ribs,
    now: Instant,
    said: BTreeMap<Name, Look>,
    own: BTreeMap<(VrfId, usize), u32>,
    hops: BTreeMap<(VrfId, IpAddr), Option<Reach>>,
    wants: BTreeSet<usize>,
    bits: u16,
    up: [bool; 6],
    routes: BTreeMap<(VrfId, Prefix), Route>,
    watched: BTreeSet<(VrfId, IpAddr)>,
    fecs: BTreeSet<Fec>,
    line: Line,
}

#[derive(Default)]
struct Line {
    full: BTreeSet<PeerId>,
    told: BTreeMap<PeerId, Told>,
    /// Who was told that we want other targets: it tells its routes again.
    asked: BTreeSet<(PeerId, AddressFamily)>,
}

impl Wire for Line {
    fn room(&self, peer: PeerId) -> bool {
        !self.full.contains(&peer)
    }

    fn send(&mut self, peer: PeerId, update: &Update) {
        let told = self.told.entry(peer).or_default();
        match update {
            Update::Reach { family, attributes, routes } => routes.iter().for_each(|route| {
                told.insert((*family, route.rd, route.prefix), (attributes.clone(), route.label));
            }),
            Update::Unreach { family, routes } => routes.iter().for_each(|route| {
                told.remove(&(*family, route.rd, route.prefix));
            }),
            Update::Wants { .. } => self.asked.extend([(peer, AddressFamily::Vpnv4)]),
            Update::WantsNot(_) | Update::EndOfRib(_) => (),
        }
    }

    fn refresh(&mut self, _: PeerId, _: AddressFamily, _: Refresh) {}
}

fn p(number: usize) -> Prefix {
    PREFIXES[number].parse().unwrap()
}

fn id(peer: usize) -> PeerId {
    PeerId { vrf: PEERS[peer].0, address: PEERS[peer].1.into() }
}

fn family(peer: usize) -> AddressFamily {
    if peer < 3 { AddressFamily::Vpnv4 } else { AddressFamily::Ipv4Unicast }
}

fn hop(peer: usize, hop: u8) -> IpAddr {
    if peer < 3 { [10, 9, 0, hop].into() } else { PEERS[peer].1.into() }
}

fn remote_as(peer: usize) -> u32 {
    if peer < 3 { 65000 } else { 65100 }
}

fn terms(peer: usize) -> Arc<Negotiated> {
    let preserved = Terms { preserved: Some(true), ..Terms::default() };
    let mut families = BTreeMap::from([(family(peer), preserved)]);
    if peer == 2 {
        families.insert(AddressFamily::RouteTarget, Terms::default());
    }
    let second = Duration::from_secs(1);
    Arc::new(Negotiated {
        local: [10, 0, 0, 9].into(),
        local_as: 65000,
        remote_as: remote_as(peer),
        external: peer >= 3,
        router_id: PEERS[peer].1.into(),
        hold: second,
        keepalive: second,
        families,
        four_octet: true,
        refresh: true,
        enhanced_refresh: false,
        restart: Some(Restart { restarting: false, time: second, notification: false }),
        message: 4096,
        since: Instant::START,
    })
}

fn vrf(rd: &str, import: &[&str], export: &[&str]) -> Vrf {
    let targets = |list: &[&str]| list.iter().map(|target| target.parse().unwrap()).collect();
    let line = Redistribute { source: vrf::Source::Static, metric: None, route_map: None };
    let family = VrfFamily {
        import: targets(import),
        export: targets(export),
        redistribute: vec![line],
        ..VrfFamily::default()
    };
    Vrf { name: None, rd: Some(rd.parse().unwrap()), ipv4: Some(family), ipv6: None }
}

fn config(bits: u16) -> Config {
    let bit = |number: u8| bits & (1 << number) != 0;
    let mut config = Config::new(65000, [10, 0, 0, 9].into());
    config.graceful_restart = Some(GracefulRestart::default());
    let rule = |permit, prefix: usize| PrefixRule { permit, prefix: p(prefix), lengths: (0, 32) };
    let list = PrefixList([(5, rule(false, 2)), (10, rule(true, 0))].into());
    config.policies.prefix_lists.insert("MOST".into(), list);
    let sets = vec![Set::LocalPreference(150), Set::Tag(3)];
    let first = Entry { permit: true, matches: vec![Match::Prefix(vec!["MOST".into()])], sets, next: None };
    config.policies.route_maps.insert("MAP".into(), RouteMap([(10, first)].into()));
    for peer in 0..PEERS.len() {
        let mut neighbor = Neighbor::new(remote_as(peer));
        let mut its = FamilyConfig { as_override: true, ..FamilyConfig::default() };
        its.route_reflector_client = peer == 2 && bit(0);
        its.prefix_list_out = (bit(1) && peer != 1).then(|| "MOST".into());
        its.route_map_out = (bit(2) && peer == 3).then(|| "MAP".into());
        its.default_originate = bit(3) && peer == 4;
        neighbor.families.insert(family(peer), its.clone());
        if peer == 2 {
            neighbor.families.insert(AddressFamily::RouteTarget, its);
        }
        config.neighbors.insert(id(peer), neighbor);
    }
    let mut red = vrf(if bit(4) { "65000:7" } else { RDS[0] }, &TARGETS[..1], &TARGETS[..1]);
    let imports = if bit(5) { &TARGETS[..2] } else { &TARGETS[1..] };
    let mut blue = vrf(RDS[1], imports, &TARGETS[1..2]);
    for (vrf, on) in [(&mut red, bit(6)), (&mut blue, bit(7))] {
        let family = vrf.ipv4.as_mut().unwrap();
        family.labels = if on { LabelMode::PerPrefix } else { LabelMode::PerVrf };
        family.import_map = on.then(|| "MAP".into());
    }
    leak(&mut red, bit(8), bit(9));
    leak(&mut blue, bit(10), bit(11));
    let global = Vrf { rd: None, ..vrf(RDS[2], &[], &[]) };
    config.vrfs = BTreeMap::from([(VrfId::GLOBAL, global), (RED, red), (BLUE, blue)]);
    config
}

fn leak(vrf: &mut Vrf, import: bool, export: bool) {
    let leak = |on: bool| on.then(|| Leak { map: "MAP".into(), limit: Leak::LIMIT });
    let family = vrf.ipv4.as_mut().unwrap();
    (family.global_import, family.global_export) = (leak(import), leak(export));
}

fn label(fec: Fec) -> Label {
    let sum = fec.to_string().bytes().fold(0u32, |sum, byte| (sum * 31 + u32::from(byte)) % 100_000);
    Label::new(16 + sum).unwrap()
}

impl Bench {
    fn new(bits: u16) -> Self {
        let mut bench = Self {
            ribs: Ribs::new(3, Arc::new(Config::new(0, Ipv4Addr::UNSPECIFIED))),
            now: Instant::from_secs(9),
            said: BTreeMap::new(),
            own: BTreeMap::new(),
            hops: BTreeMap::new(),
            wants: BTreeSet::new(),
            bits,
            up: [false; 6],
            routes: BTreeMap::new(),
            watched: BTreeSet::new(),
            fecs: BTreeSet::new(),
            line: Line::default(),
        };
        bench.step(&Step::Configure(bits));
        bench
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Say(name, look) if self.up[name.peer] => self.say(*name, *look),
            Step::Say(..) => (),
            Step::Own { vrf, prefix, tag } => {
                let own = tag.map(|tag| Own { source: vrf::Source::Static, metric: 0, tag, gateway: None });
                match tag {
                    Some(tag) => drop(self.own.insert((*vrf, *prefix), *tag)),
                    None => drop(self.own.remove(&(*vrf, *prefix))),
                }
                self.ribs.originate(*vrf, p(*prefix), own);
            }
            Step::Hop { peer, hop: number, metric } => {
                let reach = metric.map(|metric| Reach { metric, connected: true, labelled: true });
                let (vrf, address) = (PEERS[*peer].0, hop(*peer, *number));
                self.hops.insert((vrf, address), reach);
                self.ribs.next_hop(vrf, address, reach);
            }
            Step::Session { peer, up, graceful } => self.session(*peer, *up, *graceful),
            Step::Want { target, wanted } if self.up[2] => self.want(*target, *wanted),
            Step::Want { .. } => (),
            Step::Configure(bits) => {
                self.bits = *bits;
                self.ribs.configure(self.now, Arc::new(config(*bits)));
            }
            Step::Room { peer, room: true } => drop(self.line.full.remove(&id(*peer))),
            Step::Room { peer, room: false } => drop(self.line.full.insert(id(*peer))),
            Step::Refresh(peer) => self.ribs.refresh(id(*peer), family(*peer), Refresh::Request),
        }
        self.run();
    }

    fn say(&mut self, name: Name, look: Option<Look>) {
        let vpn = name.peer < 3;
        let nlri = Nlri {
            rd: vpn.then(|| RDS[name.rd].parse().unwrap()),
            prefix: p(name.prefix),
            label: look.filter(|_| vpn).and_then(|look| Label::new(look.label)),
            path: (name.path != 0).then_some(name.path),
        };
        let name = if vpn { name } else { Name { rd: 0, ..name } };
        let number = self.ribs.numbers[&id(name.peer)];
        let Some(look) = look else {
            self.said.remove(&name);
            return self
                .ribs
                .update(number, Update::Unreach { family: family(name.peer), routes: vec![nlri] });
        };
        self.said.insert(name, look);
        let mut attributes = Attributes::new(Origin::Igp, hop(name.peer, look.hop));
        attributes.med = Some(look.med);
        if vpn {
            attributes.local_preference = Some(look.preference);
            let targets = TARGETS.iter().enumerate().filter(|(at, _)| look.targets & (1 << at) != 0);
            targets.for_each(|(_, target)| attributes.add_target(target.parse().unwrap()));
        } else {
            attributes.as_path = vec![65100];
        }
        let (family, attributes) = (family(name.peer), Arc::new(attributes));
        self.ribs.update(number, Update::Reach { family, attributes, routes: vec![nlri] });
    }

    /// A peer that comes back says nothing of what it said before.
    fn session(&mut self, peer: usize, up: bool, graceful: bool) {
        if self.up[peer] == up {
            return;
        }
        self.up[peer] = up;
        let number = self.ribs.numbers[&id(peer)];
        if up {
            self.ribs.up(self.now, id(peer), &terms(peer));
            self.ribs.update(number, Update::EndOfRib(family(peer)));
            if peer == 2 {
                self.ribs.update(number, Update::EndOfRib(AddressFamily::RouteTarget));
            }
            return;
        }
        self.ribs.down(self.now, id(peer), graceful);
        self.said.retain(|name, _| name.peer != peer);
        self.line.told.remove(&id(peer));
        if peer == 2 {
            self.wants.clear();
        }
        self.now = self.now + Duration::from_secs(2);
        self.ribs.expire(self.now);
    }

    fn want(&mut self, target: usize, wanted: bool) {
        let number = self.ribs.numbers[&id(2)];
        let targets = vec![Membership { asn: 65000, target: Some(TARGETS[target].parse().unwrap()) }];
        let attributes = Arc::new(Attributes::new(Origin::Igp, hop(2, 0)));
        if wanted {
            self.wants.insert(target);
            self.ribs.update(number, Update::Wants { attributes, targets });
        } else {
            self.wants.remove(&target);
            self.ribs.update(number, Update::WantsNot(targets));
        }
    }

    fn run(&mut self) {
        loop {
            let mut again = core::mem::take(&mut self.ribs.again);
            again.append(&mut self.line.asked);
            let said = self.said.clone();
            for (name, look) in
                said.iter().filter(|(name, _)| again.contains(&(id(name.peer), family(name.peer))))
            {
                self.say(*name, Some(*look));
            }
            self.ribs.constrain(&mut self.line);
            self.ribs.announce(self.now, &mut self.line);
            self.ribs.reclaim();
            let out = core::mem::take(&mut self.ribs.out);
            if out.is_empty() && self.line.asked.is_empty() {
                break;
            }
            out.into_iter().for_each(|output| self.answer(output));
        }
        for change in core::mem::take(&mut self.ribs.changes) {
            match change.route {
                Some(route) => drop(self.routes.insert((change.vrf, change.prefix), route)),
                None => drop(self.routes.remove(&(change.vrf, change.prefix))),
            }
        }
    }

    fn answer(&mut self, output: Output) {
        match output {
            Output::Watch(vrf, address) => {
                assert!(self.watched.insert((vrf, address)), "watched twice");
                let near = Some(Reach { metric: 1, connected: true, labelled: true });
                let reach = self.hops.get(&(vrf, address)).copied().unwrap_or(near);
                self.ribs.next_hop(vrf, address, reach);
            }
            Output::Unwatch(vrf, address) => assert!(self.watched.remove(&(vrf, address))),
            Output::Bind(fec) => {
                assert!(self.fecs.insert(fec), "bound twice");
                self.ribs.bound(fec, Some(label(fec)));
            }
            Output::Release(fec) => assert!(self.fecs.remove(&fec)),
            Output::Listen(_) | Output::Connect(..) | Output::Send(..) | Output::Close(_) => {
                panic!("of sessions")
            }
            Output::Routes(_) | Output::Guard(..) | Output::Notice(_) => (),
        }
    }

    /// The same world, whose tables have no past.
    fn anew(&self) -> Self {
        let mut new = Self::new(self.bits);
        new.hops.clone_from(&self.hops);
        let peers = (0..PEERS.len()).filter(|peer| self.up[*peer]);
        peers.for_each(|peer| new.step(&Step::Session { peer, up: true, graceful: false }));
        self.wants.iter().for_each(|target| new.step(&Step::Want { target: *target, wanted: true }));
        self.said.iter().for_each(|(name, look)| new.step(&Step::Say(*name, Some(*look))));
        for ((vrf, prefix), tag) in &self.own {
            new.step(&Step::Own { vrf: *vrf, prefix: *prefix, tag: Some(*tag) });
        }
        new
    }

    fn sent(&self) -> Vec<(PeerId, AddressFamily, u32, u32)> {
        let peers = self.ribs.peers.iter().flatten().filter(|peer| peer.up);
        let families = peers.flat_map(|peer| {
            peer.families.iter().map(|(family, its)| (peer.id, *family, its.sent, its.accepted))
        });
        families.collect()
    }

    fn told(&self) -> BTreeMap<PeerId, Told> {
        self.line
            .told
            .iter()
            .filter(|(_, told)| !told.is_empty())
            .map(|(peer, told)| (*peer, told.clone()))
            .collect()
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let name = (0..6usize, 0..3usize, 0..4usize, prop_oneof![4 => Just(0u32), 1 => Just(7)])
        .prop_map(|(peer, rd, prefix, path)| Name { peer, rd, prefix, path });
    let look = (prop_oneof![Just(100u32), Just(200)], 0..2u32, 0..8u8, 0..2u8, 16..18u32)
        .prop_map(|(preference, med, targets, hop, label)| Look { preference, med, targets, hop, label });
    let vrf = prop_oneof![Just(RED), Just(BLUE), Just(VrfId::GLOBAL)];
    prop_oneof![
        10 => (name, prop::option::weighted(0.7, look)).prop_map(|(name, look)| Step::Say(name, look)),
        3 => (vrf, 0..4usize, prop::option::of(0..2u32)).prop_map(|(vrf, prefix, tag)| Step::Own { vrf, prefix, tag }),
        2 => (0..6usize, 0..2u8, prop::option::of(1..3u32)).prop_map(|(peer, hop, metric)| Step::Hop { peer, hop, metric }),
        2 => (0..6usize, any::<bool>(), any::<bool>()).prop_map(|(peer, up, graceful)| Step::Session { peer, up, graceful }),
        2 => (0..3usize, any::<bool>()).prop_map(|(target, wanted)| Step::Want { target, wanted }),
        2 => any::<u16>().prop_map(Step::Configure),
        2 => (0..6usize, any::<bool>()).prop_map(|(peer, room)| Step::Room { peer, room }),
        1 => (0..6usize).prop_map(Step::Refresh),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    /// Whatever happened before: VRFs, neighbours, labels and next hops are as if only what stands now had been said.
    #[test]
    fn the_tables_are_what_they_would_be_without_their_past(bits: u16, steps in prop::collection::vec(steps(), 1..60)) {
        let mut bench = Bench::new(bits);
        (0..PEERS.len()).for_each(|peer| bench.step(&Step::Session { peer, up: true, graceful: false }));
        steps.iter().for_each(|step| bench.step(step));
        (0..PEERS.len()).for_each(|peer| bench.step(&Step::Room { peer, room: true }));
        let new = bench.anew();
        prop_assert_eq!(&bench.routes, &new.routes);
        prop_assert_eq!(bench.told(), new.told());
        prop_assert_eq!(&bench.watched, &new.watched);
        prop_assert_eq!(&bench.fecs, &new.fecs);
        prop_assert_eq!(bench.sent(), new.sent());
        prop_assert_eq!(bench.ribs.store.iter().count(), new.ribs.store.iter().count());
    }
}

/// A speaker with so many VPN routes of its first peer, all in one table.
fn full(routes: u32) -> Bench {
    let mut bench = Bench::new(0);
    bench.step(&Step::Session { peer: 0, up: true, graceful: false });
    let nlri = |number: u32| Nlri {
        rd: Some(RDS[1].parse().unwrap()),
        prefix: Prefix::host(Ipv4Addr::from((10 << 24) + number).into()),
        label: Label::new(16),
        path: None,
    };
    let mut attributes = Attributes::new(Origin::Igp, hop(0, 0));
    attributes.local_preference = Some(100);
    attributes.add_target(TARGETS[1].parse().unwrap());
    let routes = (0..routes).map(nlri).collect();
    let number = bench.ribs.numbers[&id(0)];
    let attributes = Arc::new(attributes);
    bench.ribs.update(number, Update::Reach { family: family(0), attributes, routes });
    bench.run();
    bench
}

#[test]
fn many_routes_of_a_session_that_ends_go_bit_by_bit() {
    let mut bench = full(20_000);
    let before = bench.routes.len();
    assert!(before >= 20_000);
    bench.ribs.down(bench.now, id(0), false);
    let mut left = vec![bench.ribs.changes.len()];
    while let Some(since) = bench.ribs.leaving.values().next().copied() {
        assert!(since <= bench.now, "at once");
        bench.run();
        bench.ribs.expire(bench.now);
        left.push(bench.ribs.changes.len());
    }
    bench.run();
    assert_eq!((left.len(), bench.routes.len()), (3, 0), "{left:?}");
    assert!(left.iter().all(|changes| *changes <= before / 2), "{left:?}");
    let peer = bench.ribs.peer(bench.ribs.numbers[&id(0)]).unwrap();
    assert!(peer.terms.is_none() && peer.families.is_empty());
}

#[test]
fn who_comes_back_before_all_its_routes_are_gone_begins_with_none() {
    let mut bench = full(20_000);
    bench.ribs.down(bench.now, id(0), false);
    bench.ribs.up(bench.now, id(0), &terms(0));
    bench.run();
    assert!(bench.routes.is_empty() && bench.ribs.leaving.is_empty());
    assert_eq!(bench.ribs.per_family(bench.ribs.numbers[&id(0)], family(0)).unwrap().accepted, 0);
}

#[test]
fn the_routes_of_a_neighbour_that_is_not_configured_any_more_go_with_it() {
    let mut bench = full(20_000);
    let mut config = config(0);
    config.neighbors.remove(&id(0));
    bench.ribs.configure(bench.now, Arc::new(config));
    bench.run();
    assert!(bench.routes.is_empty() && bench.ribs.leaving.is_empty());
}
