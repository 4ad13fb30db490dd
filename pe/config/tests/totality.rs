//! Whatever the text, the parser answers; and whatever it accepts, it can print and read again.

use config::{parse, print, print_hidden, report};
use proptest::prelude::*;

const GOOD: [&str; 3] =
    [include_str!("golden/pe.conf"), include_str!("examples/ike.conf"), include_str!("examples/l3vpn.conf")];

const WORDS: [&str; 48] = [
    "no",
    "ip",
    "vrf",
    "crypto",
    "map",
    "ipv6",
    "interface",
    "address",
    "permit",
    "access-list",
    "0.0.255.0",
    "!",
    "255.255.255.0",
    "10.0.0.1",
    "2001:db8::/32",
    "set",
    "key",
    "99999999999",
    "\u{e9}\u{2003}",
    "exit",
    "route",
    "101",
    "tcp",
    "range",
    "ikev2",
    "profile",
    "keyring",
    "peer",
    "proposal",
    "default",
    "6",
    "pre-shared-key",
    "remote",
    "dynamic",
    "any",
    "pki",
    "neighbor",
    "remote-as",
    "peer-group",
    "address-family",
    "route-map",
    "match",
    "activate",
    "65000",
    "router",
    "bgp",
    "community",
    "10.0.0.0/8",
];

/// One change of a text: cut at a character, put a word in, swap two lines.
#[derive(Clone, Debug)]
enum Edit {
    Cut(usize, usize),
    Word(usize, usize),
    Swap(usize, usize),
    Negate(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<usize>(), 1..30_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (any::<usize>(), 0..WORDS.len()).prop_map(|(at, word)| Edit::Word(at, word)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Edit::Swap(a, b)),
        any::<usize>().prop_map(Edit::Negate),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (characters, count) = (chars.len().max(1), lines.len().max(1));
    match edit {
        Edit::Cut(at, length) => {
            let at = (at % characters).min(chars.len());
            chars.drain(at..(at + length).min(chars.len()));
            chars.into_iter().collect()
        }
        Edit::Word(at, word) => {
            let at = (at % characters).min(chars.len());
            let put = format!(" {} ", WORDS[*word]);
            chars.splice(at..at, put.chars());
            chars.into_iter().collect()
        }
        Edit::Swap(a, b) if !lines.is_empty() => {
            lines.swap(a % count, b % count);
            lines.join("\n")
        }
        Edit::Negate(at) if !lines.is_empty() => {
            let line = &lines[at % count];
            let negated = format!("no {}", line.trim());
            lines.push(negated);
            lines.join("\n")
        }
        Edit::Swap(..) | Edit::Negate(_) => text.to_owned(),
    }
}

fn answers(text: &str) {
    match parse(text) {
        Ok(parsed) => {
            let printed = print(&parsed.config);
            let again = parse(&printed);
            let same = again.as_ref().is_ok_and(|again| again.config == parsed.config);
            let why = again.err().map(|findings| report("printed", &printed, &findings)).unwrap_or_default();
            assert!(same, "{text}\n--- printed:\n{printed}\n{why}");
            print_hidden(&parsed.config);
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            assert!(findings.iter().all(|finding| text.get(finding.span.clone()).is_some()));
            assert!(!report("file", text, &findings).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_configuration_spoiled_in_places_never_panics(
        good in 0..GOOD.len(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let text = edits.iter().fold(GOOD[good].to_owned(), |text, edit| apply(&text, edit));
        answers(&text);
    }

    #[test]
    fn neither_does_any_other_text(text in "(?s).{0,200}") {
        answers(&text);
    }

    #[test]
    fn nor_words_of_the_language_in_any_order(words in prop::collection::vec(0..WORDS.len(), 0..40)) {
        let text: Vec<_> = words.iter().enumerate().map(|(i, word)| {
            format!("{}{}", WORDS[*word], if i % 5 == 4 { "\n" } else { " " })
        }).collect();
        answers(&text.concat());
    }
}

#[test]
fn lines_may_be_of_any_length() {
    answers(&format!("description {}", "x".repeat(1 << 20)));
    answers(&format!("interface e\n description {}", "word ".repeat(1 << 18)));
    answers(&"set transform-set ".repeat(1 << 16));
    answers(&format!("crypto map M 1 ipsec-isakmp\n set transform-set {}", "T ".repeat(1 << 16)));
}
