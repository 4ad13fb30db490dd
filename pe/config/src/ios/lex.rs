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

#[cfg(test)]
mod tests {
    use super::*;

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
