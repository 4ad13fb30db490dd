//! Generated packets: clear, labelled, sealed by peers, and each of them wrong in some way.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Label, PortId, Prefix, SaId};
use ipsec::{Encap, Sa};
use wire::{ipv4, ipv6, mpls, udp};

use crate::config::{CORE, INTO, LANS, POPPED, PUSHED, SWAPPED, Setup, Tunnel, WANS, prefix, site};
use crate::dice::Dice;

/// A packet that comes to the box.
pub(crate) struct Case {
    pub(crate) port: PortId,
    /// IP, or a label stack.
    pub(crate) packet: Vec<u8>,
    /// Without labels or sealing.
    pub(crate) inner: Vec<u8>,
    /// In words.
    pub(crate) what: String,
}

impl Case {
    /// Its labels with their TTLs, outermost first.
    pub(crate) fn labels(&self) -> Vec<mpls::Entry> {
        let (mut labels, mut rest) = (Vec::new(), &self.packet[..]);
        while rest[0] >> 4 != 4 && rest[0] >> 4 != 6 {
            let (entry, behind) = mpls::Entry::parse(rest).unwrap();
            labels.push(entry);
            rest = behind;
        }
        labels
    }
}

/// What sends packets to the box of a [`Setup`].
pub(crate) struct Senders {
    peers: BTreeMap<SaId, esp::Outbound>,
    /// The last packet that each sealed.
    last: BTreeMap<SaId, Vec<u8>>,
    count: u32,
}

/// An inner packet in the making.
struct Inner {
    src: IpAddr,
    dst: IpAddr,
    ttl: u8,
    tos: u8,
    df: bool,
    length: usize,
    port: u16,
}

impl Senders {
    pub(crate) fn new(setup: &Setup) -> Self {
        let inbound =
            setup.tunnels.iter().filter_map(|tunnel| tunnel.sas.as_ref().map(|[inbound, _]| inbound));
        let peers = inbound.map(|sa| (sa.id, esp::Outbound::new(sa).unwrap())).collect();
        Self { peers, last: BTreeMap::new(), count: 0 }
    }

    pub(crate) fn case(&mut self, dice: &mut Dice, setup: &Setup) -> Case {
        self.count += 1;
        match dice.below(8) {
            0 | 1 => self.attached(dice),
            2 | 3 => self.labelled(dice),
            4 => self.clear(dice),
            _ => self.sealed(dice, setup),
        }
    }

    /// From a customer's attachment: to sites, to the core, to nowhere.
    fn attached(&mut self, dice: &mut Dice) -> Case {
        let lan = dice.pick(&LANS);
        let inner = Inner::new(dice, true);
        self.finish(lan, &inner, String::from("attached"), |packet| packet)
    }

    /// From the core.
    fn labelled(&mut self, dice: &mut Dice) -> Case {
        let mut inner = Inner::new(dice, true);
        let label =
            dice.pick(&[INTO[0].0, INTO[1].0, INTO[2].0, INTO[0].0, SWAPPED, PUSHED, POPPED, 3999, 0, 2]);
        let labels = match dice.below(12) {
            0 => vec![label, dice.pick(&[INTO[0].0, 5000])],
            1 => vec![0, label],
            _ => vec![label],
        };
        inner.length = inner.length.min(1500 - 4 * labels.len());
        let (ttl, tc) = (dice.pick(&[64, 255, 2, 1]), dice.pick(&[0, 5]));
        let what = format!("labels {labels:?} ttl {ttl} tc {tc}");
        self.finish(CORE, &inner, what, |packet| under(&labels, ttl, tc, packet))
    }

    /// By a port with a crypto map, not sealed.
    fn clear(&mut self, dice: &mut Dice) -> Case {
        let wan = dice.pick(&WANS);
        let out = dice.once_in(2);
        let inner = Inner::new(dice, out);
        self.finish(wan, &inner, String::from("clear at a crypto port"), |packet| packet)
    }

