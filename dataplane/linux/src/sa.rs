//! SAs in the kernel: RFC 4301 section 4.4.2, with the front VRF in the mark and the XFRM interface in `if_id`.

mod algorithm;
mod wire;

use std::net::IpAddr;

use base::{Family, Spi};
use ipsec::{DfBit, Direction, Encap, Keys, Mode, Offload, Ports, Sa, Selector, Suite};

use crate::request::{CREATE, EXCLUSIVE, Protocol, Request};
use crate::thing::{Key, Thing, Unable};
use crate::xfrm::{Body, ESP, inbound_reqid, message};

pub(crate) use wire::{Counted, counted, dump, name, read};

/// How far the numbers of an SA jump that has to be made anew with the same keys: it may have sent so many packets
/// since its state was read, also where much else had to be told the kernel first.
const LEAP: u64 = 1 << 24;

/// No Debug: it holds keys.
#[derive(Clone)]
pub(crate) struct KernelSa {
    pub(crate) direction: Direction,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) spi: Spi,
    pub(crate) home: Home,
    /// The number of an outbound SA, which its policies name; of an inbound one the family of what it opens.
    pub(crate) reqid: u32,
    pub(crate) encap: Encap,
    pub(crate) suite: Suite,
    pub(crate) mode: Mode,
    keys: Keys,
    /// In packets; zero: none.
    window: u32,
    esn: bool,
    pub(crate) selector: Selector,
    kilobytes: Option<u32>,
    /// The last number sent or received before it came to be.
    pub(crate) begins_after: u64,
}

/// Where an SA belongs, and what its neighbourhood wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Stands for the front VRF.
    pub(crate) mark: u32,
    /// Of the XFRM interface.
    pub(crate) if_id: u32,
    pub(crate) df: DfBit,
    /// The index of the network card's device.
    pub(crate) offload: Option<(u32, Offload)>,
    /// Whether the kernel is told which way an SA goes: Linux 6.10.
    pub(crate) told_direction: bool,
}

impl KernelSa {
    pub(crate) fn of(sa: &Sa, home: Home) -> Result<Self, Unable> {
        let inbound = sa.direction == Direction::In;
        if sa.mode == Mode::Transport {
            return Err(Unable::Never(
                "XFRM interfaces carry no transport mode: use tunnel mode here".to_owned(),
            ));
        }
        Ok(Self {
            direction: sa.direction,
            local: sa.local,
            remote: sa.remote,
            spi: sa.spi,
            home,
            reqid: if inbound { inbound_reqid(sa.selector.family()) } else { sa.id.0 },
            encap: sa.encap,
            suite: sa.suite,
            mode: sa.mode,
            keys: sa.keys.clone(),
            window: window(sa, home.told_direction),
            esn: sa.replay.esn,
            selector: told_selector(sa)?,
            kilobytes: sa.kilobytes,
            begins_after: 0,
        })
    }

    pub(crate) fn key(&self) -> Key {
        Key::Sa(self.destination(), self.spi, self.home.mark)
    }

    /// Whether `other` uses the same keys the same way: then no number of the one may be one of the other.
    pub(crate) fn continues(&self, other: &Self) -> bool {
        self.direction == other.direction
            && self.spi == other.spi
            && self.suite == other.suite
            && self.keys == other.keys
    }

    /// With numbers beyond those of `other`, whose keys it has and which stays at work until it is in its place.
    pub(crate) fn begin_after(&mut self, other: &Self) {
        self.begins_after = other.begins_after.saturating_add(LEAP);
    }

    /// The same, done by the box's own processors; `None`: it is already.
    pub(crate) fn in_software(&self) -> Option<Self> {
        self.home.offload?;
        Some(Self { home: Home { offload: None, ..self.home }, ..self.clone() })
    }

    fn destination(&self) -> IpAddr {
        match self.direction {
            Direction::In => self.local,
            Direction::Out => self.remote,
        }
    }

    fn source(&self) -> IpAddr {
        match self.direction {
            Direction::In => self.remote,
            Direction::Out => self.local,
        }
    }

    /// Whether the kernel can make `other` of it in place: that keeps window, numbers and counters.
    fn becomes(&self, other: &Self) -> bool {
        let same_way = matches!(
            (self.encap, other.encap),
            (Encap::Esp, Encap::Esp) | (Encap::Udp { .. }, Encap::Udp { .. })
        );
        let outer =
            self.direction == Direction::In || self.local == other.local && self.remote == other.remote;
        same_way && outer && self.local == other.local && self.is_made_like(other)
    }

