//! Every key that keeps VRFs apart, and how to take the VRF out of it.

pub(super) struct Mutant {
    /// The key, and what is taken out.
    pub key: &'static str,
    pub file: &'static str,
    /// Text that stands in the file once, and what takes its place.
    pub edits: &'static [(&'static str, &'static str)],
    /// The program of the `tests` crate that must notice.
    pub test: &'static str,
}

const PACKETS: &str = "isolation";
const IKE: &str = "isolation_ike";

pub(super) const TESTS: [&str; 2] = [PACKETS, IKE];

macro_rules! mutants {
    ($($test:ident $file:literal $key:literal $($find:literal => $replace:literal)+;)*) => {
        pub(super) const MUTANTS: &[Mutant] =
            &[$(Mutant { key: $key, file: $file, edits: &[$(($find, $replace)),+], test: $test }),*];
    };
}

mutants! {
    PACKETS "dataplane/user/src/sas.rs" "inbound SA: front VRF"
        " && live.sa.front == front" => "";
    PACKETS "dataplane/user/src/stage/reassemble.rs" "reassembly: front VRF"
        "let key = Key { front, " => "let key = Key { front: VrfId::GLOBAL, ";
    PACKETS "dataplane/user/src/stage/reassemble.rs" "room for reassembly: front VRF"
        "other.front == key.front" => "true";
    PACKETS "dataplane/user/src/stage/esp_encap.rs" "second lookup, after encapsulation: front VRF"
        "walk.tables.way(sa.front, sa.remote)" => "walk.tables.way(frame.vrf, sa.remote)";
    PACKETS "dataplane/user/src/stage/esp_decap.rs" "lookup after decapsulation: inside VRF"
        "(frame.vrf, frame.origin) = (inside, Origin::Opened)" => "frame.origin = Origin::Opened";
    PACKETS "dataplane/user/src/tables.rs" "choice of policy: inside VRF"
        "self.spds.get(&(port, inside))?" => "self.spds.iter().find(|((of, _), _)| *of == port)?.1";
    PACKETS "dataplane/user/src/stage/policy.rs" "clear traffic of a port with a crypto map: its VRF"
        "None if frame.vrf == out.port.vrf =>" => "None if true =>";
    PACKETS "dataplane/user/src/tables.rs" "neighbour: port"
        "self.neighbours.get(&(port, address)).copied()" =>
        "self.neighbours.iter().find(|((_, of), _)| *of == address).map(|(_, mac)| *mac)";
    PACKETS "dataplane/user/src/stage/neighbour.rs" "packets that wait for a neighbour: the port's VRF"
        "let station = (port, via.port.vrf, " => "let station = (port, VrfId::GLOBAL, "
        "&(port.id, port.vrf, address)" => "&(port.id, VrfId::GLOBAL, address)";
    PACKETS "dataplane/user/src/stage/ip_lookup.rs" "route: VRF"
        "walk.tables.way(frame.vrf, packet.dst)" => "walk.tables.way(base::VrfId::GLOBAL, packet.dst)";
    PACKETS "dataplane/user/src/stage/mpls_input.rs" "label: VRF"
        "(frame.vrf, frame.origin) = (vrf, Origin::Labelled)" => "frame.origin = Origin::Labelled";
    PACKETS "dataplane/user/src/stage/ethernet_in.rs" "port: VRF"
        "frame.vrf = port.vrf;" => "frame.vrf = base::VrfId::GLOBAL;";
    PACKETS "dataplane/user/src/stage/icmp.rs" "ICMP errors about labelled packets: VRF"
        "Some(LabelAction::PopTo(vrf)) => Some(*vrf)," => "Some(LabelAction::PopTo(_)) => Some(frame.vrf),";
    PACKETS "dataplane/user/src/stage/local.rs" "way to the box's kernel: VRF"
        "walk.tables.vrf(frame.vrf).and_then(|vrf| vrf.host)" =>
        "walk.tables.vrf(base::VrfId::GLOBAL).and_then(|vrf| vrf.host)";
    PACKETS "dataplane/user/src/stage/esp_decap.rs" "events of unknown SPIs: front VRF"
        "unknown_spi.allows((front, outer.src)" => "unknown_spi.allows((VrfId::GLOBAL, outer.src)";
    IKE "ipsec/ike/src/policy.rs" "key for a peer that opens: front VRF"
        "longest_match(config.keyrings.iter().filter(|ring| ring.front == front), peer)" =>
        "longest_match(config.keyrings.iter(), peer)";
    IKE "ipsec/ike/src/policy.rs" "key for a peer to open to: front VRF"
        "let rings = config.keyrings.iter().filter(|ring| ring.front == front);" =>
        "let rings = config.keyrings.iter();";
    IKE "ipsec/ike/src/policy.rs" "profile by identity: front VRF"
        "(*of == front && prefix.contains(*address))" => "prefix.contains(*address)";
    IKE "ipsec/ike/src/policy.rs" "crypto-map entry of a peer: front VRF"
        "entry.front == asker.front\n        && " => "";
    IKE "ipsec/ike/src/demux.rs" "session by the initiator's cookie: front VRF"
        "*self.openings.get(&(path.front, path.remote.ip(), header.initiator))?" =>
        "*self.openings.iter().find(|((_, ip, i), _)| (*ip, *i) == (path.remote.ip(), header.initiator))?.1";
    IKE "ipsec/ike/src/demux.rs" "session by both cookies: front VRF"
        "self.pairs.get(&pair).copied()" =>
        "self.pairs.iter().find(|((_, i, r), _)| (*i, *r) == (pair.1, pair.2)).map(|(_, id)| *id)";
    IKE "ipsec/ike/src/v1/session.rs" "session by path: front VRF"
        "self.path.front == other.front\n            && " => "";
    IKE "ipsec/ike/src/child.rs" "children of a peer that lost its memory: front VRF"
        "self.state.front == session.path.front\n            && " => "";
    IKE "ipsec/ike/src/want.rs" "entries to recover after an unknown SPI: front VRF"
        "entry.front == front && entry.local == local" => "entry.local == local";
    IKE "ipsec/ike/src/want.rs" "peers recovered a moment ago: front VRF"
        "self.wants.recovered.contains_key(&(front, remote))" =>
        "self.wants.recovered.keys().any(|(_, of)| *of == remote)";
    IKE "ipsec/ike/src/command.rs" "sessions that an operator clears: front VRF"
        "session.path.front == front && session.path.remote.ip() == remote" =>
        "session.path.remote.ip() == remote";
    IKE "ipsec/ike/src/command.rs" "children that an operator clears: front VRF"
        "child.front == front && child.remote == remote" => "child.remote == remote";
}
