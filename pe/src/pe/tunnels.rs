//! What IKE says and what the dataplane runs into: each to whoever it concerns.

use base::{Engine as _, Instant, SaId, VrfId};
use dataplane::{Event, SaCounters};
use ike::{Answer, Ask, AskId, Command};

use super::Pe;
use crate::wiring::config_to_names::{self, Known};
use crate::wiring::{dataplane_to_ike, ike_to_notice};
use crate::{Output, plan};

impl Pe {
    pub(super) fn event(&mut self, now: Instant, event: Event) {
        if let Event::Link { port, up } = event {
            return self.link(now, port, up);
        }
        if let Event::Gone(sa, counted) = event {
            return self.sa_gone(sa, counted);
        }
        if let Event::Counted(question, counted) = &event {
            return self.answer(now, AskId(*question), Answer::Traffic(traffic(counted)));
        }
        let notice = ike_to_notice::event(&event, &self.tables.peers, &self.ids, self.debug.ipsec);
        notice.into_iter().for_each(|notice| self.notice(now, notice));
        if let Some(command) = dataplane_to_ike::command(event, &self.tunnels) {
            self.command(now, command);
        }
    }

    /// Only flows that are shown are remembered: peers choose selectors, and might choose many.
    fn sa_gone(&mut self, sa: SaId, counted: SaCounters) {
        let cleared = self.cleared.remove(&sa).unwrap_or_default();
        let Some(flow) = self.past.gone(sa) else { return };
        let (policy, selector, _) = flow;
        let Some(entry) = self.tables.policies.get(&policy) else { return };
        let is_rule = entry.rules.iter().any(|rule| rule.permit && rule.selector == selector);
        if is_rule || self.tunnels.carries(policy, &selector) {
            self.past.add(flow, counted, cleared);
        } else {
            self.past.forget(&flow);
        }
    }

    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        self.tell_ike(now, ike::Input::Command(command));
    }

    pub(super) fn answer(&mut self, now: Instant, id: AskId, answer: Answer) {
        self.tell_ike(now, ike::Input::Answer(id, answer));
    }

    pub(super) fn tell_ike(&mut self, now: Instant, input: ike::Input) {
        self.ike.handle(now, input);
        self.drain_ike(now);
    }

    /// Answers what can be answered here at once, until IKE has nothing more to say.
    pub(super) fn drain_ike(&mut self, now: Instant) {
        while let Some(output) = self.ike.poll() {
            match output {
                ike::Output::Transmit(datagram) => self.outputs.push_back(Output::Ike(datagram)),
                ike::Output::Ask(id, ask @ (Ask::Compute(_) | Ask::Validate(_))) => {
                    self.outputs.push_back(Output::Ask(id, ask));
                }
                ike::Output::Ask(id, Ask::Resolve { front, name }) => self.resolve(now, id, front, &name),
                ike::Output::Ask(id, Ask::Traffic(child)) => self.read_traffic(now, id, child),
                ike::Output::Ask(id, Ask::Spi { random }) => {
                    let answer = Answer::Spi(self.tunnels.reserve(random));
                    self.ike.handle(now, ike::Input::Answer(id, answer));
                }
                ike::Output::Ask(_, Ask::ReleaseSpi(spi)) => self.tunnels.release(spi),
                ike::Output::ChildReady(child) => {
                    let child = self.inside(child);
                    self.tunnels.ready(&child);
                    self.apply(plan::protect(&self.tunnels, child.id));
                }
                ike::Output::ChildUp(child) => self.child_up(now, None, child),
                ike::Output::ChildReplaced { old, new } => self.child_up(now, Some(old), new),
                ike::Output::ChildMoved(id, endpoints) => {
                    self.tunnels.moved(id, endpoints);
                    self.apply(plan::protect(&self.tunnels, id));
                    self.reverse_up(now, id);
                }
                ike::Output::ChildDown(id, reason) => self.child_down(now, id, reason),
                ike::Output::Notice(notice) => self.ike_notice(now, notice),
            }
        }
    }

    fn resolve(&mut self, now: Instant, id: AskId, front: VrfId, name: &str) {
        match config_to_names::look_up(&self.config.names, self.ids.vrf_name(front), name) {
            Known::Addresses(known) => self.ike.handle(now, ike::Input::Answer(id, Answer::Resolved(known))),
            Known::Ask(name) => self.outputs.push_back(Output::Ask(id, Ask::Resolve { front, name })),
        }
    }

    /// Under a tunnel interface the inside VRF is the interface's.
    fn inside(&self, mut child: Box<ike::Child>) -> Box<ike::Child> {
        if self.tables.tunnels.contains(&child.policy)
            && let Some(policy) = self.tables.policies.get(&child.policy)
        {
            child.inside = policy.inside;
        }
        child
    }

    /// The dataplane is asked for these two SAs alone: what one tunnel costs does not depend on the others.
    fn read_traffic(&mut self, now: Instant, id: AskId, child: ike::ChildId) {
        match self.tunnels.pair(child) {
            Some(pair) => self.outputs.push_back(Output::Read(id.0, vec![pair.inbound.id, pair.outbound.id])),
            None => self.ike.handle(now, ike::Input::Answer(id, Answer::Traffic(None))),
        }
    }

    pub(super) fn child_up(&mut self, now: Instant, old: Option<ike::ChildId>, child: Box<ike::Child>) {
        let child = &*self.inside(child);
        let Self { tables, tunnels, ids, .. } = self;
        let receives = tunnels.pair(child.id).is_some();
        let mut leaf = || ids.nameless_policy();
        let is_dynamic = tables.dynamic.contains(&child.policy);
        tunnels.up(child, is_dynamic.then_some(&mut leaf));
        // Only now: the policy that sends through both is never without either.
        let before = old.and_then(|old| Some((old, tunnels.pair(old)?.carrier)));
        if let Some((old, _)) = before {
            tunnels.silence(old);
        }
        let before = before.map(|(_, carrier)| carrier);
        self.apply(plan::raise(&self.tables, &self.tunnels, (child.id, receives), before));
        self.reverse_up(now, child.id);
        self.notice(now, ike_to_notice::child_up(child, old.is_some(), &self.ids));
    }

    /// The routes to what is behind the peer come with the SAs that protect it.
    fn reverse_up(&mut self, now: Instant, child: ike::ChildId) {
        let Self { tables, tunnels, routing, reverse, .. } = self;
        if let Some(pair) = tunnels.pair(child).filter(|pair| pair.up) {
            reverse.up(child, pair, &tables.reverse, routing);
        }
        self.reroute(now);
    }

    pub(super) fn child_down(&mut self, now: Instant, id: ike::ChildId, reason: ike::DownReason) {
        let Some((pair, sent)) = self.tunnels.down(id) else { return };
        self.past.going(&pair);
        self.reverse.down(id, &mut self.routing);
        // A route into a tunnel goes before what it leads into.
        self.reroute(now);
        let ops = plan::lower(&self.tables, &self.tunnels, &pair, sent);
        self.apply(ops);
        if pair.up {
            self.notice(now, ike_to_notice::child_down(&pair, reason, &self.ids));
        }
    }

    fn ike_notice(&mut self, now: Instant, notice: ike::Notice) {
        let times = match &notice {
            ike::Notice::Ignored { what, .. } => {
                self.refusals.entry(what).and_modify(|n| *n += 1).or_insert(1)
            }
            ike::Notice::SessionUp { .. }
            | ike::Notice::SessionDown { .. }
            | ike::Notice::Failed { .. }
            | ike::Notice::Debug { .. } => &1,
        };
        // A flood of refused packets must not wash everything else out of the log.
        if times.is_power_of_two() {
            let notice = ike_to_notice::named(notice, *times, &self.ids);
            self.notice(now, notice);
        }
    }
}

/// The inbound SA, then the outbound one, which may not be installed yet.
fn traffic(counted: &[Option<SaCounters>]) -> Option<ike::Traffic> {
    let [Some(inbound), outbound] = counted else { return None };
    Some(ike::Traffic { received: inbound.packets, sent: outbound.map_or(0, |outbound| outbound.packets) })
}
