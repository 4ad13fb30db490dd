//! `route-map`: entries that choose routes and change them.

use base::Family;
use bgp::policy::{Entry, Match, RouteMap as Map};
use vrf::Source;

use super::super::args::Args;
use super::super::scope::Level::{Global, RouteMap};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::super::value::joined;
use super::lists::family_of;
use super::{Command, insert, many, one};

mod sets;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "route-map <NAME:word> [{permit | deny}] [<SEQ:0-65535>]",
            |s, a| {
                let Map(entries) = s.config.policies.route_maps.entry(a.get("NAME")?).or_default();
                let blank = || Entry { permit: true, matches: Vec::new(), sets: Vec::new(), next: None };
                entries.entry(sequence(a)).or_insert_with(blank).permit = !a.has("deny");
                Ok(())
            },
            remove,
            |v| {
                let maps = v.config.policies.route_maps.iter();
                many(maps.flat_map(|(name, Map(entries))| {
                    entries.iter().map(move |(sequence, entry)| {
                        let verb = if entry.permit { "permit" } else { "deny" };
                        Args::new().with("NAME", name).flag(verb).with("SEQ", sequence)
                    })
                }))
            },
        )
        .opens(|_, a| Ok(Place::numbered(RouteMap, a.get::<String>("NAME")?, sequence(a)))),
        Command::comment(RouteMap, "description <TEXT:line>"),
    ];
    commands.extend(prefixes());
    commands.extend(communities());
    commands.extend(values());
    commands.extend(sets::commands());
    commands.push(next());
    commands.extend(refused());
    commands
}

fn sequence(a: &Args) -> u32 {
    a.opt("SEQ").unwrap_or(10)
}

/// Without a number the whole map goes.
fn remove(s: &mut Scope<'_>, a: &Args) -> Done {
    let name: String = a.get("NAME")?;
    let maps = &mut s.config.policies.route_maps;
    let Some(Map(entries)) = maps.get_mut(&name) else { return Ok(()) };
    match a.opt::<u32>("SEQ") {
        Some(number) => drop(entries.remove(&number)),
        None => entries.clear(),
    }
    if entries.is_empty() {
        maps.remove(&name);
    }
    Ok(())
}

fn prefixes() -> [Command; 4] {
    let row = |pattern, set, unset, get| Command::set(RouteMap, pattern, set, unset, get);
    [
        row(
            "match ip address prefix-list <PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4>]]]]]",
            |s, a| add_lists(s, a, Lists::Prefix),
            |s, a| take_lists(s, a, Lists::Prefix),
            |v| lists_printed(v, Lists::Prefix, Some(Family::V4)),
        ),
        row(
            "match ipv6 address prefix-list <PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6>]]]]]",
            |s, a| add_lists(s, a, Lists::Prefix),
            |s, a| take_lists(s, a, Lists::Prefix),
            |v| lists_printed(v, Lists::Prefix, Some(Family::V6)),
        ),
        row(
            "match ip next-hop prefix-list <PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4> [<PL:prefix-list4>]]]]]",
            |s, a| add_lists(s, a, Lists::NextHop),
            |s, a| take_lists(s, a, Lists::NextHop),
            |v| lists_printed(v, Lists::NextHop, Some(Family::V4)),
        ),
        row(
            "match ipv6 next-hop prefix-list <PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6> [<PL:prefix-list6>]]]]]",
            |s, a| add_lists(s, a, Lists::NextHop),
            |s, a| take_lists(s, a, Lists::NextHop),
            |v| lists_printed(v, Lists::NextHop, Some(Family::V6)),
        ),
    ]
}

fn communities() -> [Command; 2] {
    [
        Command::set(
            RouteMap,
            "match community <PL:community-list> [<PL:community-list> [<PL:community-list> [<PL:community-list> [<PL:community-list> [<PL:community-list>]]]]] [exact-match]",
            |s, a| add_lists(s, a, Lists::Community),
            |s, a| take_lists(s, a, Lists::Community),
            |v| lists_printed(v, Lists::Community, None),
        ),
        Command::set(
            RouteMap,
            "match extcommunity <PL:extcommunity-list> [<PL:extcommunity-list> [<PL:extcommunity-list> [<PL:extcommunity-list> [<PL:extcommunity-list> [<PL:extcommunity-list>]]]]]",
            |s, a| add_lists(s, a, Lists::Extended),
            |s, a| take_lists(s, a, Lists::Extended),
            |v| lists_printed(v, Lists::Extended, None),
        ),
    ]
}

