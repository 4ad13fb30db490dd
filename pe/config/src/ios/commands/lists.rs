//! `ip prefix-list`, `ip community-list`, `ip extcommunity-list`: what route maps and neighbours choose routes by.

use std::collections::BTreeMap;

use base::Family;
use bgp::policy::{Community, CommunityList, Extended, ExtendedList, PrefixList, PrefixRule};

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::super::scope::{Done, Fault, Scope, View};
use super::super::value::{CommunityText, ExtendedText, Network4, Network6, joined};
use super::route::without_host_bits;
use super::{Command, insert, many};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = prefix_lists().to_vec();
    commands.extend(community_lists());
    commands.extend(extended_lists());
    commands
}

fn prefix_lists() -> [Command; 9] {
    [
        Command::set(
            Global,
            "ip prefix-list <NAME:word> [seq <SEQ:1-4294967294>] {permit | deny} <P:network4> [ge <GE:1-32>] [le <LE:1-32>]",
            add_prefix,
            drop_prefix,
            |v| prefixes(v, Family::V4),
        ),
        Command::set(
            Global,
            "ipv6 prefix-list <NAME:word> [seq <SEQ:1-4294967294>] {permit | deny} <P6:network6> [ge <GE:1-128>] [le <LE:1-128>]",
            add_prefix,
            drop_prefix,
            |v| prefixes(v, Family::V6),
        ),
        Command::no(Global, "ip prefix-list <NAME:word>", drop_prefixes),
        Command::no(Global, "ipv6 prefix-list <NAME:word>", drop_prefixes),
        Command::comment(Global, "ip prefix-list <NAME:word> description <TEXT:line>"),
        Command::comment(Global, "ipv6 prefix-list <NAME:word> description <TEXT:line>"),
        Command::always(Global, "ip prefix-list sequence-number"),
        Command::always(Global, "ip bgp-community new-format"),
        Command::refuse(
            Global,
            "ip as-path access-list <REST:line>",
            "paths are not matched: write a prefix list, or a community list",
        ),
    ]
}

/// A line without a number goes last, at the next multiple of five.
fn add_prefix(s: &mut Scope<'_>, a: &Args) -> Done {
    let rule = prefix_rule(a)?;
    let list = s.config.policies.prefix_lists.entry(a.get("NAME")?).or_default();
    if list.0.values().any(|known| known.prefix.family() != rule.prefix.family()) {
        let help = "prefix lists of IPv4 and IPv6 share their names: use another";
        return Err(Fault::new("a prefix list of the other address family has this name", help).at("NAME"));
    }
    if !a.has("SEQ") && list.0.values().any(|known| *known == rule) {
        return Ok(());
    }
    let next = list.0.keys().next_back().map_or(5, |last| (last / 5 + 1).saturating_mul(5));
    list.0.insert(a.opt("SEQ").unwrap_or(next), rule);
    Ok(())
}

fn prefix_rule(a: &Args) -> Result<PrefixRule, Fault> {
    let prefix = match a.opt::<Network6>("P6") {
        Some(Network6(address, length)) => without_host_bits(address.into(), length, "P6")?,
        None => {
            let Network4(address, length) = a.get("P")?;
            without_host_bits(address.into(), length, "P")?
        }
    };
    let (own, most) = (prefix.length(), prefix.family().bits());
    let (from, to) = match (a.opt("GE"), a.opt("LE")) {
        (None, None) => (own, own),
        (from, to) => (from.unwrap_or(own), to.unwrap_or(most)),
    };
    if !(own..=to).contains(&from) {
        let help = format!(
            "of {prefix}, lengths go up from {own}: `ge` is no less than that, and `le` no less than `ge`"
        );
        let at = if a.has("GE") { "GE" } else { "LE" };
        return Err(Fault::new("no length is meant by this", help).at(at));
    }
    Ok(PrefixRule { permit: a.has("permit"), prefix, lengths: (from, to) })
}

fn drop_prefix(s: &mut Scope<'_>, a: &Args) -> Done {
    let name: String = a.get("NAME")?;
    let rule = if a.has("P") || a.has("P6") { Some(prefix_rule(a)?) } else { None };
    let number: Option<u32> = a.opt("SEQ");
    let lists = &mut s.config.policies.prefix_lists;
    if let Some(PrefixList(rules)) = lists.get_mut(&name) {
        let is = |at: u32, known: PrefixRule| {
            number.is_none_or(|number| number == at) && rule.is_none_or(|rule| rule == known)
        };
        rules.retain(|at, known| !is(*at, *known));
    }
    lists.retain(|_, list| !list.0.is_empty());
    Ok(())
}

fn drop_prefixes(s: &mut Scope<'_>, a: &Args) -> Done {
    s.config.policies.prefix_lists.remove(&a.get::<String>("NAME")?);
    Ok(())
}

fn prefixes(v: View<'_>, family: Family) -> Option<Vec<Args>> {
    let lines = |(name, list): (&'_ String, &'_ PrefixList)| {
        let mine = list.0.iter().filter(|(_, rule)| rule.prefix.family() == family);
        mine.map(|(number, rule)| prefix_printed(name, *number, *rule)).collect::<Vec<_>>()
    };
    many(v.config.policies.prefix_lists.iter().flat_map(lines))
}

