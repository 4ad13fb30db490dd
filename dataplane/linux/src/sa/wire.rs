//! `struct xfrm_usersa_info` with its attributes: what is asked for, and what the kernel has and counted.

use std::net::IpAddr;

use base::{Family, Spi};
use dataplane::SaCounters;
use ipsec::{DfBit, Direction, Encap, Mode, Offload, Selector};
use zeroize::Zeroizing;

use super::{Home, KernelSa, algorithm};
use crate::request::{Protocol, Request};
use crate::thing::{Key, Thing};
use crate::xfrm::{
    Attributes, Body, ESP, FIRST_INBOUND, NEVER, Reader, SA_LEN, TRANSPORT, TUNNEL, Target, address,
    attribute, family, message, sides,
};

/// `XFRM_STATE_NOPMTUDISC`: the outer header's DF bit is clear.
const CLEAR_DF: u8 = 4;
const EXTENDED_NUMBERS: u8 = 128;
/// `UDP_ENCAP_ESPINUDP`.
const ESP_IN_UDP: u16 = 2;
const OFFLOAD_IPV6: u8 = 1;
const OFFLOAD_INBOUND: u8 = 2;
const OFFLOAD_PACKET: u8 = 4;
/// Seconds between two messages about a peer's new port.
const MAPPING_PACE: u32 = 1;
/// `XFRM_SA_DIR_*`.
const DIRECTION_IN: u8 = 1;
const DIRECTION_OUT: u8 = 2;

/// Asks for every SA.
pub(crate) fn dump() -> Request {
    Request { protocol: Protocol::Xfrm, kind: message::GET_SA, flags: 0, body: Body::new().finish() }
}

/// An SA of ours, out of an answer or a notification that begins with `xfrm_usersa_info`.
pub(crate) fn read(body: &[u8]) -> Option<(Key, Thing)> {
    let sa = KernelSa::read(body)?;
    Some((sa.key(), Thing::Sa(Box::new(sa))))
}

/// What an SA counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Without the time of its last use, which the kernel does not tell.
    pub(crate) counters: SaCounters,
    /// Packets whose integrity check failed.
    pub(crate) bad_icvs: u64,
}

/// What an SA of ours counted, out of the same.
pub(crate) fn counted(body: &[u8]) -> Option<(Key, Counted)> {
    let fixed = Fixed::read(body)?;
    let attributes = attributes(body)?;
    let position = Position::read(&attributes)?;
    let sequence = position.of(fixed.direction());
    let key = Key::Sa(fixed.destination, fixed.spi, attributes.mark()?);
    let counters = SaCounters { sequence, ..fixed.counted.counters };
    Some((key, Counted { counters, ..fixed.counted }))
}

/// The destination and SPI of an SA of ours, out of the same.
pub(crate) fn name(body: &[u8]) -> Option<(IpAddr, Spi)> {
    Fixed::read(body).map(|fixed| (fixed.destination, fixed.spi))
}

/// The last numbers sent and received, and the window.
pub(super) struct Position {
    sent: u64,
    received: u64,
    window: u32,
}

impl Position {
    fn read(attributes: &Attributes<'_>) -> Option<Self> {
        let mut content = attributes.find(attribute::REPLAY)?;
        content.skip(4)?;
        let (sent, received) = (content.u32()?, content.u32()?);
        let (sent_high, received_high) = (content.u32()?, content.u32()?);
        Some(Self {
            sent: u64::from(sent_high) << 32 | u64::from(sent),
            received: u64::from(received_high) << 32 | u64::from(received),
            window: content.u32()?,
        })
    }

    const fn of(&self, direction: Direction) -> u64 {
        match direction {
            Direction::In => self.received,
            Direction::Out => self.sent,
        }
    }
}

