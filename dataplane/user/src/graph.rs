//! The packet's way: what may come next, and the one `match` that leads from stage to stage.

use std::collections::VecDeque;

use base::{Instant, PolicyId, SaId, Spi};
use dataplane::{Port, Tunnel};
use ipsec::Policy;
use wire::ethernet::Mac;
use wire::icmp::Problem;

use crate::spd::Lines;
use crate::stage;
use crate::state::State;
use crate::tables::{Out, Tables};
use crate::{Drop, Frame};

/// Where a packet goes next. A stage returns one and calls no other stage. What it holds is three words at
/// most, which go from stage to stage in registers.
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
    /// By these lines of its map, which are in the cache by now.
    Judge(Out<'t>, Option<&'t Lines>),
    /// Into a tunnel interface.
    Tunnel(PolicyId),
    EspEncap(Seal<'t>),
    /// The same, and its SA is in the cache by now.
    EspSeal(Seal<'t>),
    /// Out of a port, if it fits.
    Fit(Out<'t>),
    /// The same, in pieces of at most so many bytes.
    Fragment(u16, Out<'t>),
    /// To be sealed in such pieces.
    FragmentFirst(u16, Seal<'t>),
    MplsPush(Out<'t>),
    Neighbour(Out<'t>),
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
    /// Packets whose policies are on their way from memory.
    policies: Ahead<(Out<'t>, Option<&'t Lines>)>,
    /// Packets whose SAs are, to be sealed or, without a policy, opened.
    sas: Ahead<Option<Seal<'t>>>,
}

/// Packets that wait for memory while others walk. Who waits leaves in the order in which it came.
struct Ahead<T> {
    places: [Option<(Frame, T)>; AHEAD],
    oldest: usize,
    count: usize,
}

/// Enough for memory to answer, few enough that the nearest cache holds what came.
const AHEAD: usize = 8;

/// More stages than any packet passes.
const STEPS: u8 = 60;

impl<'t, 's> Walk<'t, 's> {
    pub(crate) fn new(tables: &'t Tables, state: &'s mut State, now: Instant) -> Self {
        let (policies, sas) = (Ahead::new(), Ahead::new());
        Self { tables, state, now, children: VecDeque::new(), policies, sas }
    }

    /// Leads `frame`, and every packet that comes of it, to its end, or to where it waits for memory.
    pub(crate) fn run(&mut self, frame: Frame, next: Next<'t>) {
        self.lead(frame, next);
        while let Some((frame, next)) = self.children.pop_front() {
            self.lead(frame, next);
        }
    }

    /// Leads those that wait to their ends; due before a walk is dropped.
    pub(crate) fn finish(&mut self) {
        loop {
            if let Some((frame, (out, lines))) = self.policies.take() {
                self.run(frame, Next::Judge(out, lines));
            } else if let Some(waited) = self.sas.take() {
                let (frame, next) = fetched(waited);
                self.run(frame, next);
            } else {
                return;
            }
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
                Next::EspDecap(spi) => {
                    self.state.sas.fetch_inbound(spi);
                    let Some(waited) = self.sas.swap(frame, None) else { return };
                    (frame, next) = fetched(waited);
                    continue;
                }
                Next::EspOpen => stage::esp_decap::run(self, &mut frame),
                Next::Policy(out) => {
                    let lines = stage::policy::lines(self, &frame, out);
                    lines.into_iter().for_each(sys::prefetch);
                    let Some((waited, (out, lines))) = self.policies.swap(frame, (out, lines)) else {
                        return;
                    };
                    (frame, next) = (waited, Next::Judge(out, lines));
                    continue;
                }
                Next::Judge(out, lines) => stage::policy::run(self, &mut frame, out, lines),
                Next::Tunnel(policy) => stage::policy::tunnel(self, &mut frame, policy),
                Next::EspEncap(seal) => {
                    sys::prefetch(seal.policy);
                    self.state.sas.fetch_outbound(seal.sa);
                    let Some(waited) = self.sas.swap(frame, Some(seal)) else { return };
                    (frame, next) = fetched(waited);
                    continue;
                }
                Next::EspSeal(seal) => stage::esp_encap::run(self, &mut frame, seal),
                Next::Fit(out) => stage::fragment::fit(&frame, out),
                Next::Fragment(limit, out) => stage::fragment::run(self, &mut frame, limit, Next::Fit(out)),
                Next::FragmentFirst(limit, seal) => {
                    stage::fragment::run(self, &mut frame, limit, Next::EspSeal(seal))
                }
                Next::MplsPush(out) => stage::mpls_push::run(self, &mut frame, out),
                Next::Neighbour(out) => stage::neighbour::run(self, &mut frame, out),
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

/// What comes of a packet whose SA is there.
fn fetched<'t>((frame, seal): (Frame, Option<Seal<'t>>)) -> (Frame, Next<'t>) {
    (frame, seal.map_or(Next::EspOpen, Next::EspSeal))
}

impl<T> Ahead<T> {
    const fn new() -> Self {
        Self { places: [const { None }; AHEAD], oldest: 0, count: 0 }
    }

    /// Lets a packet wait; gives the one that waits longest, if all places were taken.
    fn swap(&mut self, frame: Frame, with: T) -> Option<(Frame, T)> {
        let waited = self.turn()?.replace((frame, with));
        self.count = self.count.saturating_add(usize::from(waited.is_none()));
        waited
    }

    /// The one that waits longest.
    fn take(&mut self) -> Option<(Frame, T)> {
        self.count = self.count.checked_sub(1)?;
        (0..AHEAD).find_map(|_| self.turn()?.take())
    }

    fn turn(&mut self) -> Option<&mut Option<(Frame, T)>> {
        let at = self.oldest;
        self.oldest = at.wrapping_add(1) % AHEAD;
        self.places.get_mut(at)
    }
}
