//! Deny lines: the flows that they send on to the later entries, and the lines of an entry for such flows.

use std::collections::BTreeMap;

use ipsec::{Policy, Ports, Selector};

use super::region::{blocks, meet};
use super::{Action, Lines, MOST_CONTEXTS, Order, Place, Step, Turn};

/// The flows that the deny lines of `path` have sent on to the later entries; all flows if there is none.
#[derive(Clone)]
pub(super) struct Context {
    path: Place,
    flows: Option<Selector>,
    /// Every flow of it is dealt with by this line at the latest.
    ends: Option<(Order, usize)>,
}

impl Context {
    pub(super) const fn all() -> Self {
        Self { path: Vec::new(), flows: None, ends: None }
    }

    pub(super) fn reaches(&self, order: Order) -> bool {
        self.path.last().is_none_or(|step| step.entry < order)
            && self.ends.is_none_or(|(end, _)| end >= order)
    }

    pub(super) fn compile(&self, policy: &Policy, tickets: &[u32], is_own: bool, lines: &mut Lines) {
        let entry = (policy.sequence, policy.id);
        for (rule, (line, ticket)) in policy.rules.iter().zip(tickets).enumerate() {
            if self.ends.is_some_and(|end| end < (entry, rule)) {
                break;
            }
            let Some(flows) = self.cut(&line.selector) else { continue };
            let mut put =
                |turn, flows, action| self.put(lines, Step { entry, rule, turn, block: 0 }, flows, action);
            if !line.permit {
                put(Turn::Close, flows, if is_own { Action::Pass } else { Action::Block });
                continue;
            }
            for (at, bundle) in policy.bundles.iter().enumerate() {
                if let Some(flows) = meet(&flows, &bundle.selector) {
                    put(Turn::Bundle(at), flows, Action::Seal(bundle.outbound));
                }
            }
            put(Turn::Acquire, flows, Action::Acquire { ticket: *ticket });
            if let Some(flows) = unseen(&flows).filter(|_| is_own) {
                put(Turn::Unseen, flows, Action::Block);
            }
        }
    }

    fn put(&self, lines: &mut Lines, step: Step, flows: Selector, action: Action) {
        for (block, selector) in blocks(&flows).enumerate() {
            let mut place = self.path.clone();
            place.push(Step { block, ..step });
            lines.insert(place, (selector, action));
        }
    }

    fn cut(&self, selector: &Selector) -> Option<Selector> {
        self.flows.map_or(Some(*selector), |flows| meet(&flows, selector))
    }

    fn covers_no_more_than(&self, selector: &Selector) -> bool {
        self.flows.is_some_and(|flows| selector.covers(&flows))
    }
}

/// The packets of `flows` whose ports matter and cannot be seen.
fn unseen(flows: &Selector) -> Option<Selector> {
    let zero = Ports::one(0);
    let is_whole = flows.local_ports.contains(0) && flows.remote_ports.contains(0);
    (!is_whole).then_some(Selector { local_ports: zero, remote_ports: zero, ..*flows })
}

pub(super) fn denies(policy: &Policy) -> bool {
    policy.rules.iter().any(|rule| !rule.permit)
}

/// Every context that the deny lines make; the first is that of all flows.
pub(super) fn contexts(entries: &BTreeMap<Order, Policy>) -> Vec<Context> {
    let mut contexts = vec![Context::all()];
    for (order, policy) in entries.iter().filter(|(_, policy)| denies(policy)) {
        let mut fresh = Vec::new();
        for context in &mut contexts {
            if context.ends.is_none() {
                fresh.extend(send_on(context, *order, policy));
            }
        }
        contexts.extend(fresh);
        if contexts.len() > MOST_CONTEXTS {
            break;
        }
    }
    contexts
}

/// The contexts that the deny lines of one entry make of the flows of `context`.
fn send_on(context: &mut Context, entry: Order, policy: &Policy) -> Vec<Context> {
    let mut fresh = Vec::new();
    for (rule, line) in policy.rules.iter().enumerate() {
        let Some(flows) = context.cut(&line.selector) else { continue };
        let is_met = policy.rules.iter().take(rule).any(|earlier| earlier.selector.covers(&flows));
        if !line.permit && !is_met {
            let mut path = context.path.clone();
            path.push(Step { entry, rule, turn: Turn::Later, block: 0 });
            fresh.push(Context { path, flows: Some(flows), ends: None });
        }
        if context.covers_no_more_than(&line.selector) {
            context.ends = Some((entry, rule));
            break;
        }
    }
    fresh
}