impl KernelSa {
    /// The whole of it, behind the netlink header.
    pub(crate) fn body(&self) -> Zeroizing<Vec<u8>> {
        let mut body = Body::new();
        self.fixed(&mut body);
        algorithm::write(&mut body, self.suite, &self.keys);
        body.attribute(attribute::REPLAY, |body| self.replay(body));
        body.mark(self.home.mark);
        if self.home.if_id != 0 {
            body.if_id(self.home.if_id);
        }
        if let Encap::Udp { local, remote } = self.encap {
            self.encap(&mut body, local, remote);
        }
        if let Some((index, offload)) = self.home.offload {
            body.attribute(attribute::OFFLOAD, |body| {
                body.u32(index).u8(self.offload_flags(offload)).zeros(3);
            });
        }
        if self.home.told_direction {
            let direction = if self.is_inbound() { DIRECTION_IN } else { DIRECTION_OUT };
            body.attribute(attribute::DIRECTION, |body| {
                body.u8(direction);
            });
        }
        body.finish()
    }

    /// `struct xfrm_usersa_info`.
    fn fixed(&self, body: &mut Body) {
        let (ours, theirs) = sides(&self.selector);
        let (source, to) = if self.is_inbound() { (theirs, ours) } else { (ours, theirs) };
        body.selector(source, to, self.selector.protocol, 0);
        body.address(self.destination()).spi(self.spi.0).u8(ESP).zeros(3);
        body.address(self.source());
        body.lifetime(near_and_end(self.bytes()), near_and_end(self.packets()));
        body.zeros(32 + 12 + 4);
        body.u32(self.reqid).family(Family::of(self.remote));
        body.u8(mode(self.mode)).u8(0).u8(self.flags()).zeros(7);
    }

    fn flags(&self) -> u8 {
        let df = if self.home.df == DfBit::Clear && !self.is_inbound() { CLEAR_DF } else { 0 };
        df | if self.esn { EXTENDED_NUMBERS } else { 0 }
    }

    fn bytes(&self) -> u64 {
        self.kilobytes.map_or(NEVER, |kilobytes| u64::from(kilobytes) * 1024)
    }

    /// The kernel stops at the last number without a word: it is asked to speak in time.
    fn packets(&self) -> u64 {
        if self.esn { NEVER } else { u64::from(u32::MAX).saturating_sub(self.begins_after) }
    }

    /// `struct xfrm_replay_state_esn`. What is made anew takes nothing for new that its predecessor may have seen.
    fn replay(&self, body: &mut Body) {
        let words = self.window.div_ceil(u32::BITS);
        let (sent, received) =
            if self.is_inbound() { (0, self.begins_after) } else { (self.begins_after, 0) };
        let halves = |number: u64| {
            let bytes = number.to_be_bytes();
            let [a, b, c, d, e, f, g, h] = bytes;
            (u32::from_be_bytes([e, f, g, h]), u32::from_be_bytes([a, b, c, d]))
        };
        let ((sent, sent_high), (received, received_high)) = (halves(sent), halves(received));
        body.u32(words).u32(sent).u32(received).u32(sent_high).u32(received_high).u32(self.window);
        let seen = if self.is_inbound() && self.begins_after > 0 { u32::MAX } else { 0 };
        for _ in 0..words {
            body.u32(seen);
        }
    }

    fn encap(&self, body: &mut Body, local: u16, remote: u16) {
        let (source, to) = if self.is_inbound() { (remote, local) } else { (local, remote) };
        body.attribute(attribute::ENCAP, |body| {
            body.u16(ESP_IN_UDP).port(source).port(to).zeros(2 + 16);
        });
        if self.is_inbound() {
            body.attribute(attribute::MAPPING_THRESHOLD, |body| {
                body.u32(MAPPING_PACE);
            });
        }
    }

    fn offload_flags(&self, offload: Offload) -> u8 {
        let family = if self.remote.is_ipv6() { OFFLOAD_IPV6 } else { 0 };
        let packet = if offload == Offload::Packet { OFFLOAD_PACKET } else { 0 };
        family | packet | if self.is_inbound() { OFFLOAD_INBOUND } else { 0 }
    }

    const fn is_inbound(&self) -> bool {
        matches!(self.direction, Direction::In)
    }

