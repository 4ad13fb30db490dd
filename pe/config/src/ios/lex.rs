//! Lines and words of a configuration text, each with its place.

use std::ops::Range;

pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    pub(crate) span: Range<usize>,
}

/// A line that says something: at least one word, and no comment.
pub(crate) struct Line<'t> {
    text: &'t str,
    /// Characters of white space before the first word.
    pub(crate) indent: usize,
    pub(crate) words: Vec<Word<'t>>,
}

impl<'t> Line<'t> {
    /// Everything from the word at `index` to the end, as it was written.
    pub(crate) fn rest(&self, index: usize) -> Option<&'t str> {
        self.text.get(self.words.get(index)?.span.start..self.words.last()?.span.end)
    }

    /// The text from the first of the words to the last.
    pub(crate) fn span(&self, words: Range<usize>) -> Range<usize> {
        let chosen = self.words.get(words).unwrap_or(&self.words);
        match (chosen.first(), chosen.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => 0..0,
        }
    }

    /// The words that are, or may be, a secret: what follows `key` up to the peer it is for; the word in
    /// its place where `key` is misspelt; and what other commands call so.
    pub(crate) fn secrets(&self) -> Range<usize> {
        const CALLED_SO: [&str; 4] = ["key", "key-string", "password", "secret"];
        let is = |word: &Word<'_>, keyword: &str| keyword.starts_with(&word.text.to_ascii_lowercase());
        let begins = |keyword: &str| self.words.iter().take(2).any(|word| is(word, keyword));
        let (isakmp, shared) = (begins("isakmp"), begins("pre-shared-key"));
        let short = isakmp
            || shared
            || ["ppk", "authentication", "aggressive-mode", "neighbor", "ldp"].into_iter().any(begins);
        let key = self.words.iter().position(|word| {
            CALLED_SO.iter().any(|it| word.text.eq_ignore_ascii_case(it))
                || short && (is(word, "key") || is(word, "password") && word.text.len() > 2)
        });
        let end = self.words.len();
        let from =
            |at| self.words.iter().skip(at).position(|word| is(word, "address") || is(word, "hostname"));
        match (key.map(|at| at + 1), from(4)) {
            // The switch, which has no secret.
            (Some(1), _) if self.words.get(1).is_some_and(|word| is(word, "encryption")) => 0..0,
            (Some(first), _) => first..from(first).map_or(end, |length| first + length),
            (None, Some(peer)) if isakmp => peer + 3..peer + 4,
            // Version 2 writes the key without the word, after `local` or `remote` or at once.
            (None, _) if shared && from(0).is_none() => end.min(1 + usize::from(self.is_negated()))..end,
            (None, _) if shared && end > 3 => end - 1..end,
            (None, _) => 0..0,
        }
    }

    pub(crate) fn is_negated(&self) -> bool {
        self.words.len() > 1 && self.words.first().is_some_and(|word| word.text.eq_ignore_ascii_case("no"))
    }
}

/// Comments are lines whose first character is `!`.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |raw| {
        let begin = start;
        start += raw.len();
        line(text, raw, begin)
    })
}

fn line<'t>(text: &'t str, raw: &'t str, begin: usize) -> Option<Line<'t>> {
    let content = raw.trim_start();
    if content.is_empty() || content.starts_with('!') {
        return None;
    }
    let indent = raw.chars().count() - content.chars().count();
    let words = raw.split_whitespace().map(|word| {
        // A word is a slice of `raw`, so its distance from the start is its place.
        let start = begin + (word.as_ptr().addr() - raw.as_ptr().addr());
        Word { text: word, span: start..start + word.len() }
    });
    Some(Line { text, indent, words: words.collect() })
}

/// The text with a star for each byte of a secret, so that every other byte keeps its place.
pub(crate) fn starred(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in lines(text) {
        for word in line.words.get(line.secrets()).unwrap_or_default() {
            out.push_str(text.get(out.len()..word.span.start).unwrap_or_default());
            out.push_str(&"*".repeat(word.text.len()));
        }
    }
    out.push_str(text.get(out.len()..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_key_line_is_starred() {
        let text = "crypto isa k 0 my secret add 10.0.0.1\npre-shared-key address 10.0.0.1 KEY Zq9\nend";
        let starred = starred(text);
        assert_eq!(starred.len(), text.len());
        assert_eq!(
            starred,
            "crypto isa k * ** ****** add 10.0.0.1\npre-shared-key address 10.0.0.1 KEY ***\nend"
        );
    }

    #[test]
    fn a_secret_is_starred_where_its_keyword_is_misspelt_or_the_command_is_not_ours() {
        let text = "crypto isakmp kye Zq9 address 10.0.0.1\npre-shared-key address 10.0.0.1 kye Zq9\n\
                    username joe password 0 Zq9\nenable secret Zq9\ncrypto isakmp identity address\n\
                    crypto isakmp policy 10\npre-shared-key address 10.0.0.1";
        let starred = starred(text);
        assert!(!starred.contains("Zq9"), "{starred}");
        for whole in ["kye *** address 10.0.0.1", "identity address", "policy 10", "address 10.0.0.1"] {
            assert!(starred.contains(whole), "{whole}: {starred}");
        }
    }

    #[test]
    fn the_keys_of_version_two_and_of_aggressive_peers_are_starred_however_they_are_spelled() {
        let text = "pre-shared-key local 0 Zq9\npre-sh Zq9\nno pre-shared-key Zq9\nppk man id x k Zq9 required\n\
                    auth remote pre-share k 0 Zq9\nset aggr pass Zq9\nset aggressive-mode password 6 Zq9\n\
                    key config-key password-encryption Zq9\npassword encryption aes";
        let starred = starred(text);
        assert_eq!(starred.len(), text.len());
        assert!(!starred.contains("Zq9"), "{starred}");
        assert!(
            starred.contains("password encryption aes") && starred.contains("ppk man id x k"),
            "{starred}"
        );
    }

    #[test]
    fn the_passwords_of_neighbours_are_starred_however_they_are_spelled() {
        let text = "neighbor 10.0.0.1 password 7 Zq9\nnei PE pass Zq9\nmpls ldp neighbor 10.0.0.1 pas 0 Zq9\n\
                    no neighbor 10.0.0.1 passw Zq9\nneighbor 10.0.0.1 timers 10 30\nneighbor PE peer-group";
        let starred = starred(text);
        assert!(!starred.contains("Zq9"), "{starred}");
        assert!(starred.contains("timers 10 30") && starred.ends_with("neighbor PE peer-group"), "{starred}");
    }

    #[test]
    fn words_know_their_place_whatever_the_white_space() {
        let text = "! note\r\n\n  ip\tvrf é x\r\nend";
        let lines: Vec<_> = lines(text).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].indent, 2);
        for word in lines.iter().flat_map(|line| &line.words) {
            assert_eq!(&text[word.span.clone()], word.text);
        }
        assert_eq!(lines[0].rest(2), Some("é x"));
    }
}
