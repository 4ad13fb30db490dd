//! The packet's way: what may come next, and the one `match` that leads from stage to stage.

use std::collections::VecDeque;
use std::net::IpAddr;

use base::{Instant, PolicyId, SaId};
use dataplane::Port;
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
    EspDecap,
    /// Out of a port that carries a crypto map.
    Policy(Out<'t>),
    /// Into a tunnel interface.
    Tunnel(PolicyId),
    EspEncap(Seal<'t>),
    /// Out of a port, if it fits.
    Fit(Out<'t>),
    /// In pieces of at most so many bytes.
    Fragment(usize, After<'t>),
    MplsPush(Out<'t>),
    Neighbour(Via<'t>),
    EthernetOut(&'t Port, Mac),
    /// Its sender is told, then it is dropped.
    Icmp(Trouble),
    Echo,
    Send(&'t Port),
    /// The kernel has seen it too and deals with it.
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

/// One packet's walk, with those it gives birth to: fragments, and errors told to senders.
pub(crate) struct Walk<'t, 's> {
    pub tables: &'t Tables,
    pub state: &'s mut State,
    pub now: Instant,
    children: VecDeque<(Frame, Next<'t>)>,
}

/// More stages than any packet passes.
const STEPS: u8 = 60;

impl<'t, 's> Walk<'t, 's> {
    pub(crate) fn new(tables: &'t Tables, state: &'s mut State, now: Instant) -> Self {
        Self { tables, state, now, children: VecDeque::new() }
    }

    /// Leads `frame`, and every packet that comes of it, to its end.
    pub(crate) fn run(&mut self, frame: Frame, next: Next<'t>) {
        self.lead(frame, next);
        while let Some((frame, next)) = self.children.pop_front() {
            self.lead(frame, next);
        }
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
                Next::EspDecap => stage::esp_decap::run(self, &mut frame),
                Next::Policy(out) => stage::policy::run(self, &mut frame, out),
                Next::Tunnel(policy) => stage::policy::tunnel(self, &mut frame, policy),
                Next::EspEncap(seal) => stage::esp_encap::run(self, &mut frame, seal),
                Next::Fit(out) => stage::fragment::fit(&frame, out),
                Next::Fragment(limit, after) => stage::fragment::run(self, &mut frame, limit, after),
                Next::MplsPush(out) => stage::mpls_push::run(self, &mut frame, out),
                Next::Neighbour(via) => stage::neighbour::run(self, &mut frame, via),
                Next::EthernetOut(port, mac) => stage::ethernet_out::run(&mut frame, port, mac),
                Next::Icmp(trouble) => stage::icmp::run(self, &frame, trouble),
                Next::Echo => stage::icmp::echo(&mut frame),
                Next::Send(port) => return self.state.send(port.id, frame),
                Next::Kernel | Next::Held => return self.state.batch.recycle(frame),
                Next::Drop(drop) => return self.state.bury(frame, drop),
            }
        }
    }
}
