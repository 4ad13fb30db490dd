//! The entries of one crypto map for one inside VRF, or of one tunnel interface, as the kernel can hold them: one
//! first-match list of distinct selectors (RFC 4301 section 4.4.1).
//!
//! A deny line sends its flows on to the later entries, past the rest of its own. The kernel knows no such step, so
//! the later entries stand a second time at the place of the deny line, cut to its flows: in a [context](Context).

mod context;
mod region;

use std::collections::{BTreeMap, BTreeSet};

use base::{Family, PolicyId, Prefix, SaId};
use ipsec::{Policy, Selector};

use context::{Context, contexts, denies};

/// What happens to an outbound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Seal(SaId),
    /// IKE is asked; `ticket` stands for the entry's line in the kernel's question.
    Acquire {
        ticket: u32,
    },
    /// A deny line, and no later entry speaks of the packet, which is of the port's own VRF.
    Pass,
    /// The same, but it is of another VRF; or its ports cannot be seen, and matter.
    Block,
}

/// One line of the list in the kernel; the lowest priority that matches decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) priority: u32,
    pub(crate) action: Action,
}

/// What the kernel should hold for a selector now; `None`: nothing.
pub(crate) type Change = (Selector, Option<Line>);

/// Behind every line.
const LAST: u32 = u32::MAX;
/// Of what no entry speaks.
const BEHIND: Line = Line { priority: LAST, action: Action::Block };

/// Deny lines that overlap in more ways than this are refused: their number doubles with each.
const MOST_CONTEXTS: usize = 4096;
/// Room between neighbours for lines that come between them.
const STRIDE: u32 = 16;
/// Tickets stand beside the numbers of SAs in the kernel's `reqid`: they begin beyond them.
const FIRST_TICKET: u32 = 0x4000_0000;

#[derive(Default)]
pub(crate) struct Spd {
    /// The packets are of the port's own VRF: those of which no entry speaks leave in clear.
    is_own: bool,
    entries: BTreeMap<Order, Policy>,
    orders: BTreeMap<PolicyId, Order>,
    contexts: Vec<Context>,
    places: BTreeMap<Place, Placed>,
    of_entry: BTreeMap<Order, Vec<Place>>,
    /// The kernel knows a policy by its selector: of equal ones it holds the first.
    rivals: BTreeMap<Selector, BTreeSet<Place>>,
    /// The lines that seal with each SA.
    sealing: BTreeMap<SaId, BTreeSet<Place>>,
    tickets: BTreeMap<(PolicyId, usize), u32>,
    asked: BTreeMap<u32, (PolicyId, usize)>,
    last_ticket: u32,
}

/// As entries are tried.
type Order = (u32, PolicyId);

/// Where a line stands: the deny lines that lead to it, then its own step.
type Place = Vec<Step>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    entry: Order,
    rule: usize,
    turn: Turn,
    /// Which block of a region that is no single selector of the kernel's.
    block: usize,
}

/// What comes first at one line of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Bundle(usize),
    Acquire,
    /// The kernel looks at packets whose ports it cannot see as if they were zero: fragments, and what was popped from
    /// a label.
    Unseen,
    /// The later entries, for the flows of a deny line.
    Later,
    Close,
}

type Lines = BTreeMap<Place, (Selector, Action)>;

struct Placed {
    selector: Selector,
    line: Line,
}

impl Spd {
    /// Of packets that are of the port's own VRF.
    pub(crate) fn own() -> Self {
        Self { is_own: true, ..Self::default() }
    }

