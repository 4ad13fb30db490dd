//! Every reason a packet can die of: one variant is one counter and one row of `show drops`.

use dataplane::DropCount;

macro_rules! drops {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// Why a packet died; the sentences are in [`Drop::meaning`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Drop { $(#[doc = $meaning] $variant,)* }

        impl Drop {
            /// In the order of `show drops`.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence: what it means and what to look at.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

drops! {
    Unfit "unfit" "A frame arrived cut off, too long, or as many in one of an unknown kind: look at the device's MTU and offloads."
    Malformed "malformed" "The packet is shorter than its headers say, or they contradict each other."
    Checksum "checksum" "The IPv4 header's checksum is wrong: look at the link it came by."
    SourceRouted "source-routed" "The packet's sender chose its route by LSRR or SSRR options: none is ever followed."
    NotOurs "not-ours" "The frame is addressed to another station on the link."
    Multicast "multicast" "Multicast and broadcast are not forwarded between VRFs, tunnels and labels."
    Martian "martian" "The source is no address that a sender may have: 0/8, loopback, a group, or one of our own."
    UnknownVlan "unknown-vlan" "The frame carries a VLAN tag that no sub-interface of its port has, or one tag in another."
    UnknownVrf "unknown-vrf" "The packet's VRF is gone: its configuration changed under the packet."
    UnknownPort "unknown-port" "The port that the packet should leave by is gone or was never opened."
    NoRoute "no-route" "The packet's VRF has no route to its destination."
    Discarded "discarded" "The route to the destination leads to Null0."
    TtlExpired "ttl-expired" "The TTL or hop limit ran out here; a few are normal, many mean a routing loop."
    Looping "looping" "The packet passed more stages than any packet should: routes or policies form a loop."
    TooBig "too-big" "The packet does not fit the path and may not be fragmented; its sender was told."
    NoNeighbour "no-neighbour" "The next hop's link address is not known and too many packets wait for it."
    NeighbourTimeout "neighbour-timeout" "The next hop did not answer in time for a waiting packet."
    NoHost "no-host" "The packet is for this box, but its VRF has no port to the kernel."
    MplsDisabled "mpls-disabled" "A labelled packet came in by a port without `mpls ip`."
    NoLabel "no-label" "The top label is not one of ours: look at the label bindings of the sender."
    LabelStack "label-stack" "More labels follow where the last was due, or the stack does not end."
    NoTunnel "no-tunnel" "GRE arrived that no tunnel has: look at its front VRF, both addresses and the key."
    GreFlags "gre-flags" "The GRE header is of another version, or has flags beside checksum, key and sequence number."
    GreMalformed "gre-malformed" "The GRE header is cut off, its checksum is wrong, or its packet is not the one it names."
    GreProtocol "gre-protocol" "What the GRE packet carries is neither IPv4, IPv6 nor MPLS: a keepalive, perhaps."
    MplsUdpMalformed "mpls-udp-malformed" "MPLS in UDP is cut off, its checksum is wrong or, over IPv6, missing, or no label is in it."
    Unlabelled "unlabelled" "A packet without label was routed into a tunnel that carries labels alone: only next hops of labelled routes belong there."
    ClearButProtected "clear-but-protected" "A clear packet came in that a crypto-map entry says must be protected."
    OutsidePolicy "outside-policy" "No crypto-map entry permits the packet, and its VRF is not the port's own: it may not leave in clear."
    NoSaYet "no-sa-yet" "A crypto-map entry protects the packet, but its SA is not up yet: IKE was asked for it."
    NoSa "no-sa" "ESP arrived with an SPI that no SA holds for this front VRF and address."
    WrongEncap "wrong-encap" "ESP arrived bare for an SA in UDP, or in UDP for a bare one: a NAT came or went."
    EspMalformed "esp-malformed" "The ESP packet is too short for its SA's algorithms, or is no whole number of blocks."
    BadIcv "bad-icv" "The ESP packet's integrity check failed: wrong key, or changed on its way."
    Replayed "replayed" "The sequence number was received before."
    TooOld "too-old" "The sequence number lies before the replay window: reordering, or a replay."
    BadPadding "bad-padding" "The decrypted packet's padding is not what RFC 4303 asks for."
    NotTransport "not-transport" "The packet is for an SA in transport mode, but is a fragment, has IPv6 extension headers, or is not between the SA's own addresses."
    Exhausted "exhausted" "The SA is at its last sequence number or byte; IKE was told to replace it."
    Dummy "dummy" "A dummy packet for traffic flow confidentiality (RFC 4303 section 2.6): discarded as it should be."
    InnerMalformed "inner-malformed" "What the SA carried is not the IP packet that its next header says."
    OutsideSelector "outside-selector" "The decrypted packet is not one that the SA was negotiated for."
    CongestionLost "congestion-lost" "Congestion was marked on a packet whose sender cannot react to it (RFC 6040)."
    FragmentOverlap "fragment-overlap" "Fragments of an outer packet overlap or contradict each other; all were discarded."
    FragmentLimit "fragment-limit" "An outer packet waited longest when too many of its front VRF had pieces missing: it made room."
    FragmentTimeout "fragment-timeout" "Fragments of an outer packet are missing after 30 seconds."
}

/// One counter a reason.
pub(crate) struct Drops([u64; Drop::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; Drop::ALL.len()])
    }
}

impl Drops {
    pub(crate) fn count(&mut self, drop: Drop) {
        self.add(drop, 1);
    }

    pub(crate) fn add(&mut self, drop: Drop, packets: u64) {
        if let Some(count) = self.0.get_mut(drop as usize) {
            *count = count.saturating_add(packets);
        }
    }

    pub(crate) fn rows(&self) -> Vec<DropCount> {
        let row = |(drop, packets): (&Drop, &u64)| DropCount {
            name: drop.name(),
            meaning: drop.meaning(),
            packets: *packets,
        };
        Drop::ALL.iter().zip(&self.0).map(row).collect()
    }
}
