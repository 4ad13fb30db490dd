//! Abbreviations, optional parts, values and what is said when a line is wrong.

use super::*;

const ROWS: &[Row<u8>] = &[
    Row { pattern: "show ip route [vrf VRF]", id: 1 },
    Row { pattern: "show ipv6 route", id: 2 },
    Row { pattern: "show sa [peer [vrf VRF] ADDRESS] [detail]", id: 3 },
    Row { pattern: "show drops", id: 4 },
    Row { pattern: "list red/green all [PREFIX/last]", id: 5 },
];

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn id(line: &str) -> Option<u8> {
    parse(ROWS, &words(line)).ok().map(|matched| matched.id)
}

fn fault(line: &str) -> String {
    match parse(ROWS, &words(line)) {
        Err(Fault::Wrong(text) | Fault::Help(text)) => text,
        Ok(matched) => panic!("understood as {}", matched.id),
    }
}

#[test]
fn any_unambiguous_beginning_will_do_in_any_case() {
    assert_eq!(id("sh ip ro"), Some(1));
    assert_eq!(id("SHOW IpV6 Route"), Some(2));
    assert_eq!(id("s d"), Some(4));
}

#[test]
fn a_whole_word_is_not_ambiguous_because_another_begins_with_it() {
    assert_eq!(id("show ip route"), Some(1));
}

#[test]
fn an_ambiguous_word_is_underlined_with_its_candidates() {
    assert_eq!(fault("show i route"), "onramp: ambiguous: ip, ipv6\n  show i route\n       ^\n");
}

#[test]
fn optional_parts_nest_and_values_are_found_by_name() {
    let matched = parse(ROWS, &words("show sa peer vrf Red 192.0.2.1 det")).ok().unwrap();
    assert_eq!(matched.value("VRF"), Some("Red"), "names keep their case");
    assert_eq!(matched.value("ADDRESS"), Some("192.0.2.1"));
    assert!(matched.has("detail"));
    assert_eq!(id("show sa peer 192.0.2.1"), Some(3));
    assert_eq!(id("show sa detail"), Some(3));
}

#[test]
fn of_words_with_a_slash_between_them_one_is_meant() {
    for line in ["list red all", "list green all 10.0.0.0/8", "list g a 10.0.0.1", "list red all last"] {
        assert_eq!(id(line), Some(5), "{line}");
    }
    assert!(parse(ROWS, &words("list green all")).ok().unwrap().has("green"));
    assert_eq!(fault("list ?"), "  red               \n  green             \n");
    assert!(fault("list red all 10.0.0.0/33").contains("an IP address, or a network such as 10.0.0.0/8"));
}

#[test]
fn a_value_that_does_not_fit_says_what_would() {
    assert_eq!(
        fault("show sa peer 192.0.2.300"),
        "onramp: an IP address is expected here\n  show sa peer 192.0.2.300\n               ^^^^^^^^^^^\n"
    );
}

#[test]
fn a_misspelt_word_gets_a_proposal() {
    assert!(fault("show dorps").contains("did you mean `drops`?"));
    assert!(fault("show xyzzy").contains("here can stand: ip, ipv6, sa, drops"));
}

#[test]
fn a_word_too_many_and_a_word_too_few_are_told() {
    assert!(fault("show drops now").contains("nothing more is expected here"));
    let few = fault("show ip");
    assert!(few.contains("incomplete command") && few.contains("route"), "{few}");
}

#[test]
fn a_question_mark_lists_what_can_follow() {
    assert_eq!(
        fault("show sa ?"),
        "  peer              Of one peer\n  detail            With everything\n  <cr>\n"
    );
    assert_eq!(fault("show d?"), "  drops             Why packets died, and how many\n");
}

#[test]
fn spis_are_hexadecimal_or_decimal() {
    assert_eq!(spi("0xFFFFFFFF"), Some(u32::MAX));
    assert_eq!(spi("256"), Some(256));
    assert_eq!(spi("0x100000000"), None);
    assert_eq!(spi("xyz"), None);
}

#[test]
fn every_command_has_its_row_in_the_operators_document() {
    let document = include_str!("../../../../docs/operator/commands.md");
    let patterns = crate::commands::ALL.iter().map(|row| row.pattern);
    let missing: Vec<_> =
        patterns.filter(|pattern| !document.contains(&format!("| `{pattern}` |"))).collect();
    assert!(missing.is_empty(), "docs/operator/commands.md lacks:\n{}", missing.join("\n"));
}