    /// Puts an entry in, or changes it. The cost is that of its own lines, unless deny lines come, change or go.
    pub(crate) fn set(&mut self, policy: &Policy) -> Vec<Change> {
        let was_empty = self.is_empty();
        let order = (policy.sequence, policy.id);
        let mut changed = BTreeSet::new();
        let before = match self.orders.get(&policy.id) {
            Some(old) if *old != order => {
                changed = self.take(policy.id);
                None
            }
            Some(_) | None => self.entries.remove(&order),
        };
        let is_same = before.as_ref().is_some_and(|before| before.rules == policy.rules);
        let denies = [before.as_ref(), Some(policy)].into_iter().flatten().any(denies);
        self.orders.insert(policy.id, order);
        self.entries.insert(order, policy.clone());
        self.forget_tickets(policy.id, policy.rules.len());
        changed.extend(if denies && !is_same { self.place_all() } else { self.place(order) });
        self.told(changed, was_empty)
    }

    pub(crate) fn unset(&mut self, id: PolicyId) -> Vec<Change> {
        let was_empty = self.is_empty();
        let changed = self.take(id);
        self.told(changed, was_empty)
    }

    /// Whether no entry is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether deny lines overlap in too many ways: some of what they send on to later entries is blocked.
    pub(crate) fn is_too_large(&self) -> bool {
        self.contexts.len() > MOST_CONTEXTS
    }

    /// What the kernel should hold for this selector.
    pub(crate) fn line(&self, selector: &Selector) -> Option<Line> {
        let place = self.rivals.get(selector).and_then(BTreeSet::first);
        match place {
            Some(place) => self.places.get(place).map(|placed| placed.line),
            None => (!self.is_own && !self.is_empty() && everything().contains(selector)).then_some(BEHIND),
        }
    }

