//! A packet goes into its SA: cut to fit, sealed, and given an outer header in the front VRF
//! (RFC 4301 section 5.1.2, RFC 4303, RFC 3948, RFC 6040).

use std::net::IpAddr;

use base::{Family, Instant};
use ipsec::{DfBit, Encap, Fragmentation, Mode, Policy, Sa};
use wire::{esp, ipv4, ipv6, udp};

use crate::graph::{After, Next, Seal, Trouble, Walk};
use crate::header::{self, Header};
use crate::sas::Outbound;
use crate::stage::esp_decap::tell_end;
use crate::stage::transport;
use crate::tables::Way;
use crate::{Drop, Frame, Origin};

const TTL: u8 = 64;
const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

/// What of the inner packet the outer one takes over, and between whom it goes.
pub(super) struct Outer {
    local: IpAddr,
    remote: IpAddr,
    encap: Encap,
    tos: u8,
    pub(super) df: bool,
}

impl Outer {
    pub(super) const fn of(sa: &Sa, tos: u8, df: bool) -> Self {
        Self { local: sa.local, remote: sa.remote, encap: sa.encap, tos, df }
    }
}

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, seal: Seal<'t>) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    let Some(live) = walk.state.sas.seal(seal.sa) else { return Drop::NoSaYet.into() };
    let sa = &live.sa;
    if sa.mode == Mode::Transport {
        return transport::run(walk, frame, seal);
    }
    let Way::Out(out) = walk.tables.way(sa.front, sa.remote) else { return Drop::NoRoute.into() };
    let room = out.mtu().saturating_sub(ip_header(sa.remote)).saturating_sub(sa.encap.overhead());
    let limit = sa.suite.payload_for(room);
    let length = frame.len();
    let fits = length <= limit;
    match cut(&header, length, seal.policy, limit) {
        Cut::Before if !fits => return Next::Fragment(limit, After::Seal(seal)),
        Cut::Refuse(mtu) if !fits => return Next::Icmp(Trouble::too_big(mtu)),
        Cut::Before | Cut::After | Cut::Refuse(_) => {}
    }
    let df = fits && outer_df(&header, seal.policy.df);
    let (front, outer) = (sa.front, Outer::of(sa, header.tos, df));
    let next_header = match header.dst {
        IpAddr::V4(_) => IP_IN_IP,
        IpAddr::V6(_) => IPV6_IN_IP,
    };
    let sealed = close(live, frame, 0, next_header, walk.now);
    let end = live.end(live.cipher.nearly_spent(), sealed == Err(Drop::Exhausted));
    tell_end(walk, seal.sa, end);
    if let Err(drop) = sealed {
        return drop.into();
    }
    if wrap(frame, &outer, walk.state.ident()).is_none() {
        return Drop::TooBig.into();
    }
    (frame.vrf, frame.origin) = (front, Origin::Sealed);
    Next::Fit(out)
}

/// What to do with a packet longer than `limit`.
pub(super) enum Cut {
    Before,
    After,
    /// Its sender is told this many bytes.
    Refuse(usize),
}

/// The decision table of `crypto ipsec df-bit` and `crypto ipsec fragmentation`. IPv6 is never cut, but
/// nothing below its least MTU may be refused either.
#[inline]
pub(super) fn cut(header: &Header, length: usize, policy: &Policy, limit: usize) -> Cut {
    match Family::of(header.dst) {
        Family::V6 if length <= ipv6::MIN_MTU => Cut::After,
        Family::V6 => Cut::Refuse(limit.max(ipv6::MIN_MTU)),
        Family::V4 if !header.divisible && policy.df != DfBit::Clear => Cut::Refuse(limit),
        Family::V4 => match policy.fragmentation {
            Fragmentation::BeforeEncryption => Cut::Before,
            Fragmentation::AfterEncryption => Cut::After,
        },
    }
}

#[inline]
pub(super) fn outer_df(header: &Header, df: DfBit) -> bool {
    match df {
        DfBit::Clear => false,
        DfBit::Set => true,
        DfBit::Copy => !header.divisible,
    }
}

/// Seals in place what stands behind the packet's first `skip` bytes, which are lost.
#[inline]
pub(super) fn close(
    live: &mut Outbound,
    frame: &mut Frame,
    skip: usize,
    next_header: u8,
    now: Instant,
) -> Result<(), Drop> {
    let length = frame.len();
    let (room, range) = frame.room();
    let sealed = live.cipher.seal(room, range.start.saturating_add(skip)..range.end, next_header).ok();
    match &sealed {
        Some(_) => live.count(length, live.cipher.sequence(), now),
        None => live.count_error(),
    }
    let range = sealed.ok_or(Drop::Exhausted)?;
    frame.narrow(range).then_some(()).ok_or(Drop::TooBig)
}

/// Outer headers: UDP if the path has a NAT, then IP. DSCP and ECN are the inner packet's (RFC 6040's
/// normal mode), the TTL is ours.
fn wrap(frame: &mut Frame, outer: &Outer, ident: u16) -> Option<()> {
    let protocol = encapsulate(frame, outer)?;
    let Outer { local: src, remote: dst, tos, df, .. } = *outer;
    header::Outer { src, dst, protocol, tos, df, ttl: TTL, ident }.put(frame)
}

/// The UDP header if the path has a NAT; the protocol that the IP header leads to.
#[inline]
pub(super) fn encapsulate(frame: &mut Frame, outer: &Outer) -> Option<u8> {
    let Encap::Udp { local, remote } = outer.encap else { return Some(esp::PROTOCOL) };
    header::put_udp(frame, (outer.local, local).into(), (outer.remote, remote).into())?;
    Some(udp::PROTOCOL)
}

const fn ip_header(remote: IpAddr) -> usize {
    match remote {
        IpAddr::V4(_) => ipv4::HEADER,
        IpAddr::V6(_) => ipv6::HEADER,
    }
}
