//! `set` under a route map: what becomes of a route that matched.

use std::net::IpAddr;

use bgp::attributes::Origin;
use bgp::policy::Set;
use vrf::{Rd, RouteTarget};

use super::super::super::value::{CommunityText, joined};
use super::super::{Setter, lists};
use super::{Args, Command, Done, Entry, RouteMap, Scope, View, one};

/// A `set` line of one number.
macro_rules! number {
    ($pattern:expr, $variant:ident, $rank:expr) => {
        Command::set(
            RouteMap,
            $pattern,
            |s, a| {
                put(s.route_map(), Set::$variant(a.get("N")?));
                Ok(())
            },
            |s, _| drop_set(s, $rank),
            |v| {
                printed(v, |it| if let Set::$variant(n) = it { Some(Args::new().with("N", n)) } else { None })
            },
        )
    };
}

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        number!("set local-preference <N:0-4294967295>", LocalPreference, 0),
        number!("set metric <N:0-4294967295>", Metric, 1),
        number!("set weight <N:0-65535>", Weight, 2),
        number!("set tag <N:0-4294967295>", Tag, 8),
    ];
    commands.extend(next_hops());
    commands.extend(communities());
    commands.extend(paths());
    commands
}

fn next_hops() -> [Command; 2] {
    let set: Setter = |s, a| {
        put(s.route_map(), Set::NextHop(a.get("A")?));
        Ok(())
    };
    [
        Command::set(
            RouteMap,
            "set ip next-hop <A:ipv4>",
            set,
            |s, _| drop_set(s, 3),
            |v| {
                printed(v, |it| {
                    if let Set::NextHop(address @ IpAddr::V4(_)) = it {
                        Some(Args::new().with("A", address))
                    } else {
                        None
                    }
                })
            },
        ),
        Command::set(
            RouteMap,
            "set ipv6 next-hop <A:ipv6>",
            set,
            |s, _| drop_set(s, 4),
            |v| {
                printed(v, |it| {
                    if let Set::NextHop(address @ IpAddr::V6(_)) = it {
                        Some(Args::new().with("A", address))
                    } else {
                        None
                    }
                })
            },
        ),
    ]
}

fn communities() -> [Command; 3] {
    [
        Command::set(
            RouteMap,
            "set community {<C:communities> [additive] | none}",
            |s, a| {
                let communities = a.has("C").then(|| lists::communities(a));
                put(s.route_map(), Set::Community { communities, additive: a.has("additive") });
                Ok(())
            },
            |s, _| drop_set(s, 5),
            |v| {
                printed(v, |it| {
                    let Set::Community { communities, additive } = it else { return None };
                    Some(match communities {
                        None => Args::new().flag("none"),
                        Some(all) => {
                            let args =
                                Args::new().with("C", joined(all.iter().map(|one| CommunityText(*one))));
                            args.flag_if(*additive, "additive")
                        }
                    })
                })
            },
        ),
        Command::set(
            RouteMap,
            "set extcommunity rt <RT:targets> [additive]",
            |s, a| {
                let text: String = a.get("RT")?;
                let targets: Vec<RouteTarget> = text.split(' ').filter_map(|rt| rt.parse().ok()).collect();
                put(s.route_map(), Set::Target { targets, additive: a.has("additive") });
                Ok(())
            },
            |s, _| drop_set(s, 6),
            |v| {
                printed(v, |it| {
                    if let Set::Target { targets, additive } = it {
                        Some(Args::new().with("RT", joined(targets)).flag_if(*additive, "additive"))
                    } else {
                        None
                    }
                })
            },
        ),
        Command::set(
            RouteMap,
            "set extcommunity soo <RD:rd>",
            |s, a| {
                put(s.route_map(), Set::Site(a.get::<Rd>("RD")?));
                Ok(())
            },
            |s, _| drop_set(s, 7),
            |v| {
                printed(
                    v,
                    |it| if let Set::Site(site) = it { Some(Args::new().with("RD", site)) } else { None },
                )
            },
        ),
    ]
}

fn paths() -> [Command; 2] {
    [
        Command::set(
            RouteMap,
            "set as-path prepend <AS:asns>",
            |s, a| {
                let text: String = a.get("AS")?;
                let path = text.split(' ').filter_map(|number| number.parse().ok()).collect();
                put(s.route_map(), Set::Prepend(path));
                Ok(())
            },
            |s, _| drop_set(s, 9),
            |v| {
                printed(v, |it| {
                    if let Set::Prepend(path) = it {
                        Some(Args::new().with("AS", joined(path)))
                    } else {
                        None
                    }
                })
            },
        ),
        Command::set(
            RouteMap,
            "set origin {igp | egp | incomplete}",
            |s, a| {
                let named = ORIGINS.into_iter().find(|(word, _)| a.has(word));
                named.into_iter().for_each(|(_, origin)| put(s.route_map(), Set::Origin(origin)));
                Ok(())
            },
            |s, _| drop_set(s, 10),
            |v| {
                printed(v, |it| {
                    if let Set::Origin(origin) = it {
                        let word = ORIGINS.into_iter().find(|(_, known)| known == origin)?.0;
                        Some(Args::new().flag(word))
                    } else {
                        None
                    }
                })
            },
        ),
    ]
}

const ORIGINS: [(&str, Origin); 3] =
    [("igp", Origin::Igp), ("egp", Origin::Egp), ("incomplete", Origin::Incomplete)];

fn printed(v: View<'_>, line: fn(&Set) -> Option<Args>) -> Option<Vec<Args>> {
    one(v.route_map()?.sets.iter().find_map(line))
}

/// One of a kind, in the order of printing.
fn put(entry: &mut Entry, new: Set) {
    let rank = rank(&new);
    let at = entry.sets.partition_point(|known| self::rank(known) < rank);
    match entry.sets.get_mut(at).filter(|known| self::rank(known) == rank) {
        Some(known) => *known = new,
        None => entry.sets.insert(at, new),
    }
}

const fn rank(of: &Set) -> u8 {
    match of {
        Set::LocalPreference(_) => 0,
        Set::Metric(_) => 1,
        Set::Weight(_) => 2,
        Set::NextHop(IpAddr::V4(_)) => 3,
        Set::NextHop(IpAddr::V6(_)) => 4,
        Set::Community { .. } => 5,
        Set::Target { .. } => 6,
        Set::Site(_) => 7,
        Set::Tag(_) => 8,
        Set::Prepend(_) => 9,
        Set::Origin(_) => 10,
    }
}

fn drop_set(s: &mut Scope<'_>, rank: u8) -> Done {
    s.route_map().sets.retain(|known| self::rank(known) != rank);
    Ok(())
}
