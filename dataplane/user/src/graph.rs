//! The packet's way: what may come next, and the one `match` that leads from stage to stage.

use std::collections::VecDeque;
use std::net::IpAddr;

use base::{Instant, PolicyId, SaId, Spi};
use dataplane::{Port, Tunnel};
use ipsec::Policy;
use wire::ethernet::Mac;
use wire::icmp::Problem;

use crate::stage;
use crate::state::State;
use crate::tables::{Out, Tables};
use crate::{Drop, Frame};

/// Where a packet goes next. A stage returns one and calls no other stage.
#[derive(Clone, Copy)]
pub(crate) enum Next<'t> {
    EthernetIn,
    IpInput,
    Reassemble,
    Local,
    IpLookup,
    MplsInput,
    /// ESP for us, of this SPI.
    EspDecap(Spi),
    /// Its SA is in the cache by now.
    EspOpen,
    /// Out of a tunnel without protection.
    TunnelDecap,
    /// Out of a port that carries a crypto map.
    Policy(Out<'t>),
    /// Into a tunnel interface.
    Tunnel(PolicyId),
    EspEncap(Seal<'t>),
    /// The same, and its SA is in the cache by now.
    EspSeal(Seal<'t>),
    /// Out of a port, if it fits.
    Fit(Out<'t>),
    /// In pieces of at most so many bytes.
    Fragment(usize, After<'t>),
    MplsPush(Out<'t>),
    Neighbour(Via<'t>),
    EthernetOut(&'t Port, Mac),
    /// Into a tunnel without protection.
    TunnelEncap(&'t Port, &'t Tunnel),
    /// Its sender is told, then it is dropped.
    Icmp(Trouble),
    Echo,
    /// By the port's own NIC: that of a VLAN leads to the kernel.
    Send(&'t Port),
    /// A packet that came plain, and that the kernel deals with.
    Kernel,
    /// Its bytes are kept elsewhere, for later.
    Held,
    Drop(Drop),
}

/// The policy and SA that protect a packet.
#[derive(Clone, Copy)]
pub(crate) struct Seal<'t> {
    pub policy: &'t Policy,
    pub sa: SaId,
}

/// Where the pieces of a packet go.
#[derive(Clone, Copy)]
pub(crate) enum After<'t> {
    Out(Out<'t>),
    Seal(Seal<'t>),
}

/// The next station on a link.
#[derive(Clone, Copy)]
pub(crate) struct Via<'t> {
    pub port: &'t Port,
    pub address: IpAddr,
}

/// What its sender is told of a packet that dies.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    pub problem: Problem,
    pub drop: Drop,
    /// Whether the packet still has its label stack.
    pub labelled: bool,
}

impl Trouble {
    pub(crate) const TTL: Self =
        Self { problem: Problem::TtlExceeded, drop: Drop::TtlExpired, labelled: false };
    pub(crate) const NO_ROUTE: Self =
        Self { problem: Problem::NoRoute, drop: Drop::NoRoute, labelled: false };

    /// `mtu` in bytes of the packet as its sender knows it.
    pub(crate) fn too_big(mtu: usize) -> Self {
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        Self { problem: Problem::TooBig(mtu), drop: Drop::TooBig, labelled: false }
    }

    pub(crate) const fn labelled(self) -> Self {
        Self { labelled: true, ..self }
    }
}

impl From<Drop> for Next<'_> {
    fn from(drop: Drop) -> Self {
        Self::Drop(drop)
    }
}

/// The walk of the packets of a round, with those they give birth to: fragments, and errors told to
/// senders.
pub(crate) struct Walk<'t, 's> {
    pub tables: &'t Tables,
    pub state: &'s mut State,
    pub now: Instant,
    children: VecDeque<(Frame, Next<'t>)>,
    /// Packets whose SAs are on their way from memory, while others walk.
    ahead: [Option<(Frame, Next<'t>)>; AHEAD],
    /// Which of them waits longest.
    oldest: usize,
}

/// Enough for memory to answer, few enough that the nearest cache holds what came. Who waits leaves in
/// the order in which it came.
const AHEAD: usize = 8;

/// More stages than any packet passes.
const STEPS: u8 = 60;

impl<'t, 's> Walk<'t, 's> {
    pub(crate) fn new(tables: &'t Tables, state: &'s mut State, now: Instant) -> Self {
        Self { tables, state, now, children: VecDeque::new(), ahead: [const { None }; AHEAD], oldest: 0 }
    }

    /// Leads `frame`, and every packet that comes of it, to its end, or to where it waits for its SA.
    pub(crate) fn run(&mut self, frame: Frame, next: Next<'t>) {
        self.lead(frame, next);
        while let Some((frame, next)) = self.children.pop_front() {
            self.lead(frame, next);
        }
    }

    /// Leads those that wait to their ends; due before a walk is dropped.
    pub(crate) fn finish(&mut self) {
        while let Some((frame, next)) = (0..AHEAD).find_map(|_| self.turn()?.take()) {
            self.run(frame, next);
        }
    }

    /// Lets a packet wait; gives the one that waits longest, if all places were taken.
    fn swap(&mut self, frame: Frame, next: Next<'t>) -> Option<(Frame, Next<'t>)> {
        self.turn()?.replace((frame, next))
    }

    fn turn(&mut self) -> Option<&mut Option<(Frame, Next<'t>)>> {
        let at = self.oldest;
        self.oldest = at.wrapping_add(1) % AHEAD;
        self.ahead.get_mut(at)
    }

    /// A new packet that goes on from here in the place of, or because of, `parent`.
    pub(crate) fn child(&mut self, parent: &Frame) -> Frame {
        let mut child = self.state.batch.buffer();
        (child.port, child.vrf, child.origin, child.steps) =
            (parent.port, parent.vrf, parent.origin, parent.steps);
        child
    }

    pub(crate) fn later(&mut self, child: Frame, next: Next<'t>) {
        self.children.push_back((child, next));
    }

    fn lead(&mut self, mut frame: Frame, mut next: Next<'t>) {
        loop {
            frame.steps = frame.steps.saturating_add(1);
            if frame.steps > STEPS {
                next = Next::Drop(Drop::Looping);
            }
            next = match next {
                Next::EthernetIn => stage::ethernet_in::run(self, &mut frame),
                Next::IpInput => stage::ip_input::run(self, &mut frame),
                Next::Reassemble => stage::reassemble::run(self, &mut frame),
                Next::Local => stage::local::run(self, &mut frame),
                Next::IpLookup => stage::ip_lookup::run(self, &mut frame),
                Next::MplsInput => stage::mpls_input::run(self, &mut frame),
                Next::EspDecap(spi) => {
                    self.state.sas.fetch_inbound(spi);
                    let Some(waited) = self.swap(frame, Next::EspOpen) else { return };
                    (frame, next) = waited;
                    continue;
                }
                Next::EspOpen => stage::esp_decap::run(self, &mut frame),
                Next::Policy(out) => stage::policy::run(self, &mut frame, out),
                Next::Tunnel(policy) => stage::policy::tunnel(self, &mut frame, policy),
                Next::EspEncap(seal) => {
                    sys::prefetch(seal.policy);
                    self.state.sas.fetch_outbound(seal.sa);
                    let Some(waited) = self.swap(frame, Next::EspSeal(seal)) else { return };
                    (frame, next) = waited;
                    continue;
                }
                Next::EspSeal(seal) => stage::esp_encap::run(self, &mut frame, seal),
                Next::Fit(out) => stage::fragment::fit(&frame, out),
                Next::Fragment(limit, after) => stage::fragment::run(self, &mut frame, limit, after),
                Next::MplsPush(out) => stage::mpls_push::run(self, &mut frame, out),
                Next::Neighbour(via) => stage::neighbour::run(self, &mut frame, via),
                Next::EthernetOut(port, mac) => stage::ethernet_out::run(self, &mut frame, port, mac),
                Next::TunnelDecap => stage::tunnel_decap::run(self, &mut frame),
                Next::TunnelEncap(port, tunnel) => stage::tunnel_encap::run(self, &mut frame, port, tunnel),
                Next::Icmp(trouble) => stage::icmp::run(self, &frame, trouble),
                Next::Echo => stage::icmp::echo(&mut frame),
                Next::Send(port) => return self.state.send(port.id, frame),
                Next::Kernel => stage::vlan::kernel(self, &mut frame),
                Next::Held => return self.state.batch.recycle(frame),
                Next::Drop(drop) => return self.state.bury(frame, drop),
            }
        }
    }
}
