//! Which path is best, and why: RFC 4271 section 9.1.2.2 in the order of IOS, behind
//! a rule of ours for what is leaked.

use core::cmp::Ordering;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use vrf::Rd;

use crate::attributes::Origin;

/// What of a path takes part in the decision. Paths that cannot be used do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// From another table: it serves where its own table has nothing else.
    pub leaked: bool,
    pub weight: u16,
    pub local_preference: u32,
    /// A route of ours.
    pub own: bool,
    pub length: usize,
    pub origin: Origin,
    pub med: u32,
    /// Whose MED it is.
    pub neighbor: Option<u32>,
    pub external: bool,
    /// To the next hop.
    pub metric: u32,
    /// The originator's id, or else the peer's.
    pub router: Ipv4Addr,
    pub clusters: usize,
    pub peer: Option<IpAddr>,
    /// One neighbour may tell a route with a label and without (RFC 8277): only the first is a path for what is labelled.
    pub labelled: bool,
    /// RFC 7911.
    pub path: u32,
    /// Of paths from one neighbour under several, the lowest wins.
    pub rd: Option<Rd>,
}

/// The rule that told the best path from the next best one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    OnlyPath,
    Leaked,
    Weight,
    LocalPreference,
    LocallyOriginated,
    AsPath,
    Origin,
    Med,
    External,
    IgpMetric,
    RouterId,
    ClusterList,
    PeerAddress,
    Label,
    PathId,
    Distinguisher,
}

/// The index of the best path and the rule that decided against the second best. The result does not depend on the
/// order of the paths: those of each neighbouring AS are compared first. `None`: there is no path.
pub fn decide(paths: &[Contender], always_compare_med: bool) -> Option<(usize, Rule)> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    let mut winners: Vec<(usize, Option<usize>)> = Vec::new();
    let key = |at: &usize| paths.get(*at).and_then(|path| path.neighbor);
    if !always_compare_med {
        order.sort_by_key(key);
    }
    for group in order.chunk_by(|a, b| always_compare_med || key(a) == key(b)) {
        winners.extend(best_two(paths, group, true));
    }
    let firsts: Vec<usize> = winners.iter().map(|(first, _)| *first).collect();
    let (best, second) = best_two(paths, &firsts, always_compare_med)?;
    let inner = winners.iter().find(|(first, _)| *first == best).and_then(|(_, second)| *second);
    let against = |other: Option<usize>, med| Some(paths.get(best)?.compare(paths.get(other?)?, med).1);
    let rules = [against(second, always_compare_med), against(inner, true)];
    Some((best, rules.into_iter().flatten().max().unwrap_or(Rule::OnlyPath)))
}