/// The kinds of match that name lists. A second line of a kind adds its names; the names stand in order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Prefix,
    NextHop,
    Community,
    Extended,
}

fn names_of(kind: Lists, found: &Match) -> Option<&Vec<String>> {
    match (kind, found) {
        (Lists::Prefix, Match::Prefix(names))
        | (Lists::NextHop, Match::NextHop(names))
        | (Lists::Community, Match::Community { lists: names, .. })
        | (Lists::Extended, Match::Extended(names)) => Some(names),
        _ => None,
    }
}

fn made(kind: Lists, names: Vec<String>, exact: bool) -> Match {
    match kind {
        Lists::Prefix => Match::Prefix(names),
        Lists::NextHop => Match::NextHop(names),
        Lists::Community => Match::Community { lists: names, exact },
        Lists::Extended => Match::Extended(names),
    }
}

fn is_exact(entry: &Entry) -> bool {
    entry.matches.iter().any(|it| matches!(it, Match::Community { exact: true, .. }))
}

fn listed(entry: &Entry, kind: Lists) -> Vec<String> {
    entry.matches.iter().find_map(|it| names_of(kind, it)).cloned().unwrap_or_default()
}

fn add_lists(s: &mut Scope<'_>, a: &Args, kind: Lists) -> Done {
    let entry = s.route_map();
    let mut names = listed(entry, kind);
    a.all("PL").for_each(|name| insert(&mut names, name.to_owned()));
    names.sort_unstable();
    let exact = a.has("exact-match") || is_exact(entry);
    put(entry, made(kind, names, exact));
    Ok(())
}

/// Without names, all of them.
fn take_lists(s: &mut Scope<'_>, a: &Args, kind: Lists) -> Done {
    let entry = s.route_map();
    let mut names = listed(entry, kind);
    let gone: Vec<_> = a.all("PL").collect();
    names.retain(|name| !gone.is_empty() && !gone.contains(&name.as_str()));
    let exact = is_exact(entry);
    entry.matches.retain(|it| names_of(kind, it).is_none());
    if !names.is_empty() {
        put(entry, made(kind, names, exact));
    }
    Ok(())
}

/// Six names a line. Prefix lists of the two families stand in lines of their own.
fn lists_printed(v: View<'_>, kind: Lists, family: Option<Family>) -> Option<Vec<Args>> {
    let entry = v.route_map()?;
    let mine = |name: &String| family.is_none_or(|family| family_of(v, name) == family);
    let names: Vec<_> = listed(entry, kind).into_iter().filter(mine).collect();
    let exact = kind == Lists::Community && is_exact(entry);
    many(names.chunks(6).map(|names| {
        let args = names.iter().fold(Args::new(), |args, name| args.with("PL", name));
        args.flag_if(exact, "exact-match")
    }))
}

/// One match of a kind, in the order of printing.
fn put(entry: &mut Entry, new: Match) {
    let rank = rank(&new);
    let at = entry.matches.partition_point(|known| self::rank(known) < rank);
    match entry.matches.get_mut(at).filter(|known| self::rank(known) == rank) {
        Some(known) => *known = new,
        None => entry.matches.insert(at, new),
    }
}

const fn rank(of: &Match) -> u8 {
    match of {
        Match::Prefix(_) => 0,
        Match::NextHop(_) => 1,
        Match::Community { .. } => 2,
        Match::Extended(_) => 3,
        Match::Tag(_) => 4,
        Match::Metric(_) => 5,
        Match::LocalPreference(_) => 6,
        Match::Source(_) => 7,
    }
}

fn drop_match(s: &mut Scope<'_>, rank: u8) -> Done {
    s.route_map().matches.retain(|known| self::rank(known) != rank);
    Ok(())
}

fn values() -> [Command; 4] {
    [
        Command::set(
            RouteMap,
            "match tag <TAGS:numbers>",
            add_tags,
            |s, _| drop_match(s, 4),
            |v| {
                one(v.route_map()?.matches.iter().find_map(|it| {
                    if let Match::Tag(tags) = it {
                        Some(Args::new().with("TAGS", joined(tags)))
                    } else {
                        None
                    }
                }))
            },
        ),
        Command::set(
            RouteMap,
            "match metric <N:0-4294967295>",
            |s, a| {
                put(s.route_map(), Match::Metric(a.get("N")?));
                Ok(())
            },
            |s, _| drop_match(s, 5),
            |v| {
                one(v.route_map()?.matches.iter().find_map(|it| {
                    if let Match::Metric(metric) = it { Some(Args::new().with("N", metric)) } else { None }
                }))
            },
        ),
        Command::set(
            RouteMap,
            "match local-preference <N:0-4294967295>",
            |s, a| {
                put(s.route_map(), Match::LocalPreference(a.get("N")?));
                Ok(())
            },
            |s, _| drop_match(s, 6),
            |v| {
                one(v.route_map()?.matches.iter().find_map(|it| {
                    if let Match::LocalPreference(preference) = it {
                        Some(Args::new().with("N", preference))
                    } else {
                        None
                    }
                }))
            },
        ),
        Command::set(
            RouteMap,
            "match source-protocol {connected | static | bgp} [{connected | static | bgp}] [{connected | static | bgp}]",
            add_sources,
            |s, _| drop_match(s, 7),
            sources_printed,
        ),
    ]
}

