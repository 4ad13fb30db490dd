//! What the tests of this crate share.

use std::collections::BTreeMap;

/// Bytes from hexadecimal text; white space is ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// One record of a file under `tests/vectors`.
pub(crate) struct Record(BTreeMap<&'static str, &'static str>);

impl Record {
    /// All records of a file: `name = value` a line, an empty line between two, comments after `#`.
    pub(crate) fn all(text: &'static str) -> Vec<Self> {
        let lines = |record: &'static str| {
            let lines = record.lines().filter(|line| !line.starts_with('#'));
            Self(lines.filter_map(|line| line.split_once('=')).map(|(n, v)| (n.trim(), v.trim())).collect())
        };
        text.split("\n\n").map(lines).filter(|record| !record.0.is_empty()).collect()
    }

    pub(crate) fn text(&self, name: &str) -> &'static str {
        self.0.get(name).copied().unwrap_or_else(|| panic!("{name} is not there"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }
}