fn prefix_printed(name: &str, number: u32, rule: PrefixRule) -> Args {
    let args = Args::new().with("NAME", name).with("SEQ", number).flag(verb(rule.permit));
    let args = args.with(if rule.prefix.family() == Family::V4 { "P" } else { "P6" }, rule.prefix);
    let (own, most) = (rule.prefix.length(), rule.prefix.family().bits());
    let (from, to) = rule.lengths;
    let args = args.with_some("GE", (from != own).then_some(from));
    let all_longer = from != own && to == most;
    args.with_some("LE", (to != own && !all_longer).then_some(to))
}

fn verb(permit: bool) -> &'static str {
    if permit { "permit" } else { "deny" }
}

fn community_lists() -> [Command; 5] {
    const EXPANDED: &str = "regular expressions are not supported: write `ip community-list standard`";
    [
        Command::set(
            Global,
            "ip community-list standard <NAME:word> {permit | deny} <C:communities>",
            add_communities,
            drop_communities,
            |v| {
                let lists = v.config.policies.community_lists.iter();
                many(lists.flat_map(|(name, list)| {
                    list.0.iter().map(move |(permit, all)| {
                        let args = Args::new().with("NAME", name).flag(verb(*permit));
                        args.with("C", joined(all.iter().map(|one| CommunityText(*one))))
                    })
                }))
            },
        ),
        Command::synonym(
            Global,
            "ip community-list <NAME:1-99> {permit | deny} <C:communities>",
            add_communities,
            drop_communities,
        ),
        Command::no(Global, "ip community-list standard <NAME:word>", |s, a| {
            s.config.policies.community_lists.remove(&a.get::<String>("NAME")?);
            Ok(())
        }),
        Command::refuse(Global, "ip community-list expanded <REST:line>", EXPANDED),
        Command::refuse(Global, "ip community-list <N:100-500> <REST:line>", EXPANDED),
    ]
}

/// The argument `C`.
pub(super) fn communities(a: &Args) -> Vec<Community> {
    let text: String = a.opt("C").unwrap_or_default();
    text.split(' ').filter_map(|word| word.parse().ok()).map(|CommunityText(one)| one).collect()
}

fn add_communities(s: &mut Scope<'_>, a: &Args) -> Done {
    let line = (a.has("permit"), communities(a));
    let CommunityList(lines) = s.config.policies.community_lists.entry(a.get("NAME")?).or_default();
    insert(lines, line);
    Ok(())
}

fn drop_communities(s: &mut Scope<'_>, a: &Args) -> Done {
    let line = (a.has("permit"), communities(a));
    let whole = !a.has("C");
    drop_line(&mut s.config.policies.community_lists, &a.get::<String>("NAME")?, |list| {
        list.0.retain(|known| !whole && *known != line);
        list.0.is_empty()
    });
    Ok(())
}

/// Takes lines out of a list, and the list with its last line.
fn drop_line<T>(lists: &mut BTreeMap<String, T>, name: &str, empties: impl FnOnce(&mut T) -> bool) {
    if lists.get_mut(name).is_some_and(empties) {
        lists.remove(name);
    }
}

fn extended_lists() -> [Command; 5] {
    const EXPANDED: &str = "regular expressions are not supported: write `ip extcommunity-list standard`";
    [
        Command::set(
            Global,
            "ip extcommunity-list standard <NAME:word> {permit | deny} <E:extended>",
            add_extended,
            drop_extended,
            |v| {
                let lists = v.config.policies.extended_lists.iter();
                many(lists.flat_map(|(name, list)| {
                    list.0.iter().map(move |(permit, all)| {
                        let args = Args::new().with("NAME", name).flag(verb(*permit));
                        args.with("E", joined(all.iter().map(|one| ExtendedText(*one))))
                    })
                }))
            },
        ),
        Command::synonym(
            Global,
            "ip extcommunity-list <NAME:1-99> {permit | deny} <E:extended>",
            add_extended,
            drop_extended,
        ),
        Command::no(Global, "ip extcommunity-list standard <NAME:word>", |s, a| {
            s.config.policies.extended_lists.remove(&a.get::<String>("NAME")?);
            Ok(())
        }),
        Command::refuse(Global, "ip extcommunity-list expanded <REST:line>", EXPANDED),
        Command::refuse(Global, "ip extcommunity-list <N:100-500> <REST:line>", EXPANDED),
    ]
}

fn extended(a: &Args) -> Vec<Extended> {
    let text: String = a.opt("E").unwrap_or_default();
    let words: Vec<_> = text.split(' ').collect();
    words.chunks(2).filter_map(|pair| pair.join(" ").parse().ok()).map(|ExtendedText(one)| one).collect()
}

fn add_extended(s: &mut Scope<'_>, a: &Args) -> Done {
    let line = (a.has("permit"), extended(a));
    let ExtendedList(lines) = s.config.policies.extended_lists.entry(a.get("NAME")?).or_default();
    insert(lines, line);
    Ok(())
}

fn drop_extended(s: &mut Scope<'_>, a: &Args) -> Done {
    let line = (a.has("permit"), extended(a));
    let whole = !a.has("E");
    drop_line(&mut s.config.policies.extended_lists, &a.get::<String>("NAME")?, |list| {
        list.0.retain(|known| !whole && *known != line);
        list.0.is_empty()
    });
    Ok(())
}

/// Of a prefix list, by its name.
pub(super) fn family_of(v: View<'_>, list: &str) -> Family {
    let first = v.config.policies.prefix_lists.get(list).and_then(|list| list.0.values().next());
    first.map_or(Family::V4, |rule| rule.prefix.family())
}