    fn read(body: &[u8]) -> Option<Self> {
        let fixed = Fixed::read(body)?;
        let attributes = attributes(body)?;
        let if_id = attributes.if_id();
        let (suite, keys) = algorithm::read(&attributes)?;
        let position = Position::read(&attributes)?;
        let direction = fixed.direction();
        let inbound = direction == Direction::In;
        let (local, remote) =
            if inbound { (fixed.destination, fixed.source) } else { (fixed.source, fixed.destination) };
        let df = if fixed.flags & CLEAR_DF == 0 { DfBit::Copy } else { DfBit::Clear };
        let told_direction = attributes.find(attribute::DIRECTION).is_some();
        Some(Self {
            direction,
            local,
            remote,
            spi: fixed.spi,
            home: Home { mark: attributes.mark()?, if_id, df, offload: offload(&attributes), told_direction },
            reqid: fixed.reqid,
            encap: encap(&attributes, inbound)?,
            suite,
            mode: fixed.mode,
            keys,
            window: position.window,
            esn: fixed.flags & EXTENDED_NUMBERS != 0,
            selector: if inbound { fixed.selector.reversed() } else { fixed.selector },
            kilobytes: (fixed.bytes != NEVER).then(|| u32::try_from(fixed.bytes / 1024).unwrap_or(u32::MAX)),
            begins_after: position.of(direction),
        })
    }
}

/// What we read of `struct xfrm_usersa_info`.
struct Fixed {
    selector: Selector,
    destination: IpAddr,
    source: IpAddr,
    spi: Spi,
    /// The hard limit.
    bytes: u64,
    /// Without the last number.
    counted: Counted,
    reqid: u32,
    mode: Mode,
    flags: u8,
}

impl Fixed {
    /// `None` for others', and what only stands for a packet that waits for an SA.
    fn read(body: &[u8]) -> Option<Self> {
        let mut rest = Reader::new(body);
        let Target { from_source: selector, is_ours, .. } = rest.selector()?;
        let (destination, spi, protocol) = (rest.address()?, Spi(rest.spi()?), rest.u8()?);
        rest.skip(3)?;
        let source = rest.address()?;
        rest.skip(8)?;
        let limit = rest.u64()?;
        rest.skip(48)?;
        let (bytes, packets) = (rest.u64()?, rest.u64()?);
        rest.skip(16)?;
        let [late, replayed, bad_icvs] = [rest.u32()?, rest.u32()?, rest.u32()?].map(u64::from);
        let errors = late + replayed + bad_icvs;
        rest.skip(4)?;
        let (reqid, outer) = (rest.u32()?, family(rest.u16()?)?);
        let mode = match rest.u8()? {
            TUNNEL => Mode::Tunnel,
            TRANSPORT => Mode::Transport,
            _ => return None,
        };
        rest.skip(1)?;
        let flags = rest.u8()?;
        (is_ours && protocol == ESP && spi.0 != 0).then(|| Self {
            selector,
            destination: address(destination, outer),
            source: address(source, outer),
            spi,
            bytes: limit,
            counted: Counted {
                counters: SaCounters { packets, bytes, errors, ..SaCounters::default() },
                bad_icvs,
            },
            reqid,
            mode,
            flags,
        })
    }

    const fn direction(&self) -> Direction {
        if self.reqid & FIRST_INBOUND == 0 { Direction::Out } else { Direction::In }
    }
}

fn attributes(body: &[u8]) -> Option<Attributes<'_>> {
    body.get(SA_LEN..).map(|rest| Reader::new(rest).attributes())
}

fn encap(attributes: &Attributes<'_>, inbound: bool) -> Option<Encap> {
    let Some(mut content) = attributes.find(attribute::ENCAP) else { return Some(Encap::Esp) };
    if content.u16()? != ESP_IN_UDP {
        return None;
    }
    let (source, to) = (content.port()?, content.port()?);
    let (local, remote) = if inbound { (to, source) } else { (source, to) };
    Some(Encap::Udp { local, remote })
}

fn offload(attributes: &Attributes<'_>) -> Option<(u32, Offload)> {
    let mut content = attributes.find(attribute::OFFLOAD)?;
    let (index, flags) = (content.u32()?, content.u8()?);
    Some((index, if flags & OFFLOAD_PACKET == 0 { Offload::Crypto } else { Offload::Packet }))
}

const fn mode(mode: Mode) -> u8 {
    match mode {
        Mode::Tunnel => TUNNEL,
        Mode::Transport => TRANSPORT,
    }
}

/// Nine tenths: early enough to have a new SA before the old one is spent.
const fn near_and_end(limit: u64) -> (u64, u64) {
    if limit == NEVER { (NEVER, NEVER) } else { (limit - limit / 10, limit) }
}
