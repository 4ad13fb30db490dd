//! "Did you mean": the known word nearest to a mistyped one.

/// The nearest of `known`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any keyword, and the distance costs the product of the lengths.
    if word.len() > 32 {
        return None;
    }
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let allowed = (word.len() / 3).clamp(1, 3);
    known
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions between the two (Levenshtein).
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, there) in b.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, here) in row.iter_mut().skip(1).zip(a) {
            let substituted = diagonal + usize::from(*here != there);
            diagonal = *cell;
            left = substituted.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_a_letter_is_recognised_and_a_different_word_is_not() {
        let known = ["interface", "hostname", "crypto"];
        assert_eq!(nearest("interfcae", known.into_iter()), Some("interface"));
        assert_eq!(nearest("crypt", known.into_iter()), Some("crypto"));
        assert_eq!(nearest("router", known.into_iter()), None);
    }
}