    /// What is decided when it is made.
    fn is_made_like(&self, other: &Self) -> bool {
        self.continues(other)
            && (self.home.if_id, self.home.mark) == (other.home.if_id, other.home.mark)
            && (self.direction == Direction::In
                || (self.home.df == DfBit::Clear) == (other.home.df == DfBit::Clear))
            && (self.reqid, self.mode, self.selector) == (other.reqid, other.mode, other.selector)
            && (self.window, self.esn) == (other.window, other.esn)
    }
}

/// Whether the kernel has what is wanted. Where an inbound SA's packets come from is not looked at there; what a network
/// card refused is done without it.
impl PartialEq for KernelSa {
    fn eq(&self, other: &Self) -> bool {
        self.is_made_like(other)
            && self.encap == other.encap
            && self.local == other.local
            && (self.direction == Direction::In || self.remote == other.remote)
            && self.kilobytes == other.kilobytes
    }
}

impl Eq for KernelSa {}

/// Whether making `sa` of `held` takes a new SA with the same keys: then `held` must have been read just now.
pub(crate) fn is_made_anew(sa: &KernelSa, held: &KernelSa) -> bool {
    sa.continues(held) && !held.becomes(sa)
}

pub(crate) fn set(sa: &KernelSa, held: Option<&Thing>) -> Result<Vec<Request>, Unable> {
    let held = match held {
        Some(Thing::Sa(held)) => Some(held.as_ref()),
        _ => None,
    };
    let request =
        |kind, flags, sa: &KernelSa| Request { protocol: Protocol::Xfrm, kind, flags, body: sa.body() };
    let create = |sa: &KernelSa| request(message::NEW_SA, CREATE | EXCLUSIVE, sa);
    match held {
        None => Ok(vec![create(sa)]),
        Some(held) if held.becomes(sa) => Ok(vec![request(message::UPD_SA, 0, sa)]),
        Some(held) => {
            let mut fresh = sa.clone();
            if sa.continues(held) {
                fresh.begin_after(held);
            }
            let mut requests = unset(held.destination(), held.spi, held.home.mark)?;
            requests.push(create(&fresh));
            Ok(requests)
        }
    }
}

pub(crate) fn unset(destination: IpAddr, spi: Spi, mark: u32) -> Result<Vec<Request>, Unable> {
    Ok(vec![named(message::DEL_SA, destination, spi, mark)])
}

/// Asks for the SA of this key; `None`: it is no SA's.
pub(crate) fn question(key: &Key) -> Option<Request> {
    let Key::Sa(destination, spi, mark) = key else { return None };
    Some(named(message::GET_SA, *destination, *spi, *mark))
}

/// A request about the SA of this name.
fn named(kind: u16, destination: IpAddr, spi: Spi, mark: u32) -> Request {
    let mut body = Body::new();
    body.address(destination).spi(spi.0).family(Family::of(destination)).u8(ESP).zeros(1);
    body.mark(mark);
    Request { protocol: Protocol::Xfrm, kind, flags: 0, body: body.finish() }
}

/// With extended numbers the kernel wants a window also of an outbound SA, as long as it does not know that it is one.
fn window(sa: &Sa, told_direction: bool) -> u32 {
    match (sa.direction, sa.replay.esn) {
        (Direction::Out, true) if !told_direction => 32,
        (Direction::Out, _) => 0,
        (Direction::In, _) => u32::from(sa.replay.window),
    }
}

/// What the kernel is told to compare inner packets with. It knows ports by value and mask: what goes out was compared
/// by the policy already, what comes in would not be.
fn told_selector(sa: &Sa) -> Result<Selector, Unable> {
    let told = |ports: Ports| if is_block(ports) { ports } else { Ports::ANY };
    let selector = Selector {
        local_ports: told(sa.selector.local_ports),
        remote_ports: told(sa.selector.remote_ports),
        ..sa.selector
    };
    if sa.direction == Direction::In && selector != sa.selector {
        return Err(Unable::Never(format!(
            "the kernel cannot hold arriving packets to the port range of `{}`: use single ports, or all",
            sa.selector
        )));
    }
    Ok(selector)
}

fn is_block(ports: Ports) -> bool {
    let size = u32::from(ports.last) + 1 - u32::from(ports.first).min(u32::from(ports.last));
    size.is_power_of_two() && u32::from(ports.first) % size == 0
}

#[cfg(test)]
pub(crate) mod tests;
