//! A packet goes into its SA: cut to fit, sealed, and given an outer header in the front VRF
//! (RFC 4301 section 5.1.2, RFC 4303, RFC 3948, RFC 6040).

use std::net::IpAddr;

use base::{Family, Instant};
use ipsec::{DfBit, Encap, Fragmentation, Policy};
use wire::{esp, ipv4, ipv6, udp};

use crate::graph::{After, Next, Seal, Trouble, Walk};
use crate::header::Header;
use crate::sas::Outbound;
use crate::stage::esp_decap::tell_end;
use crate::tables::Way;
use crate::{Drop, Frame, Origin};

const TTL: u8 = 64;
const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

/// What of the inner packet the outer one takes over, and between whom it goes.
struct Outer {
    local: IpAddr,
    remote: IpAddr,
    encap: Encap,
    tos: u8,
    df: bool,
}

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, seal: Seal<'t>) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    let Some(live) = walk.state.sas.seal(seal.sa) else { return Drop::NoSaYet.into() };
    let sa = &live.sa;
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
    let outer = Outer { local: sa.local, remote: sa.remote, encap: sa.encap, tos: header.tos, df };
    let (front, family) = (sa.front, Family::of(header.dst));
    let sealed = close(live, frame, family, length, walk.now);
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
enum Cut {
    Before,
    After,
    /// Its sender is told this many bytes.
    Refuse(usize),
}

/// The decision table of `crypto ipsec df-bit` and `crypto ipsec fragmentation`. IPv6 is never cut, but
/// nothing below its least MTU may be refused either.
fn cut(header: &Header, length: usize, policy: &Policy, limit: usize) -> Cut {
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

fn outer_df(header: &Header, df: DfBit) -> bool {
    match df {
        DfBit::Clear => false,
        DfBit::Set => true,
        DfBit::Copy => !header.divisible,
    }
}

/// Seals the packet in place.
fn close(
    live: &mut Outbound,
    frame: &mut Frame,
    family: Family,
    length: usize,
    now: Instant,
) -> Result<(), Drop> {
    let next_header = match family {
        Family::V4 => IP_IN_IP,
        Family::V6 => IPV6_IN_IP,
    };
    let (room, range) = frame.room();
    let sealed = live.cipher.seal(room, range, next_header).ok();
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
    let protocol = match outer.encap {
        Encap::Esp => esp::PROTOCOL,
        Encap::Udp { local, remote } => {
            let length = frame.len();
            frame.prepend(&[0; udp::HEADER]).then_some(())?;
            udp::emit(frame.bytes_mut(), local, remote, length).ok()?;
            udp::PROTOCOL
        }
    };
    let length = frame.len();
    match (outer.local, outer.remote) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let (tos, df) = (outer.tos, outer.df);
            frame.prepend(&[0; ipv4::HEADER]).then_some(())?;
            let header = ipv4::Header { tos, ident, df, ttl: TTL, protocol, src, dst, length };
            header.emit(frame.bytes_mut()).ok()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            // Over IPv6 a datagram without checksum is only for tunnels that say so: ours is computed.
            if protocol == udp::PROTOCOL {
                udp::fill_checksum(frame.bytes_mut(), src.into(), dst.into()).ok()?;
            }
            frame.prepend(&[0; ipv6::HEADER]).then_some(())?;
            let header =
                ipv6::Header { traffic_class: outer.tos, hop_limit: TTL, next: protocol, src, dst, length };
            header.emit(frame.bytes_mut()).ok()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

const fn ip_header(remote: IpAddr) -> usize {
    match remote {
        IpAddr::V4(_) => ipv4::HEADER,
        IpAddr::V6(_) => ipv6::HEADER,
    }
}