    /// Everything that the kernel should hold.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Selector, Line)> {
        let named = self.rivals.keys().copied();
        let rest = everything().into_iter().filter(|selector| !self.rivals.contains_key(selector));
        named.chain(rest).filter_map(|selector| Some((selector, self.line(&selector)?)))
    }

    /// The selectors whose line seals with this SA.
    pub(crate) fn sealed_with(&self, sa: SaId) -> impl Iterator<Item = Selector> {
        let places = self.sealing.get(&sa).into_iter().flatten();
        places.filter_map(|place| self.places.get(place)).map(|placed| placed.selector)
    }

    /// The entry and the index of its line that the kernel asks for by this ticket.
    pub(crate) fn asked(&self, ticket: u32) -> Option<(PolicyId, usize)> {
        self.asked.get(&ticket).copied()
    }

    /// The line in force for each selector that something changed about.
    fn told(&self, mut changed: BTreeSet<Selector>, was_empty: bool) -> Vec<Change> {
        if was_empty != self.is_empty() {
            changed.extend(everything());
        }
        changed.into_iter().map(|selector| (selector, self.line(&selector))).collect()
    }

    fn take(&mut self, id: PolicyId) -> BTreeSet<Selector> {
        let Some(order) = self.orders.remove(&id) else { return BTreeSet::new() };
        let entry = self.entries.remove(&order);
        self.forget_tickets(id, 0);
        let mut changed = self.place(order);
        if entry.as_ref().is_some_and(denies) {
            changed.extend(self.place_all());
        }
        changed
    }

    fn place_all(&mut self) -> BTreeSet<Selector> {
        self.contexts = contexts(&self.entries);
        let orders: Vec<Order> = self.entries.keys().copied().collect();
        orders.into_iter().flat_map(|order| self.place(order)).collect()
    }

    /// Brings the lines of one entry up to date; the selectors that something changed about.
    fn place(&mut self, order: Order) -> BTreeSet<Selector> {
        let wanted = self.compile(order);
        let mut changed = BTreeSet::new();
        for place in self.of_entry.remove(&order).unwrap_or_default() {
            if !wanted.contains_key(&place) {
                changed.extend(self.remove(&place));
            }
        }
        if !wanted.is_empty() {
            self.of_entry.insert(order, wanted.keys().cloned().collect());
        }
        for (place, (selector, action)) in wanted {
            self.insert(place, selector, action, &mut changed);
        }
        changed
    }

    fn insert(&mut self, place: Place, selector: Selector, action: Action, changed: &mut BTreeSet<Selector>) {
        let old = self.places.get(&place);
        if old.is_some_and(|old| old.selector == selector && old.line.action == action) {
            return;
        }
        let priority = match old.map(|old| old.line.priority) {
            Some(priority) => priority,
            None => self.priority(&place, changed),
        };
        changed.extend(self.remove(&place));
        changed.insert(selector);
        self.rivals.entry(selector).or_default().insert(place.clone());
        if let Action::Seal(sa) = action {
            self.sealing.entry(sa).or_default().insert(place.clone());
        }
        self.places.insert(place, Placed { selector, line: Line { priority, action } });
    }

    fn remove(&mut self, place: &Place) -> Option<Selector> {
        let Placed { selector, line } = self.places.remove(place)?;
        strike(&mut self.rivals, selector, place);
        if let Action::Seal(sa) = line.action {
            strike(&mut self.sealing, sa, place);
        }
        Some(selector)
    }

    /// A priority between those of the neighbours, near the entry's number in the map if that is free.
    fn priority(&mut self, place: &Place, changed: &mut BTreeSet<Selector>) -> u32 {
        loop {
            let below = self.places.range(..place.clone()).next_back();
            let floor = below.map_or(0, |(_, placed)| placed.line.priority);
            let above = self.places.range(place.clone()..).next();
            let ceiling = above.map_or(LAST, |(_, placed)| placed.line.priority);
            let first = place.first().map_or(0, |step| step.entry.0.saturating_mul(1 << 15));
            let gap = ceiling.saturating_sub(floor);
            if first > floor && first < ceiling {
                return first;
            }
            if gap >= 2 {
                return floor + STRIDE.min(gap / 2);
            }
            self.spread(changed);
        }
    }

    /// No room is left somewhere: every line gets a new priority.
    fn spread(&mut self, changed: &mut BTreeSet<Selector>) {
        let lines = u32::try_from(self.places.len()).unwrap_or(u32::MAX - 2);
        let step = LAST / (lines + 2);
        let mut next = 0;
        for placed in self.places.values_mut() {
            next += step;
            placed.line.priority = next;
            changed.insert(placed.selector);
        }
    }

    /// The lines of one entry, in every context that reaches it.
    fn compile(&mut self, order: Order) -> Lines {
        let mut lines = Lines::new();
        let Some(policy) = self.entries.get(&order).cloned() else { return lines };
        let tickets: Vec<u32> = (0..policy.rules.len()).map(|rule| self.ticket(policy.id, rule)).collect();
        let all = [Context::all()];
        for context in if self.contexts.is_empty() { &all } else { self.contexts.as_slice() } {
            if context.reaches(order) {
                context.compile(&policy, &tickets, self.is_own, &mut lines);
            }
        }
        lines
    }

    fn ticket(&mut self, id: PolicyId, rule: usize) -> u32 {
        if let Some(ticket) = self.tickets.get(&(id, rule)) {
            return *ticket;
        }
        self.last_ticket = self.last_ticket.wrapping_add(1) % FIRST_TICKET;
        let ticket = FIRST_TICKET + self.last_ticket;
        self.tickets.insert((id, rule), ticket);
        self.asked.insert(ticket, (id, rule));
        ticket
    }

    /// Those of the lines of an entry from `rule` on.
    fn forget_tickets(&mut self, id: PolicyId, rule: usize) {
        let gone: Vec<_> = self.tickets.range((id, rule)..=(id, usize::MAX)).map(|(line, _)| *line).collect();
        for line in gone {
            if let Some(ticket) = self.tickets.remove(&line) {
                self.asked.remove(&ticket);
            }
        }
    }
}

fn everything() -> [Selector; 2] {
    Family::BOTH.map(Prefix::any).map(|any| Selector::between(any, any))
}

fn strike<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Place>>, key: K, place: &Place) {
    if let Some(places) = index.get_mut(&key) {
        places.remove(place);
        if places.is_empty() {
            index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