    /// By a peer, or as if.
    fn sealed(&mut self, dice: &mut Dice, setup: &Setup) -> Case {
        let up: Vec<&Tunnel> = setup.tunnels.iter().filter(|tunnel| tunnel.sas.is_some()).collect();
        let tunnel = up[dice.below(up.len())];
        let [sa, _] = tunnel.sas.as_ref().unwrap();
        let mut inner = Inner::new(dice, false);
        if !dice.once_in(5) {
            inner.between(
                dice,
                tunnel.site,
                prefix(if tunnel.site.address().is_ipv4() { "10.1.0.0/16" } else { "2001:db8:1::/48" }),
            );
        }
        let mut wan = tunnel.wan;
        let wrong = dice.below(12);
        let tos = dice.pick(&[0, 0, 1, 2, 3]);
        if let (0, Some(packet)) = (wrong, self.last.get(&sa.id).cloned()) {
            let what = format!("sealed for SA {}, replayed", sa.id.0);
            return Case { port: wan, packet, inner: Vec::new(), what };
        }
        // The peer, too, has a link of 1,500 bytes.
        inner.length = inner.length.min(1400);
        let mut what =
            format!("sealed for SA {} at {} into VRF {} outer tos {tos}", sa.id.0, sa.local, sa.inside.0);
        let mut sealed = self.seal(sa, &inner.bytes(self.mark()));
        if wrong == 1 {
            let last = sealed.len() - 1;
            sealed[last] ^= 1;
            what += ", damaged";
        }
        if wrong == 2 {
            wan = dice.pick(&WANS);
            what += ", at some port";
        }
        if wrong == 3 {
            sealed[..4].copy_from_slice(&0x00F0_0007_u32.to_be_bytes());
            what += ", of an unknown SPI";
        }
        let encap = if wrong == 4 { turned(sa.encap) } else { sa.encap };
        let outer = outer(sa, encap, tos, &sealed);
        if wrong > 4 {
            self.last.insert(sa.id, outer.clone());
        }
        let what = what + if wrong == 4 { ", encapsulated otherwise" } else { "" };
        self.finish(wan, &inner, what, |_| outer)
    }

    fn seal(&mut self, sa: &Sa, inner: &[u8]) -> Vec<u8> {
        let mut room = vec![0; esp::HEADROOM + inner.len() + esp::TAILROOM];
        let at = esp::HEADROOM..esp::HEADROOM + inner.len();
        room[at.clone()].copy_from_slice(inner);
        let next = if inner[0] >> 4 == 4 { 4 } else { 41 };
        let sealed = self.peers.get_mut(&sa.id).unwrap().seal(&mut room, at, next).unwrap();
        room[sealed].to_vec()
    }

    fn mark(&self) -> [u8; 8] {
        let [a, b, c, d] = self.count.to_be_bytes();
        [0xA5, b'M', b'R', 0x5A, a, b, c, d]
    }

    fn finish(
        &self,
        port: PortId,
        inner: &Inner,
        what: String,
        around: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Case {
        let mark = self.mark();
        let Inner { src, dst, ttl, tos, df, length, port: to } = inner;
        let what = format!("{what}: {src} -> {dst}:{to} ttl {ttl} tos {tos} df {df} length {length}");
        let inner = inner.bytes(mark);
        Case { port, packet: around(inner.clone()), inner, what }
    }
}

impl Inner {
    /// `out`: towards sites.
    fn new(dice: &mut Dice, out: bool) -> Self {
        let v6 = dice.once_in(3);
        let near = prefix(if v6 { "2001:db8:1::/48" } else { "10.1.0.0/16" });
        let number = dice.pick(&[0, 1, 2, 3]);
        let site = site(number, v6);
        let elsewhere = if v6 {
            ["2001:db8:4::/48", "2001:db8:6::/48", "2001:db8:77::/48", "2001:db8:1::/48", "2001:db8:5::2/128"]
        } else {
            ["10.4.0.0/16", "10.6.0.0/16", "10.77.0.0/16", "10.1.0.0/16", "10.5.0.2/32"]
        };
        let to = if dice.once_in(3) { prefix(dice.pick(&elsewhere)) } else { site };
        let mut inner = Self {
            src: near.address(),
            dst: near.address(),
            ttl: dice.pick(&[64, 64, 64, 255, 2, 1]),
            tos: dice.pick(&[0, 0, 0xB8, 1, 2, 3]),
            df: dice.once_in(3),
            length: dice.pick(&[64, 64, 64, 65, 300, 1280, 1400, 1420, 1450, 1480, 1500]),
            port: dice.pick(&[1999, 2000, 2010, 7]),
        };
        if out {
            inner.between(dice, near, to)
        } else {
            inner.between(dice, to, near)
        }
        inner
    }

