//! How a line of words is matched against the commands: abbreviations, optional parts, values, and
//! what can follow.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use base::Prefix;
use vrf::Rd;

/// One command: its words, with values in capitals, optional parts in brackets, and a slash between words of which one
/// is meant.
pub(crate) struct Row<T> {
    pub(crate) pattern: &'static str,
    pub(crate) id: T,
}

/// A command that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched<T> {
    pub(crate) id: T,
    /// Each word of the pattern with what was typed for it.
    words: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Help was asked for.
    Help(String),
    Wrong(String),
}

/// Words with their meaning, for `?`. Values stand in capitals.
const MEANINGS: &[(&str, &str)] = &[
    ("show", "Show what is going on"),
    ("clear", "End sessions and SAs, or zero counters"),
    ("debug", "Log in detail"),
    ("undebug", "Stop logging in detail"),
    ("no", "Undo"),
    ("trace", "The path that a packet would take"),
    ("reload", "Read the configuration file again and apply the difference"),
    ("check", "Report the faults of a configuration file"),
    ("crypto", "IPsec and IKE"),
    ("all", "Whatever is on"),
    ("isakmp", "IKE: phase 1"),
    ("ipsec", "IPsec: phase 2"),
    ("ikev2", "IKE version 2"),
    ("peers", "Whom we open in aggressive mode"),
    ("proposal", "IKEv2 proposals"),
    ("stats", "What was let in and refused"),
    ("explain", "Why it is up, or is not: what happened, who is to blame, what to change"),
    ("dynamic-map", "Dynamic crypto maps"),
    ("identity", "Identities that peers must have"),
    ("call", "Call admission control"),
    ("admission", "Call admission control"),
    ("statistics", "What was let in and refused"),
    ("pki", "Certificates"),
    ("trustpoints", "Whom we trust, and who we are there"),
    ("certificates", "Certificates that were loaded"),
    ("crls", "Revocation lists at hand"),
    ("local", "With one address of ours"),
    ("psh", "One SA by its number"),
    ("key", "Pre-shared keys; the master key of encrypted ones"),
    ("config-key", "The master key of encrypted passwords"),
    ("password-encryption", "Keys of type 6 in the configuration"),
    ("write", "Encrypt the keys in the configuration file, where that is switched on"),
    ("memory", "The configuration file"),
    ("detailed", "With everything"),
    ("sa", "Security associations"),
    ("session", "Sessions with all their SAs"),
    ("profile", "Profiles"),
    ("policy", "Policies"),
    ("detail", "With everything"),
    ("vrf", "Of one VRF"),
    ("fvrf", "The peer's front VRF"),
    ("peer", "Of one peer"),
    ("remote", "Of one peer"),
    ("interface", "Of one interface"),
    ("map", "Crypto maps"),
    ("spi", "The SA with one SPI"),
    ("esp", "ESP"),
    ("counters", "Counters alone"),
    ("ip", "IPv4"),
    ("ipv6", "IPv6"),
    ("route", "The routing table"),
    ("mpls", "MPLS"),
    ("forwarding-table", "Labels"),
    ("bgp", "BGP: neighbors, and routes with all their paths"),
    ("vpnv4", "VPN routes of IPv4"),
    ("vpnv6", "VPN routes of IPv6"),
    ("ipv4", "Routes of IPv4"),
    ("unicast", "Unicast"),
    ("rd", "Under one route distinguisher"),
    ("summary", "Neighbors, a line each"),
    ("labels", "Labels of each path"),
    ("neighbors", "Neighbors"),
    ("neighbor", "Neighbors"),
    ("advertised-routes", "What it is told"),
    ("routes", "What was taken in from it"),
    ("received-routes", "What it sent, before any policy"),
    ("ldp", "LDP"),
    ("bindings", "Labels, ours and those of neighbors"),
    ("discovery", "Who says hello, and where"),
    ("bfd", "Paths that BFD watches"),
    ("details", "With everything"),
    ("route-map", "Route maps"),
    ("prefix-list", "Prefix lists"),
    ("soft", "Without ending the session"),
    ("in", "Ask for its routes again"),
    ("out", "Send it our routes again"),
    ("interfaces", "Interfaces with their counters"),
    ("drops", "Why packets died, and how many"),
    ("running-config", "The configuration in force, without secrets"),
    ("logging", "The last events"),
    ("packet", "One packet, not really sent"),
    ("protocol", "IP protocol number"),
    ("tcp", "TCP ports"),
    ("udp", "UDP ports"),
    ("size", "Length of the IP packet"),
    ("PREFIX", "A network, or an address in one"),
    ("RD", "Route distinguisher"),
    ("NEIGHBOR", "Its IP address or its AS, or `*` (in quotes, for a shell): all of them"),
    ("ROUTER", "Its router id, or `*` (in quotes, for a shell): all of them"),
    ("VRF", "Name of a VRF"),
    ("NAME", "A name"),
    ("TEXT", "The new master key, at least 8 characters"),
    ("FILE", "A file"),
    ("ADDRESS", "An IP address"),
    ("SOURCE", "Source IP address"),
    ("DESTINATION", "Destination IP address"),
    ("SPI", "The SPI: 0x and hexadecimal, or decimal"),
    ("ID", "Connection id"),
    ("PROTOCOL", "0 to 255"),
    ("SPORT", "Source port"),
    ("DPORT", "Destination port"),
    ("SIZE", "Bytes, 20 to 65535"),
];

