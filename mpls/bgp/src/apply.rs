//! Whether a route passes a policy, and what it looks like then: prefix lists, community lists, route maps.

use base::Prefix;
use vrf::Source;

use crate::attributes::Attributes;
use crate::policy::{
    Community, CommunityList, Entry, Extended, ExtendedList, Match, Policies, PrefixList, PrefixRule, Set,
};

/// A route on its way through route maps.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) prefix: Prefix,
    pub(crate) source: Source,
    pub(crate) tag: u32,
    pub(crate) weight: u16,
    pub(crate) attributes: Attributes,
}

impl Policies {
    /// A prefix list; one that does not exist denies everything.
    pub(crate) fn permits(&self, list: &str, prefix: Prefix) -> bool {
        self.prefix_lists.get(list).is_some_and(|list| list.permits(prefix))
    }

    /// A route map; `None`: denied. One that does not exist denies everything.
    pub(crate) fn run(&self, map: &str, mut subject: Subject) -> Option<Subject> {
        let entries = &self.route_maps.get(map)?.0;
        let (mut at, mut passed) = (0, false);
        while let Some((number, entry)) = entries.range(at..).find(|(_, entry)| self.matches(entry, &subject))
        {
            if !entry.permit {
                return None;
            }
            passed = true;
            entry.sets.iter().for_each(|set| set.apply(&mut subject));
            match entry.next {
                Some(next) if next > *number => at = next,
                Some(_) | None => break,
            }
        }
        passed.then_some(subject)
    }

    fn matches(&self, entry: &Entry, subject: &Subject) -> bool {
        entry.matches.iter().all(|rule| self.holds(rule, subject))
    }

    fn holds(&self, rule: &Match, subject: &Subject) -> bool {
        let route = &subject.attributes;
        match rule {
            Match::Prefix(lists) => lists.iter().any(|list| self.permits(list, subject.prefix)),
            Match::NextHop(lists) => {
                let host = Prefix::host(route.next_hop);
                lists.iter().any(|list| self.permits(list, host))
            }
            Match::Community { lists, exact } => {
                let mut lists = lists.iter().filter_map(|list| self.community_lists.get(list));
                lists.any(|list| list.permits(route, *exact))
            }
            Match::Extended(lists) => {
                let mut lists = lists.iter().filter_map(|list| self.extended_lists.get(list));
                lists.any(|list| list.permits(route))
            }
            Match::Tag(tags) => tags.contains(&subject.tag),
            Match::Metric(metric) => route.med.unwrap_or(0) == *metric,
            Match::LocalPreference(preference) => route.local_preference == Some(*preference),
            Match::Source(sources) => sources.contains(&subject.source),
        }
    }
}

impl PrefixList {
    pub(crate) fn permits(&self, prefix: Prefix) -> bool {
        self.0.values().find(|rule| rule.matches(prefix)).is_some_and(|rule| rule.permit)
    }
}

impl PrefixRule {
    fn matches(&self, prefix: Prefix) -> bool {
        let (least, most) = self.lengths;
        self.prefix.covers(prefix) && (least..=most).contains(&prefix.length())
    }
}

impl CommunityList {
    fn permits(&self, route: &Attributes, exact: bool) -> bool {
        let count = route.communities.len() + route.large.len();
        let line = self.0.iter().find(|(_, line)| {
            line.iter().all(|community| community.is_in(route)) && (!exact || line.len() == count)
        });
        line.is_some_and(|(permit, _)| *permit)
    }
}

impl Community {
    fn is_in(self, route: &Attributes) -> bool {
        match self {
            Self::Standard(value) => route.communities.binary_search(&value).is_ok(),
            Self::Large(value) => route.large.binary_search(&value).is_ok(),
        }
    }

    fn add(self, route: &mut Attributes) {
        match self {
            Self::Standard(value) => insert(&mut route.communities, value),
            Self::Large(value) => insert(&mut route.large, value),
        }
    }
}

impl ExtendedList {
    fn permits(&self, route: &Attributes) -> bool {
        let line = self.0.iter().find(|(_, line)| line.iter().all(|community| community.is_in(route)));
        line.is_some_and(|(permit, _)| *permit)
    }
}

impl Extended {
    fn is_in(self, route: &Attributes) -> bool {
        match self {
            Self::Target(target) => route.targets().any(|other| other == target),
            Self::Site(site) => route.sites().any(|other| other == site),
        }
    }
}

impl Set {
    fn apply(&self, subject: &mut Subject) {
        let route = &mut subject.attributes;
        match self {
            Self::LocalPreference(preference) => route.local_preference = Some(*preference),
            Self::Metric(metric) => route.med = Some(*metric),
            Self::Weight(weight) => subject.weight = *weight,
            Self::NextHop(address) => route.next_hop = *address,
            Self::Community { communities, additive } => {
                if !additive {
                    route.communities.clear();
                    route.large.clear();
                }
                communities.iter().flatten().for_each(|community| community.add(route));
            }
            Self::Target { targets, additive } => {
                if !additive {
                    route.clear_targets();
                }
                targets.iter().for_each(|target| route.add_target(*target));
            }
            Self::Site(site) => {
                route.clear_sites();
                route.add_site(*site);
            }
            Self::Tag(tag) => subject.tag = *tag,
            Self::Prepend(path) => route.prepend(path),
            Self::Origin(origin) => route.origin = *origin,
        }
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

#[cfg(test)]
mod tests;