    fn between(&mut self, dice: &mut Dice, from: Prefix, to: Prefix) {
        (self.src, self.dst) = (host(dice, from), host(dice, to));
    }

    /// A UDP datagram full of `mark`.
    fn bytes(&self, mark: [u8; 8]) -> Vec<u8> {
        let header = if self.src.is_ipv4() { ipv4::HEADER } else { ipv6::HEADER };
        let payload: Vec<u8> = mark.into_iter().cycle().take(self.length - header - udp::HEADER).collect();
        let mut datagram = [&[0; udp::HEADER][..], &payload].concat();
        udp::emit(&mut datagram, 1000, self.port, payload.len()).unwrap();
        udp::fill_checksum(&mut datagram, self.src, self.dst).unwrap();
        ip(self.src, self.dst, udp::PROTOCOL, (self.tos, self.ttl, self.df), &datagram)
    }
}

/// A host of this network, in its lower or upper half.
fn host(dice: &mut Dice, network: Prefix) -> IpAddr {
    match network.last() {
        only if network.is_host() => only,
        IpAddr::V4(last) => {
            let [a, b, c, d] = last.octets();
            IpAddr::from([a, b, c, if dice.once_in(2) { 2 } else { d - 1 }])
        }
        IpAddr::V6(last) => {
            let mut octets = last.octets();
            if dice.once_in(2) {
                octets[8..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 2]);
            }
            IpAddr::from(octets)
        }
    }
}

const fn turned(encap: Encap) -> Encap {
    match encap {
        Encap::Esp => Encap::Udp { local: 4500, remote: 4500 },
        Encap::Udp { .. } => Encap::Esp,
    }
}

/// As the peer of an inbound SA sends it.
fn outer(sa: &Sa, encap: Encap, tos: u8, sealed: &[u8]) -> Vec<u8> {
    let form = (tos, 64, false);
    match encap {
        Encap::Esp => ip(sa.remote, sa.local, wire::esp::PROTOCOL, form, sealed),
        Encap::Udp { local, remote } => {
            let mut datagram = [&[0; udp::HEADER][..], sealed].concat();
            udp::emit(&mut datagram, remote, local, sealed.len()).unwrap();
            if sa.remote.is_ipv6() {
                udp::fill_checksum(&mut datagram, sa.remote, sa.local).unwrap();
            }
            ip(sa.remote, sa.local, udp::PROTOCOL, form, &datagram)
        }
    }
}

fn ip(src: IpAddr, dst: IpAddr, protocol: u8, (tos, ttl, df): (u8, u8, bool), payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut header = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut bytes = vec![0; ipv4::HEADER];
            let ident = 77;
            ipv4::Header { tos, ident, df, ttl, protocol, src, dst, length }.emit(&mut bytes).unwrap();
            bytes
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut bytes = vec![0; ipv6::HEADER];
            let next = protocol;
            ipv6::Header { traffic_class: tos, hop_limit: ttl, next, src, dst, length }
                .emit(&mut bytes)
                .unwrap();
            bytes
        }
        _ => panic!("addresses of two families"),
    };
    header.extend_from_slice(payload);
    header
}

fn under(labels: &[u32], ttl: u8, tc: u8, packet: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, value) in labels.iter().enumerate() {
        let label = Label::new(*value).unwrap();
        bytes.extend(mpls::Entry { label, tc, bottom: at + 1 == labels.len(), ttl }.to_bytes());
    }
    bytes.extend(packet);
    bytes
}
