//! Every key that keeps VRFs apart, and how to take the VRF out of it.

pub(super) struct Mutant {
    /// The key, and what is taken out.
    pub key: &'static str,
    /// A file, text that stands in it once, and what takes its place.
    pub edits: &'static [(&'static str, &'static str, &'static str)],
    /// The program that must notice.
    pub test: Test,
}

/// A crate, and the name of its test program.
pub(super) type Test = (&'static str, &'static str);

const PACKETS: Test = ("tests", "isolation");
const LINKS: Test = ("dp-user", "interfaces");
const IKE: Test = ("tests", "isolation_ike");
const ROUTES: Test = ("bgp", "speakers");

pub(super) const TESTS: [Test; 4] = [PACKETS, LINKS, IKE, ROUTES];

macro_rules! mutants {
    ($($test:ident $key:literal $($file:literal: $find:literal => $replace:literal)+;)*) => {
        pub(super) const MUTANTS: &[Mutant] =
            &[$(Mutant { key: $key, edits: &[$(($file, $find, $replace)),+], test: $test }),*];
    };
}

mutants! {
    PACKETS "inbound SA: front VRF"
        "dataplane/user/src/sas.rs":
        " && live.sa.front == front" => "";
    PACKETS "reassembly: front VRF"
        "dataplane/user/src/stage/reassemble.rs":
        "let key = Key { front, " => "let key = Key { front: VrfId::GLOBAL, ";
    PACKETS "room for reassembly: front VRF"
        "dataplane/user/src/stage/reassemble.rs":
        "filter(|(other, _)| other.front == key.front)" => "filter(|_| true)";
    PACKETS "fragments that go to make room: front VRF"
        "dataplane/user/src/stage/reassemble.rs":
        "other.front == key.front && **other != key" => "**other != key";
    PACKETS "second lookup, after encapsulation: front VRF"
        "dataplane/user/src/stage/esp_encap.rs":
        "walk.tables.way(sa.front, sa.remote)" => "walk.tables.way(frame.vrf, sa.remote)";
    LINKS "GRE and MPLS-in-UDP tunnels: front VRF"
        "dataplane/user/src/tables.rs":
        "self.port(*self.tunnels.get(tunnel)?)" =>
        "self.port(*self.tunnels.iter().find(|(of, _)| Tunnel { front: tunnel.front, ..**of } == *tunnel)?.1)";
    LINKS "lookup of the outer packet, after GRE or UDP: front VRF"
        "dataplane/user/src/stage/tunnel_encap.rs":
        "(frame.vrf, frame.origin, frame.labelled) = (tunnel.front, Origin::Wrapped, false)" =>
        "(frame.origin, frame.labelled) = (Origin::Wrapped, false)";
    LINKS "lookup of what was in GRE or UDP: the tunnel's VRF"
        "dataplane/user/src/stage/tunnel_decap.rs":
        "(frame.port, frame.vrf, frame.origin) = (port.id, port.vrf, Origin::Opened)" =>
        "(frame.port, frame.origin) = (port.id, Origin::Opened)";
    LINKS "VLAN: its tag"
        "dataplane/user/src/tables.rs":
        "self.port(*self.vlans.get(&(parent, id))?)" =>
        "self.port(*self.vlans.iter().find(|((of, _), _)| *of == parent && id > 0)?.1)";
    PACKETS "lookup after decapsulation: inside VRF"
        "dataplane/user/src/stage/esp_decap.rs":
        "(frame.vrf, frame.origin) = (inside, Origin::Opened)" => "frame.origin = Origin::Opened";
    PACKETS "choice of policy: inside VRF"
        "dataplane/user/src/tables.rs":
        "self.spds.get(inside.0)?.get(&port)?" => "self.spds.values().find_map(|ports| ports.get(&port))?";
    PACKETS "clear traffic of a port with a crypto map: its VRF"
        "dataplane/user/src/stage/policy.rs":
        "None if frame.vrf == out.port.vrf =>" => "None if true =>";
    PACKETS "neighbour: port"
        "dataplane/user/src/tables.rs":
        "self.neighbours.get(&(port, address)).copied()" =>
        "self.neighbours.iter().find(|((_, of), _)| *of == address).map(|(_, mac)| *mac)";
    PACKETS "packets that wait for a neighbour: the port's VRF"
        "dataplane/user/src/stage/neighbour.rs":
        "let station = (port.id, port.vrf, " => "let station = (port.id, VrfId::GLOBAL, "
        "dataplane/user/src/stage/neighbour.rs":
        "&(port.id, port.vrf, address)" => "&(port.id, VrfId::GLOBAL, address)";
    PACKETS "route: VRF"
        "dataplane/user/src/stage/ip_lookup.rs":
        "walk.tables.way(frame.vrf, header.dst)" => "walk.tables.way(base::VrfId::GLOBAL, header.dst)";
    PACKETS "label: VRF"
        "dataplane/user/src/stage/mpls_input.rs":
        "(frame.vrf, frame.origin) = (vrf, Origin::Labelled)" => "frame.origin = Origin::Labelled";
    PACKETS "port: VRF"
        "dataplane/user/src/stage/ethernet_in.rs":
        "(frame.vrf, frame.origin) = (port.vrf, Origin::Wire)" =>
        "(frame.vrf, frame.origin) = (base::VrfId::GLOBAL, Origin::Wire)";
    PACKETS "ICMP errors about labelled packets: VRF"
        "dataplane/user/src/stage/icmp.rs":
        "Some(LabelAction::PopTo(vrf)) => Some(*vrf)," => "Some(LabelAction::PopTo(_)) => Some(frame.vrf),";
    PACKETS "way to the box's kernel: VRF"
        "dataplane/user/src/stage/local.rs":
        "walk.tables.vrf(frame.vrf).and_then(|vrf| vrf.host)" =>
        "walk.tables.vrf(base::VrfId::GLOBAL).and_then(|vrf| vrf.host)";
    PACKETS "events of unknown SPIs: front VRF"
        "dataplane/user/src/stage/esp_decap.rs":
        "unknown_spi.allows((front, outer.src)" => "unknown_spi.allows((VrfId::GLOBAL, outer.src)";
    IKE "pre-shared key of a peer: front VRF"
        "ipsec/ike/src/index.rs":
        "let places = [(front, Some(local)), (front, None)];" =>
        "let places = [(VrfId(front.0 * 0), Some(local)), (VrfId::GLOBAL, None)];"
        "ipsec/ike/src/index.rs":
        "let at = (ring.front, ring.local);" => "let at = (VrfId::GLOBAL, ring.local);";
    IKE "profile by identity: front VRF"
        "ipsec/ike/src/index.rs":
        "prefixes.map(move |prefix| Match::Address { prefix, front })" =>
        "prefixes.map(move |prefix| Match::Address { prefix, front: VrfId::GLOBAL })"
        "ipsec/ike/src/index.rs":
        "Match::Address { .. } | Match::Group(_) => wanted.clone()," =>
        "Match::Address { prefix, .. } => Match::Address { prefix: *prefix, front: VrfId::GLOBAL }, Match::Group(_) => wanted.clone(),";
    IKE "crypto-map entry of a peer, and the guard behind it: front VRF"
        "ipsec/ike/src/index.rs":
        "self.by_peer.get(&peer).into_iter().flatten()" =>
        "self.by_peer.iter().filter(move |(of, _)| (of.1, of.2) == (peer.1, peer.2)).flat_map(|(_, places)| places)"
        "ipsec/ike/src/policy.rs":
        "(entry.front, entry.local) != (asker.front, asker.local)" => "entry.local != asker.local";
    IKE "session by the initiator's cookie: front VRF"
        "ipsec/ike/src/demux.rs":
        "*self.openings.get(&(path.front, path.remote.ip(), header.initiator))?" =>
        "*self.openings.iter().find(|((_, ip, i), _)| (*ip, *i) == (path.remote.ip(), header.initiator))?.1";
    IKE "session by both cookies, and the guard behind it: front VRF"
        "ipsec/ike/src/demux.rs":
        "self.pairs.get(&pair).copied()" =>
        "self.pairs.iter().find(|((_, i, r), _)| (*i, *r) == (pair.1, pair.2)).map(|(_, id)| *id)"
        "ipsec/ike/src/v1/session.rs":
        "let result = if self.is_with(&message.path) {" =>
        "let result = if self.path.remote.ip() == message.path.remote.ip() {";
    IKE "sessions and children of a peer: front VRF"
        "ipsec/ike/src/demux.rs":
        "self.peers.get(&peer).into_iter().flatten().copied()" =>
        "self.peers.iter().filter(move |(of, _)| (of.1, of.2) == (peer.1, peer.2)).flat_map(|(_, ids)| ids).copied()"
        "ipsec/ike/src/child.rs":
        "self.by_peer.range((peer, FIRST)..=(peer, LAST))" =>
        "self.by_peer.iter().filter(move |(of, _)| (of.1, of.2) == (peer.1, peer.2))";
    IKE "entries to recover after an unknown SPI: front VRF"
        "ipsec/ike/src/index.rs":
        "self.by_peer.get(&peer).into_iter().flatten()" =>
        "self.by_peer.iter().filter(move |(of, _)| (of.1, of.2) == (peer.1, peer.2)).flat_map(|(_, places)| places)";
    IKE "peers recovered a moment ago: front VRF"
        "ipsec/ike/src/want.rs":
        "self.wants.recovered.get(&(front, remote))" =>
        "self.wants.recovered.iter().find(|((_, of), _)| *of == remote).map(|(_, since)| since)";
    IKE "sessions that an operator clears: front VRF"
        "ipsec/ike/src/command.rs":
        "session.path().front == front && session.path().remote.ip() == remote" =>
        "session.path().remote.ip() == remote";
    IKE "children that an operator clears: front VRF"
        "ipsec/ike/src/command.rs":
        "child.front == front && child.remote == remote" => "child.remote == remote";
    ROUTES "leaked route: the table where it stands by itself"
        "mpls/bgp/src/leak.rs":
        "|view| view.is_local(best.table, best.path)" => "|_| true";
    ROUTES "leaked route: behind what the other table has"
        "mpls/bgp/src/decide.rs":
        "(self.leaked.cmp(&other.leaked), Rule::Leaked)" => "(Ordering::Equal, Rule::Leaked)";
}