fn add_tags(s: &mut Scope<'_>, a: &Args) -> Done {
    let text: String = a.get("TAGS")?;
    let entry = s.route_map();
    let known =
        entry.matches.iter().find_map(|it| if let Match::Tag(tags) = it { Some(tags.clone()) } else { None });
    let mut tags = known.unwrap_or_default();
    text.split(' ').filter_map(|tag| tag.parse().ok()).for_each(|tag| insert(&mut tags, tag));
    put(entry, Match::Tag(tags));
    Ok(())
}

/// Reverse routes are static ones to the operator, as `show ip route` calls them.
const SOURCES: [(&str, &[Source]); 3] = [
    ("connected", &[Source::Connected]),
    ("static", &[Source::Static, Source::Reverse]),
    ("bgp", &[Source::Bgp]),
];

fn add_sources(s: &mut Scope<'_>, a: &Args) -> Done {
    let named = SOURCES.iter().filter(|(word, _)| a.has(word));
    put(s.route_map(), Match::Source(named.flat_map(|(_, sources)| sources.iter().copied()).collect()));
    Ok(())
}

fn sources_printed(v: View<'_>) -> Option<Vec<Args>> {
    let sources = v
        .route_map()?
        .matches
        .iter()
        .find_map(|it| if let Match::Source(sources) = it { Some(sources) } else { None })?;
    let named = SOURCES.iter().filter(|(_, all)| all.iter().any(|one| sources.contains(one)));
    one(Some(named.fold(Args::new(), |args, (word, _)| args.flag(word))))
}

/// Alone it means the next entry: which one that is, the checks know.
fn next() -> Command {
    Command::set(
        RouteMap,
        "continue [<N:1-65535>]",
        |s, a| {
            let here = s.place.number;
            let to: Option<u32> = a.opt("N");
            if to.is_some_and(|to| to <= here) {
                let help = "it goes on, never back: name an entry with a greater number";
                return Err(Fault::new(format!("this is entry {here}"), help).at("N"));
            }
            s.route_map().next = Some(to.unwrap_or(here));
            Ok(())
        },
        |s, _| {
            s.route_map().next = None;
            Ok(())
        },
        |v| one(v.route_map()?.next.map(|next| Args::new().with("N", next))),
    )
}

fn refused() -> Vec<Command> {
    const LIST: &str = "write a prefix list, and `match ip address prefix-list NAME`";
    const NOT: &str =
        "routes are chosen by prefix, next hop, community, tag, metric, local preference and source";
    const SET: &str = "of a route, what BGP says can be set: see the configuration reference";
    [
        ("match ip address <ACL:word> [<ACL:word>]", LIST),
        ("match ipv6 address <ACL:word> [<ACL:word>]", LIST),
        ("match ip next-hop <ACL:word> [<ACL:word>]", LIST),
        ("match as-path <REST:line>", NOT),
        ("match interface <REST:line>", NOT),
        ("match ip route-source <REST:line>", NOT),
        ("match length <REST:line>", NOT),
        ("match {mpls-label | rpki | policy-list} [<REST:line>]", NOT),
        ("set as-path tag", SET),
        ("set as-path prepend {last-as} <REST:line>", "write the ASes"),
        ("set extcommunity {bandwidth | color | cost | vpn-distinguisher} <REST:line>", SET),
        ("set ip next-hop {peer-address | recursive | self | unchanged | verify-availability} [<REST:line>]", "write the address"),
        ("set mpls-label", "labels are told where `neighbor A send-label` is written"),
        ("match route-type <REST:line>", NOT),
        ("set ip {precedence | tos | df | default | vrf | global} [<REST:line>]", SET),
        ("set {interface | dampening | comm-list | extcomm-list | automatic-tag | level | metric-type | traffic-index} [<REST:line>]", SET),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(RouteMap, pattern, instead))
    .collect()
}
