//! Base64 without padding (RFC 4648 sections 4 and 5).

use zeroize::Zeroizing;

/// The two characters behind letters and digits.
#[derive(Clone, Copy)]
pub(crate) struct Alphabet([u8; 2]);

pub(crate) const STANDARD: Alphabet = Alphabet(*b"+/");
/// Safe in URLs and in words of a configuration.
pub(crate) const URL: Alphabet = Alphabet(*b"-_");

pub(crate) fn encode(bytes: &[u8], alphabet: Alphabet) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let value =
            group.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        let digits = [18, 12, 6, 0].map(|shift| digit((value >> shift & 63) as u8, alphabet));
        text.extend(digits.iter().take(group.len() + 1));
    }
    text
}

/// `None` if a character is not of the alphabet, or one is left over.
pub(crate) fn decode(text: &[u8], alphabet: Alphabet) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 3 / 4));
    for group in text.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut value = 0;
        for &digit in group {
            value = value << 6 | u32::from(value_of(digit, alphabet)?);
        }
        value <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&value.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// `value` must be below 64.
fn digit(value: u8, Alphabet([plus, slash]): Alphabet) -> char {
    char::from(match value {
        ..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => plus,
        _ => slash,
    })
}

const fn value_of(digit: u8, Alphabet([plus, slash]): Alphabet) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        _ if digit == plus => 62,
        _ if digit == slash => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn base64_agrees_with_rfc_4648_both_ways() {
        for (length, text) in
            ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"].into_iter().enumerate()
        {
            assert_eq!(encode(&b"foobar"[..length], STANDARD), text);
            assert_eq!(*decode(text.as_bytes(), STANDARD).unwrap(), b"foobar"[..length]);
        }
        for bad in ["Z", "Zm9vY", "Zg==", "Zm 9", "Zm9-", "=", "Zm9v\n"] {
            assert!(decode(bad.as_bytes(), STANDARD).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_byte_survives_in_both_alphabets() {
        let bytes: Vec<u8> = (0..=255).collect();
        for alphabet in [STANDARD, URL] {
            let text = encode(&bytes, alphabet);
            assert_eq!(*decode(text.as_bytes(), alphabet).unwrap(), bytes);
        }
        assert_eq!(
            (encode(&[0xfb, 0xff], URL), encode(&[0xfb, 0xff], STANDARD)),
            ("-_8".into(), "+/8".into())
        );
    }
}
