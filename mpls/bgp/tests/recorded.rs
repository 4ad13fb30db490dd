//! What FRR 8.4, GoBGP 3.10, BIRD 2.0 and ExaBGP 4.2 said in real sessions, octet by octet: `recorded/` holds each one's
//! side of a connection, runs of KEEPALIVEs cut to one.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

use std::sync::Arc;

use base::{Engine, Instant, VrfId};
use bgp::config::{FamilyConfig, Neighbor, Vrf, VrfFamily};
use bgp::{AddressFamily, Bgp, Change, Config, ConnectionId, Exit, Input, Notice, Output, PeerId, Reach};
use vrf::RouteTarget;

const RED: VrfId = VrfId(1);
const CONNECTION: ConnectionId = ConnectionId(1 << 63);
const FAMILIES: [AddressFamily; 3] = [AddressFamily::Ipv4Unicast, AddressFamily::Vpnv4, AddressFamily::Vpnv6];

fn config(peer: PeerId) -> Config {
    let target: RouteTarget = "65000:100".parse().unwrap();
    let family = VrfFamily { import: vec![target], ..VrfFamily::default() };
    let red = Vrf { ipv4: Some(family.clone()), ipv6: Some(family), ..Vrf::default() };
    let mut neighbor = Neighbor::new(65000);
    neighbor.passive = true;
    neighbor.families = FAMILIES.map(|family| (family, FamilyConfig::default())).into();
    let mut config = Config::new(65000, [10, 255, 0, 1].into());
    config.vrfs.insert(RED, Vrf { rd: Some("65000:1".parse().unwrap()), ..red });
    config.vrfs.insert(VrfId::GLOBAL, Vrf { ipv4: Some(VrfFamily::default()), ..Vrf::default() });
    config.neighbors.insert(peer, neighbor);
    config
}

/// A session with a peer of whom only a recording is left.
struct Replay {
    bgp: Bgp,
    peer: PeerId,
    /// What became of routes, in order.
    changes: Vec<String>,
}

impl Replay {
    /// The last octet of the peer's address; how many octets come at once.
    fn of(recording: &[u8], last: u8, at_once: usize) -> Self {
        let peer = PeerId { vrf: VrfId::GLOBAL, address: [192, 0, 2, last].into() };
        let mut replay = Self { bgp: Bgp::new(1), peer, changes: Vec::new() };
        replay.give(Input::Configure(Some(Arc::new(config(peer)))));
        replay.give(Input::Accepted(CONNECTION, peer, [192, 0, 2, 1].into()));
        let pieces = recording.chunks(at_once).map(<[u8]>::to_vec);
        pieces.for_each(|bytes| replay.give(Input::Bytes(CONNECTION, bytes)));
        replay
    }

    fn give(&mut self, input: Input) {
        self.bgp.handle(Instant::START, input);
        let mut watched = Vec::new();
        while let Some(output) = self.bgp.poll() {
            match output {
                Output::Watch(vrf, address) => watched.push((vrf, address)),
                Output::Routes(changes) => self.changes.extend(changes.iter().map(line)),
                Output::Notice(notice) => assert_eq!(notice, Notice::Up(self.peer)),
                Output::Close(_) => panic!("the session ends"),
                Output::Listen(_)
                | Output::Connect(..)
                | Output::Send(..)
                | Output::Unwatch(..)
                | Output::Bind(_)
                | Output::Release(_)
                | Output::Guard(..) => (),
            }
        }
        for (vrf, address) in watched {
            self.give(Input::NextHop(
                vrf,
                address,
                Some(Reach { metric: 1, connected: false, labelled: true }),
            ));
        }
    }

    /// Of one path: MED, local preference, AS path, and communities of every kind.
    fn attributes(&self, prefix: &str) -> String {
        let paths = self.bgp.vrf_route(RED, prefix.parse().unwrap());
        let [path] = paths.as_slice() else { panic!("{} paths", paths.len()) };
        let of = &path.attributes;
        let targets: Vec<String> = of.targets().map(|target| target.to_string()).collect();
        let sites: Vec<String> = of.sites().map(|site| site.to_string()).collect();
        format!(
            "{:?} {:?} {:?} {:x?} {:?} rt {targets:?} soo {sites:?}",
            of.med, of.local_preference, of.as_path, of.communities, of.large
        )
    }

    /// The families whose table the peer has told to its end.
    fn complete(&self) -> Vec<AddressFamily> {
        let views = self.bgp.neighbors();
        let [view] = views.as_slice() else { panic!("{} neighbors", views.len()) };
        view.families.iter().filter(|(_, its)| its.complete).map(|(family, _)| *family).collect()
    }
}

