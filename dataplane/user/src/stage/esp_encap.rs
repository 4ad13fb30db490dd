//! A packet goes into its SA: cut to fit, sealed, and given an outer header in the front VRF
//! (RFC 4301 section 5.1.2, RFC 4303, RFC 3948, RFC 6040).

use std::net::IpAddr;

use base::{Family, Instant};
use ipsec::{DfBit, Encap, Fragmentation, Mode, Policy, Sa};
use wire::{esp, ipv4, ipv6, udp};

use crate::graph::{Next, Seal, Trouble, Walk};
use crate::header::{Header, Outer, put_udp};
use crate::sas::Outbound;
use crate::stage::esp_decap::tell_end;
use crate::stage::{fragment, transport};
use crate::tables::Way;
use crate::{Drop, Frame, Origin};

const TTL: u8 = 64;
const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, seal: Seal<'t>) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    let ident = walk.state.ident();
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
        Cut::Before if !fits => return Next::FragmentFirst(fragment::limit(limit), seal),
        Cut::Refuse(mtu) if !fits => return Next::Icmp(Trouble::too_big(mtu)),
        Cut::Before | Cut::After | Cut::Refuse(_) => {}
    }
    let df = fits && outer_df(&header, seal.policy.df);
    let front = sa.front;
    let next_header = match header.dst {
        IpAddr::V4(_) => IP_IN_IP,
        IpAddr::V6(_) => IPV6_IN_IP,
    };
    let sealed = close(live, frame, 0, next_header, walk.now);
    let end = live.end(live.cipher.nearly_spent(), sealed == Err(Drop::Exhausted));
    let wrapped = sealed.and_then(|()| wrap(frame, &live.sa, header.tos, df, ident).ok_or(Drop::TooBig));
    tell_end(walk, seal.sa, end);
    if let Err(drop) = wrapped {
        return drop.into();
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
fn wrap(frame: &mut Frame, sa: &Sa, tos: u8, df: bool, ident: u16) -> Option<()> {
    let protocol = encapsulate(frame, sa)?;
    Outer { src: sa.local, dst: sa.remote, protocol, tos, df, ttl: TTL, ident }.put(frame)
}

/// The UDP header if the path has a NAT; the protocol that the IP header leads to.
#[inline]
pub(super) fn encapsulate(frame: &mut Frame, sa: &Sa) -> Option<u8> {
    let Encap::Udp { local, remote } = sa.encap else { return Some(esp::PROTOCOL) };
    put_udp(frame, (sa.local, local).into(), (sa.remote, remote).into())?;
    Some(udp::PROTOCOL)
}

const fn ip_header(remote: IpAddr) -> usize {
    match remote {
        IpAddr::V4(_) => ipv4::HEADER,
        IpAddr::V6(_) => ipv6::HEADER,
    }
}
