//! The notation in which commands are written down, and a command's text from its arguments.
//!
//! `word` is a keyword, `<NAME:kind>` an argument, `[ … ]` optional, `{ … | … }` a choice. In a group
//! without arguments the first keyword is itself recorded, under its own text.

use base::Secret;

use super::args::{Arg, Args};
use super::kind::Kind;
use crate::secrets::Seal;

pub(crate) enum Item {
    Keyword { word: &'static str, recorded: bool },
    Argument { name: &'static str, kind: Kind },
    Optional(Vec<Self>),
    Choice(Vec<Vec<Self>>),
}

/// Reads a pattern. Tests see to it that every pattern of the tree is well formed.
pub(crate) fn read(pattern: &'static str) -> Vec<Item> {
    let mut tokens = tokens(pattern).into_iter().peekable();
    sequence(&mut tokens, false)
}

/// The keywords that a pattern begins with.
pub(crate) fn leading(pattern: &str) -> String {
    let words: Vec<_> =
        pattern.split_whitespace().take_while(|word| !word.starts_with(['<', '[', '{'])).collect();
    words.join(" ")
}

/// The keywords that stand in every line of a pattern, with `…` for what is between them.
pub(crate) fn fixed(pattern: &'static str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut depth = 0_usize;
    for token in tokens(pattern) {
        match token {
            "[" | "{" => depth += 1,
            "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_keyword = depth == 0 && !token.starts_with(['<', ']', '}']);
        if is_keyword {
            words.push(token);
        } else if words.last().is_some_and(|last| *last != "…") {
            words.push("…");
        }
    }
    words.pop_if(|last| *last == "…");
    words.join(" ")
}

/// How keys are printed.
pub(crate) enum Keys<'a> {
    Clear,
    /// As `<hidden>`.
    Hidden,
    /// As type 6.
    Sealed(Seal<'a>),
}

impl Keys<'_> {
    /// A key that would be taken for a word that may stand before it has its type before it.
    fn render(&mut self, key: &str) -> String {
        match self {
            Self::Clear if matches!(key, "0" | "6" | "local" | "remote") => format!("0 {key}"),
            Self::Clear => key.to_owned(),
            Self::Hidden => "<hidden>".to_owned(),
            Self::Sealed(seal) => format!("6 {}", seal(&Secret::from(key.as_bytes()))),
        }
    }
}

/// The command as text.
pub(crate) fn render(items: &[Item], args: &Args, keys: &mut Keys<'_>) -> String {
    let mut words = Vec::new();
    if args.is_negated() {
        words.push("no".to_owned());
    }
    let args: Vec<&Arg> = args.iter().collect();
    render_sequence(items, &mut args.as_slice(), keys, &mut words);
    words.join(" ")
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<&'static str>>;

fn tokens(pattern: &'static str) -> Vec<&'static str> {
    let brackets = |c: char| "[]{}|".contains(c);
    let mut found = Vec::new();
    for word in pattern.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(brackets) {
            found.push(&rest[..at]);
            found.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        found.push(rest);
    }
    found.retain(|token| !token.is_empty());
    found
}

fn sequence(tokens: &mut Tokens, grouped: bool) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(token) = tokens.next_if(|token| !matches!(*token, "]" | "}" | "|")) {
        items.push(match token {
            "[" => Item::Optional(group(tokens).into_iter().next().unwrap_or_default()),
            "{" => Item::Choice(group(tokens)),
            word => match word.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')?.split_once(':')) {
                Some((name, kind)) => Item::Argument { name, kind: Kind::named(kind) },
                None => Item::Keyword { word, recorded: false },
            },
        });
    }
    let plain = !items.iter().any(|item| matches!(item, Item::Argument { .. }));
    if grouped
        && plain
        && let Some(Item::Keyword { recorded, .. }) = items.first_mut()
    {
        *recorded = true;
    }
    items
}

fn group(tokens: &mut Tokens) -> Vec<Vec<Item>> {
    let mut alternatives = vec![sequence(tokens, true)];
    while tokens.next() == Some("|") {
        alternatives.push(sequence(tokens, true));
    }
    alternatives
}

fn render_sequence(items: &[Item], args: &mut &[&Arg], keys: &mut Keys<'_>, words: &mut Vec<String>) {
    for item in items {
        match item {
            Item::Keyword { word, recorded } => {
                words.push((*word).to_owned());
                if *recorded {
                    next(args, word);
                }
            }
            Item::Argument { name, kind } => {
                if let Some(arg) = next(args, name) {
                    let is_key = *kind == Kind::Secret;
                    words.push(if is_key { keys.render(&arg.text) } else { arg.text.clone() });
                }
            }
            Item::Optional(inner) if wanted(inner, args) => render_sequence(inner, args, keys, words),
            Item::Optional(_) => {}
            Item::Choice(all) => {
                if let Some(chosen) = all.iter().find(|inner| wanted(inner, args)) {
                    render_sequence(chosen, args, keys, words);
                }
            }
        }
    }
}

fn next<'a>(args: &mut &[&'a Arg], name: &str) -> Option<&'a Arg> {
    let (first, rest) = args.split_first().filter(|(first, _)| first.name == name)?;
    *args = rest;
    Some(first)
}

/// Whether the next argument is the one that tells of this group.
fn wanted(items: &[Item], args: &[&Arg]) -> bool {
    let Some(next) = args.first() else { return false };
    let argument = items.iter().find(|item| matches!(item, Item::Argument { .. }));
    match argument.or_else(|| items.first()) {
        Some(Item::Argument { name, .. }) => next.name == *name,
        Some(Item::Keyword { word, .. }) => next.name == *word,
        Some(Item::Choice(all)) => all.iter().any(|inner| wanted(inner, args)),
        Some(Item::Optional(inner)) => wanted(inner, args),
        None => false,
    }
}
