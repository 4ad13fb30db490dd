//! The two forms of an ECDSA signature: r and s in DER (RFC 7427 appendix A.3), and side by side (RFC 4754).

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;

/// r and s, `length` bytes each, from their DER.
pub(crate) fn fixed(der: &[u8], length: usize) -> Option<Vec<u8>> {
    let (body, rest) = element(SEQUENCE, der)?;
    let (r, body) = element(INTEGER, body)?;
    let (s, end) = element(INTEGER, body)?;
    let (r, s) = (padded(r, length)?, padded(s, length)?);
    (rest.is_empty() && end.is_empty()).then(|| [r, s].concat())
}

/// The DER of r and s, `length` bytes each.
pub(crate) fn der(fixed: &[u8], length: usize) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(length)?;
    let body = [integer(r), integer(s)].concat();
    (s.len() == length).then(|| tagged(SEQUENCE, &body))
}

/// What is in the element at the start, and what follows it. Lengths of one byte, or of 0x81 and one.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&length, rest) = match rest.split_first()? {
        (0x81, rest) => rest.split_first()?,
        (..=0x7f, _) => rest.split_first()?,
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length.into()))?
}

fn padded(integer: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = integer.iter().take_while(|&&byte| byte == 0).count();
    let value = &integer[zeros..];
    let missing = length.checked_sub(value.len())?;
    Some([&vec![0; missing], value].concat())
}

fn integer(value: &[u8]) -> Vec<u8> {
    let zeros = value.iter().take_while(|&&byte| byte == 0).count();
    let value = &value[zeros..];
    let sign: &[u8] = if value.first().is_none_or(|&first| first >= 0x80) { &[0] } else { &[] };
    tagged(INTEGER, &[sign, value].concat())
}

/// `body` must be shorter than 256 bytes: two coordinates of P-521 are.
fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let head: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [head, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_forms_turn_into_each_other_with_signs_and_leading_zeros() {
        for length in [32, 48, 66] {
            for first in [0, 1, 0x7f, 0x80, 0xff] {
                let mut both = vec![7; 2 * length];
                (both[0], both[length], both[length + 1]) = (first, 0, first);
                let written = der(&both, length).unwrap();
                assert_eq!(fixed(&written, length), Some(both));
            }
            assert_eq!(fixed(&der(&vec![0; 2 * length], length).unwrap(), length), Some(vec![0; 2 * length]));
        }
        assert_eq!(der(&[0x80, 1], 1), Some(vec![0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]));
    }

    #[test]
    fn nothing_but_one_whole_signature_is_read() {
        let good = der(&[9; 64], 32).unwrap();
        for cut in 0..good.len() {
            assert_eq!(fixed(&good[..cut], 32), None);
        }
        assert_eq!(fixed(&[&good[..], &[0]].concat(), 32), None);
        assert_eq!(fixed(&good, 31), None, "a number longer than the curve");
        assert!(der(&[9; 63], 32).is_none() && der(&[9; 65], 32).is_none() && der(&[], 32).is_none());
    }
}