type Pattern = Vec<&'static str>;

impl<T> Matched<T> {
    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|(name, _)| *name == word)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.words.iter().find(|(of, _)| *of == name).map(|(_, typed)| typed.as_str())
    }
}

/// Finds the one command that `words` mean.
pub(crate) fn parse<T: Copy>(rows: &[Row<T>], words: &[String]) -> Result<Matched<T>, Fault> {
    let mut open: Vec<(T, Pattern)> = rows
        .iter()
        .flat_map(|row| expand(row.pattern).into_iter().map(|pattern| (row.id, pattern)))
        .collect();
    for (at, word) in words.iter().enumerate() {
        let next = choices(&open, at);
        if let Some(start) = word.strip_suffix('?') {
            return Err(Fault::Help(help(&next, start, ends(&open, at))));
        }
        let chosen = choose(&next, word).map_err(|what| wrong(words, at, &what))?;
        open.retain(|(_, pattern)| pattern.get(at) == Some(&chosen));
    }
    let whole = open.iter().find(|(_, pattern)| pattern.len() == words.len());
    let (id, pattern) = whole.ok_or_else(|| incomplete(words, &choices(&open, words.len())))?;
    Ok(Matched { id: *id, words: pattern.iter().copied().zip(words.iter().cloned()).collect() })
}

/// A pattern with and without each of its bracketed parts.
fn expand(pattern: &'static str) -> Vec<Pattern> {
    let Some(start) = pattern.find('[') else { return spell(pattern) };
    let Some(end) = closing(pattern, start) else { return Vec::new() };
    let (before, inside, after) = (&pattern[..start], &pattern[start + 1..end], &pattern[end + 1..]);
    let join = |parts: &[Pattern], tails: &[Pattern]| -> Vec<Pattern> {
        parts
            .iter()
            .flat_map(|part| tails.iter().map(move |tail| [part.clone(), tail.clone()].concat()))
            .collect()
    };
    let tails = expand(after);
    let optional = [expand(inside), vec![Vec::new()]].concat();
    join(&spell(before), &join(&optional, &tails))
}

/// Words in a row, once for each choice between them.
fn spell(words: &'static str) -> Vec<Pattern> {
    words.split_whitespace().fold(vec![Vec::new()], |spelt, word| {
        let with = |one| spelt.iter().map(move |words: &Pattern| [words.as_slice(), &[one]].concat());
        word.split('/').flat_map(with).collect()
    })
}