fn best_two(paths: &[Contender], group: &[usize], med: bool) -> Option<(usize, Option<usize>)> {
    let order = |a: &&usize, b: &&usize| match (paths.get(**a), paths.get(**b)) {
        (Some(a), Some(b)) => a.compare(b, med).0,
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let best = *group.iter().min_by(order)?;
    let second = group.iter().filter(|at| **at != best).min_by(order).copied();
    Some((best, second))
}

impl Contender {
    /// `Less`: `self` is better; and which rule says so.
    fn compare(&self, other: &Self, med: bool) -> (Ordering, Rule) {
        let rules = [
            (self.leaked.cmp(&other.leaked), Rule::Leaked),
            (other.weight.cmp(&self.weight), Rule::Weight),
            (other.local_preference.cmp(&self.local_preference), Rule::LocalPreference),
            (other.own.cmp(&self.own), Rule::LocallyOriginated),
            (self.length.cmp(&other.length), Rule::AsPath),
            (self.origin.cmp(&other.origin), Rule::Origin),
            (if med { self.med.cmp(&other.med) } else { Ordering::Equal }, Rule::Med),
            (other.external.cmp(&self.external), Rule::External),
            (self.metric.cmp(&other.metric), Rule::IgpMetric),
            (self.router.cmp(&other.router), Rule::RouterId),
            (self.clusters.cmp(&other.clusters), Rule::ClusterList),
            (self.peer.cmp(&other.peer), Rule::PeerAddress),
            (other.labelled.cmp(&self.labelled), Rule::Label),
            (self.path.cmp(&other.path), Rule::PathId),
        ];
        let decided = rules.into_iter().find(|(order, _)| order.is_ne());
        decided.unwrap_or_else(|| (self.rd.cmp(&other.rd), Rule::Distinguisher))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyPath => "only path",
            Self::Leaked => "not leaked",
            Self::Weight => "weight",
            Self::LocalPreference => "local preference",
            Self::LocallyOriginated => "locally originated",
            Self::AsPath => "AS path length",
            Self::Origin => "origin",
            Self::Med => "MED",
            Self::External => "external over internal",
            Self::IgpMetric => "metric to the next hop",
            Self::RouterId => "router id",
            Self::ClusterList => "cluster list length",
            Self::PeerAddress => "neighbor address",
            Self::Label => "labelled over unlabelled",
            Self::PathId => "path id",
            Self::Distinguisher => "route distinguisher",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Better = fn(&mut Contender);

    fn path() -> Contender {
        Contender {
            leaked: true,
            weight: 10,
            local_preference: 100,
            own: false,
            length: 2,
            origin: Origin::Egp,
            med: 50,
            neighbor: Some(65001),
            external: false,
            metric: 10,
            router: Ipv4Addr::new(10, 0, 0, 5),
            clusters: 2,
            peer: Some(IpAddr::from([10, 0, 0, 5])),
            labelled: false,
            path: 5,
            rd: Some(Rd::As2(65000, 5)),
        }
    }

    /// What makes a path better by each rule alone; every later rule speaks for the other path.
    #[test]
    fn each_rule_decides_once_and_overrules_all_behind_it() {
        let better: [(Rule, Better); 15] = [
            (Rule::Distinguisher, |p| p.rd = Some(Rd::As2(65000, 1))),
            (Rule::PathId, |p| p.path = 1),
            (Rule::Label, |p| p.labelled = true),
            (Rule::PeerAddress, |p| p.peer = Some(IpAddr::from([10, 0, 0, 1]))),
            (Rule::ClusterList, |p| p.clusters = 1),
            (Rule::RouterId, |p| p.router = Ipv4Addr::new(10, 0, 0, 1)),
            (Rule::IgpMetric, |p| p.metric = 1),
            (Rule::External, |p| p.external = true),
            (Rule::Med, |p| p.med = 1),
            (Rule::Origin, |p| p.origin = Origin::Igp),
            (Rule::AsPath, |p| p.length = 1),
            (Rule::LocallyOriginated, |p| p.own = true),
            (Rule::LocalPreference, |p| p.local_preference = 200),
            (Rule::Weight, |p| p.weight = 32768),
            (Rule::Leaked, |p| p.leaked = false),
        ];
        let mut rival = path();
        for (rule, make) in better {
            let mut winner = path();
            make(&mut winner);
            assert_eq!(decide(&[rival.clone(), winner.clone()], false), Some((1, rule)), "{rule}");
            assert_eq!(decide(&[winner, rival.clone()], false), Some((0, rule)), "{rule}");
            make(&mut rival);
        }
    }

    #[test]
    fn med_counts_between_paths_of_one_neighbouring_as_unless_always_compared() {
        let low = Contender { med: 1, neighbor: Some(65002), router: Ipv4Addr::new(10, 0, 0, 9), ..path() };
        assert_eq!(decide(&[path(), low.clone()], false), Some((0, Rule::RouterId)));
        assert_eq!(decide(&[path(), low], true), Some((1, Rule::Med)));
        assert_eq!(decide(&[], true), None);
        assert_eq!(decide(&[path()], false), Some((0, Rule::OnlyPath)));
    }

    fn any_path() -> impl Strategy<Value = Contender> {
        (0..2usize, 0..3u32, 0..3u32, 0..3u8, any::<bool>()).prop_map(
            |(length, med, asn, router, external)| {
                let router = Ipv4Addr::new(10, 0, 0, router);
                Contender { length, med, neighbor: Some(asn), router, external, ..path() }
            },
        )
    }

    proptest! {
        #[test]
        fn the_best_path_does_not_depend_on_the_order(mut paths in prop::collection::vec(any_path(), 1..7), always: bool) {
            paths.iter_mut().zip(0..).for_each(|(path, number)| path.path = number);
            let (best, rule) = decide(&paths, always).unwrap();
            let best = paths[best].clone();
            paths.reverse();
            let (again, same) = decide(&paths, always).unwrap();
            prop_assert_eq!((&paths[again], same), (&best, rule));
        }
    }
}
