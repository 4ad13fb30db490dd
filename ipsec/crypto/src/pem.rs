//! Text files of keys and certificates (RFC 7468): base64 between a BEGIN and an END line.

use base::Secret;
use zeroize::Zeroizing;

use crate::base64::{self, STANDARD};

/// One object of a file.
pub struct Block<'a> {
    /// As `PRIVATE KEY` or `CERTIFICATE`.
    pub label: &'a str,
    /// Whether lines such as `Proc-Type: 4,ENCRYPTED` stand before the base64 (RFC 1421).
    pub encrypted: bool,
    /// The object itself. Certificates are no secrets, but stand beside keys in one file.
    pub der: Secret,
}

/// Every whole object of `text`, in order. What stands between objects is a comment; an object without
/// its END line, or that is not base64, is left out.
pub fn blocks(text: &[u8]) -> Vec<Block<'_>> {
    let mut lines = core::str::from_utf8(text).unwrap_or_default().lines().map(str::trim);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) {
            blocks.extend(block(label, &mut lines));
        }
    }
    blocks
}

fn block<'a>(label: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Block<'a>> {
    let mut encrypted = label.starts_with("ENCRYPTED");
    let mut digits = Zeroizing::new(Vec::new());
    for line in lines {
        if let Some(rest) = line.strip_prefix("-----END ") {
            let der = decode(&digits)?;
            return (rest.strip_suffix("-----") == Some(label)).then_some(Block { label, encrypted, der });
        }
        if line.contains(':') {
            encrypted |= line.contains("ENCRYPTED");
        } else {
            digits.extend_from_slice(line.as_bytes());
        }
    }
    None
}

/// With padding; `None` for anything else.
fn decode(text: &[u8]) -> Option<Secret> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let bytes = base64::decode(digits, STANDARD).filter(|_| text.len().is_multiple_of(4))?;
    Some(Secret::from(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_its_padding() {
        for (length, text) in ["", "Zg==", "Zm8=", "Zm9v"].into_iter().enumerate() {
            assert_eq!(decode(text.as_bytes()).unwrap().expose(), &b"foo"[..length]);
        }
        for bad in ["Zg", "Zg=", "Zm9v=", "Zm9vY===", "=", "===="] {
            assert!(decode(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn objects_stand_between_comments_and_only_whole_ones_count() {
        let text = "bag\n-----BEGIN A-----\r\nZm9v\r\nYmFy\r\n-----END A-----\n\
                    -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x,y\n\nZm8=\n\
                    -----END RSA PRIVATE KEY-----\n-----BEGIN B-----\nZm9v\n-----END C-----\n\
                    -----BEGIN D-----\nZm9v\n";
        let found: Vec<_> = blocks(text.as_bytes())
            .into_iter()
            .map(|block| (block.label.to_owned(), block.encrypted, block.der.expose().to_vec()))
            .collect();
        let expected = [
            ("A".to_owned(), false, b"foobar".to_vec()),
            ("RSA PRIVATE KEY".to_owned(), true, b"fo".to_vec()),
        ];
        assert_eq!(found, expected);
        assert!(blocks(&[0xff, 0xfe]).is_empty());
    }
}