fn line(change: &Change) -> String {
    let to = match change.route.map(|route| route.to) {
        Some(Exit::Gateway(gateway)) => format!("via {gateway}"),
        Some(Exit::Labelled { next_hop, label }) => format!("via {next_hop} label {label}"),
        Some(Exit::Vrf(vrf)) => format!("in vrf {}", vrf.0),
        None => "gone".to_owned(),
    };
    format!("{} {} {to}", if change.vrf == RED { "red" } else { "-" }, change.prefix)
}

/// The same, whatever pieces the octets come in.
fn replayed(recording: &[u8], last: u8, changes: &[&str]) -> Replay {
    for at_once in [1, 19, 100] {
        assert_eq!(Replay::of(recording, last, at_once).changes, changes, "{at_once} octets at once");
    }
    Replay::of(recording, last, recording.len())
}

#[test]
fn frr_says_unicast_and_vpn_routes_takes_one_back_and_repeats_the_rest() {
    let hosts = [1, 2, 3, 4, 5].map(|host| format!("- 192.0.2.{host}/32 via 192.0.2.2"));
    let vpn = [
        "red 10.11.0.0/24 via 192.0.2.2 label 2002",
        "red 10.11.2.0/24 via 192.0.2.2 label 2003",
        "red fd11::/64 via 192.0.2.2 label 2006",
        "red 10.11.2.0/24 gone",
    ];
    let all: Vec<&str> = hosts.iter().map(String::as_str).chain(vpn).collect();
    let replay = replayed(include_bytes!("recorded/frr.bin"), 2, &all);
    let rest = "[] [fde80007] [[65000, 1, 2]] rt [\"65000:100\"] soo [\"65000:22\"]";
    assert_eq!(replay.attributes("10.11.0.0/24"), format!("Some(0) Some(100) {rest}"));
}

#[test]
fn gobgp_says_routes_takes_one_back_and_gives_another_a_new_label() {
    let changes = [
        "red 10.33.0.0/24 via 192.0.2.3 label 3003",
        "red 10.33.2.0/24 via 192.0.2.3 label 3004",
        "red fd33::/64 via 192.0.2.3 label 3006",
        "- 198.51.100.0/24 via 192.0.2.3",
        "red 10.33.2.0/24 gone",
        "red 10.33.0.0/24 via 192.0.2.3 label 3007",
    ];
    let recording = include_bytes!("recorded/gobgp.bin");
    let replay = replayed(recording, 3, &changes);
    assert_eq!(replay.attributes("10.33.0.0/24"), "None Some(100) [] [] [] rt [\"65000:100\"] soo []");
    // Before the last two UPDATEs, as it was said first.
    let replay = Replay::of(&recording[..recording.len() - 44 - 83], 3, 100);
    let rest = "[] [fde80007, ffffff01] [[65000, 1, 2]] rt [\"65000:100\"] soo []";
    assert_eq!(replay.attributes("10.33.0.0/24"), format!("Some(20) Some(150) {rest}"));
}

#[test]
fn bird_says_implicit_null_ends_its_tables_and_takes_back_what_it_never_said() {
    let changes = [
        "red 10.44.0.0/24 via 192.0.2.4 label 3",
        "red 10.44.4.0/24 via 192.0.2.4 label 3",
        "red 10.44.2.0/24 via 192.0.2.4 label 3",
        "red 10.44.2.0/24 gone",
        "red 10.44.0.0/24 gone",
    ];
    let replay = replayed(include_bytes!("recorded/bird.bin"), 4, &changes);
    let rest = "[] [] [] rt [\"65000:100\"] soo [\"65000:44\"]";
    assert_eq!(replay.attributes("10.44.4.0/24"), format!("None Some(100) {rest}"));
    assert_eq!(replay.complete(), [AddressFamily::Vpnv4, AddressFamily::Vpnv6]);
}

#[test]
fn exabgp_says_what_it_is_told_with_every_kind_of_community() {
    let changes = [
        "red 10.55.0.0/24 via 192.0.2.5 label 5005",
        "- 198.51.100.0/24 via 192.0.2.5",
        "red 10.55.2.0/24 via 192.0.2.5 label 5006",
        "red 10.55.2.0/24 gone",
        "red 10.55.4.0/24 via 192.0.2.5 label 5007",
    ];
    let replay = replayed(include_bytes!("recorded/exabgp.bin"), 5, &changes);
    let first = "None Some(100) [65010] [] [] rt [\"65000:100\"] soo []";
    assert_eq!(replay.attributes("10.55.0.0/24"), first);
    let rest = "[] [fde80007] [[65000, 1, 2]] rt [\"65000:100\"] soo [\"65000:55\"]";
    assert_eq!(replay.attributes("10.55.4.0/24"), format!("None Some(100) {rest}"));
    assert_eq!(replay.complete(), [AddressFamily::Ipv4Unicast, AddressFamily::Vpnv4]);
}
