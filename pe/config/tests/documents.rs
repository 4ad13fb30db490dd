//! The operator's documents keep up with the language: no command without its row, no example that is refused.

use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../../../docs/operator/configuration.md");
const README: &str = include_str!("../../../README.md");

/// The words of a line, without the marks around them.
fn words(line: &str) -> BTreeSet<&str> {
    line.split(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).collect()
}

/// A pattern's keywords, and the ranges of its numbers such as `1-255`.
fn said(pattern: &'static str) -> impl Iterator<Item = &'static str> {
    let tokens = pattern.split(|c: char| c.is_whitespace() || "[]{}|".contains(c));
    tokens.filter(|token| !token.is_empty()).filter_map(|token| match token.strip_prefix('<') {
        None => Some(token),
        Some(argument) => {
            let kind = argument.trim_end_matches('>').split_once(':')?.1;
            kind.starts_with(|c: char| c.is_ascii_digit()).then_some(kind)
        }
    })
}

/// The keywords that a pattern begins with.
fn head(pattern: &str) -> String {
    let leading = pattern.split_whitespace().take_while(|word| !word.starts_with(['<', '[', '{']));
    leading.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_has_a_row_with_all_its_keywords_and_ranges() {
    let rows: Vec<_> = REFERENCE.lines().map(|line| (line, words(line))).collect();
    let is_told = |pattern: &&'static str| {
        let head = format!("`{}", head(pattern));
        rows.iter()
            .any(|(line, words)| line.contains(&head) && said(pattern).all(|word| words.contains(word)))
    };
    let missing: Vec<_> = config::commands().filter(|pattern| !is_told(pattern)).collect();
    assert!(missing.is_empty(), "docs/operator/configuration.md lacks:\n{}", missing.join("\n"));
}

/// A configuration, not a fragment of one.
fn is_whole(block: &str) -> bool {
    ["crypto map", "router bgp"].iter().any(|line| block.contains(line))
}

#[test]
fn what_the_documents_show_is_accepted_without_a_doubt() {
    for (name, document) in [("configuration.md", REFERENCE), ("README.md", README)] {
        let blocks = document.split("```text\n").skip(1).filter_map(|rest| rest.split_once("```"));
        let examples: Vec<_> = blocks.map(|(block, _)| block).filter(|block| is_whole(block)).collect();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            let parsed =
                config::parse(example).unwrap_or_else(|f| panic!("{}", config::report(name, example, &f)));
            assert!(parsed.warnings.is_empty(), "{}", config::report(name, example, &parsed.warnings));
        }
    }
}