fn closing(pattern: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in pattern.char_indices().skip(start) {
        match letter {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(at),
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn is_value(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_uppercase())
}

/// What can stand at `at`, each once, in the order of the rows.
fn choices<T>(open: &[(T, Pattern)], at: usize) -> Vec<&'static str> {
    let mut choices = Vec::new();
    for word in open.iter().filter_map(|(_, pattern)| pattern.get(at)) {
        if !choices.contains(word) {
            choices.push(*word);
        }
    }
    choices
}

fn ends<T>(open: &[(T, Pattern)], at: usize) -> bool {
    open.iter().any(|(_, pattern)| pattern.len() == at)
}

/// A keyword by any unambiguous beginning, else a value. The error says what is wrong with `word`.
fn choose(choices: &[&'static str], word: &str) -> Result<&'static str, String> {
    let lower = word.to_ascii_lowercase();
    let keywords: Vec<_> = choices.iter().filter(|choice| !is_value(choice)).collect();
    if let Some(exact) = keywords.iter().find(|keyword| ***keyword == lower) {
        return Ok(exact);
    }
    let begun: Vec<_> =
        keywords.iter().filter(|keyword| !lower.is_empty() && keyword.starts_with(&lower)).collect();
    match (begun.as_slice(), choices.iter().find(|choice| is_value(choice))) {
        ([keyword], _) => Ok(keyword),
        ([], Some(value)) => accept(value, word).map(|()| *value),
        ([], None) if choices.is_empty() => Err("nothing more is expected here".to_owned()),
        ([], None) => Err(format!("unknown word{}", closest(&keywords, &lower))),
        (several, _) => Err(format!("ambiguous: {}", list(several.iter().map(|it| ***it)))),
    }
}

fn accept(value: &str, word: &str) -> Result<(), String> {
    let (fits, wanted) = match value {
        "PREFIX" => (is_prefix(word), "an IP address, or a network such as 10.0.0.0/8"),
        "RD" => (word.parse::<Rd>().is_ok(), "a route distinguisher such as 65000:1"),
        "NEIGHBOR" => (is_neighbor(word), "`*`, an AS number or the IP address of a neighbor"),
        "ROUTER" => (word == "*" || word.parse::<Ipv4Addr>().is_ok(), "`*` or the router id of a neighbor"),
        "ADDRESS" | "SOURCE" | "DESTINATION" => (word.parse::<IpAddr>().is_ok(), "an IP address"),
        "SPI" => (spi(word).is_some(), "an SPI such as 0x1A2B3C4D"),
        "ID" => (word.parse::<u32>().is_ok(), "a connection id"),
        "PROTOCOL" => (word.parse::<u8>().is_ok(), "a protocol number, 0 to 255"),
        "SPORT" | "DPORT" => (word.parse::<u16>().is_ok(), "a port number, 0 to 65535"),
        "SIZE" => (word.parse::<u16>().is_ok_and(|size| size >= 20), "a size in bytes, 20 to 65535"),
        _ => (!word.is_empty(), "a name"),
    };
    if fits { Ok(()) } else { Err(format!("{wanted} is expected here")) }
}

fn is_neighbor(word: &str) -> bool {
    word == "*" || word.parse::<IpAddr>().is_ok() || word.parse::<u32>().is_ok()
}

fn is_prefix(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok() || (word.contains('/') && word.parse::<Prefix>().is_ok())
}

/// Hexadecimal with `0x`, else decimal.
pub(crate) fn spi(word: &str) -> Option<u32> {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn closest(keywords: &[&&'static str], word: &str) -> String {
    let near = keywords.iter().map(|keyword| (distance(keyword, word), **keyword)).min();
    match near {
        Some((distance, keyword)) if distance <= 2 && distance < word.len() => {
            format!("; did you mean `{keyword}`?")
        }
        Some(_) | None => format!("; here can stand: {}", list(keywords.iter().map(|it| **it))),
    }
}

/// How many letters to change, put in or leave out (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, same) in other.iter().map(|it| *it == letter).enumerate() {
            let best = (diagonal + usize::from(!same)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn list(words: impl Iterator<Item = &'static str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// The line as it was typed, with the word at `at` underlined.
fn wrong(words: &[String], at: usize, what: &str) -> Fault {
    let before: usize = words.iter().take(at).map(|word| word.chars().count() + 1).sum();
    let length = words.get(at).map_or(1, |word| word.chars().count().max(1));
    let line = words.join(" ");
    Fault::Wrong(format!("onramp: {what}\n  {line}\n  {}{}\n", " ".repeat(before), "^".repeat(length)))
}

fn incomplete(words: &[String], next: &[&'static str]) -> Fault {
    let line = words.join(" ");
    Fault::Wrong(format!("onramp: incomplete command\n  {line}\nwhat can follow:\n{}", help(next, "", false)))
}

fn help(choices: &[&'static str], start: &str, ends: bool) -> String {
    let start = start.to_ascii_lowercase();
    let mut text = String::new();
    for choice in choices.iter().filter(|choice| start.is_empty() || choice.starts_with(&start)) {
        let meaning = MEANINGS.iter().find(|(word, _)| word == choice).map_or("", |(_, meaning)| meaning);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {choice:<18}{meaning}");
    }
    if ends && start.is_empty() {
        text.push_str("  <cr>\n");
    }
    text
}

#[cfg(test)]
mod tests;
