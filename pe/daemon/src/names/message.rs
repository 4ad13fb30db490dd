//! Questions and answers of DNS (RFC 1035 section 4), as far as addresses need them. Whatever a server
//! sends, reading it ends.

use std::net::IpAddr;

const HEADER: usize = 12;
/// Longest name, and longest part of it, in bytes.
const NAME: usize = 253;
const LABEL: usize = 63;
/// Records of an answer that are looked at.
const RECORDS: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To another question, or no answer at all.
    NotOurs,
    /// The server cannot say.
    Failed,
    /// Empty: there is no such name, or it has no such addresses.
    Addresses(Vec<IpAddr>),
}

impl Kind {
    const fn number(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }

    fn address(self, data: &[u8]) -> Option<IpAddr> {
        match self {
            Self::V4 => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
            Self::V6 => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        }
    }
}

/// `None`: it is no name that DNS could know.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && name.len() <= NAME).then_some(())?;
    let mut message = id.to_be_bytes().to_vec();
    // Recursion desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length =
            u8::try_from(label.len()).ok().filter(|length| (1..=LABEL).contains(&usize::from(*length)))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.number().to_be_bytes());
    message.extend([0, 1]);
    Some(message)
}

/// The question comes back in the answer: one to another question is not ours.
pub(super) fn answer(message: &[u8], question: &[u8], kind: Kind) -> Answer {
    let (Some(id), Some(flags)) = (number(message, 0), number(message, 2)) else { return Answer::NotOurs };
    let asked = question.get(HEADER..).unwrap_or_default();
    let repeated = message.get(HEADER..HEADER + asked.len()).unwrap_or_default();
    let is_response = flags & 0x8000 != 0;
    if Some(id) != number(question, 0) || !is_response || !repeated.eq_ignore_ascii_case(asked) {
        return Answer::NotOurs;
    }
    match flags & 0x000F {
        0 => Answer::Addresses(addresses(message, HEADER + asked.len(), kind)),
        3 => Answer::Addresses(Vec::new()),
        _ => Answer::Failed,
    }
}

fn addresses(message: &[u8], from: usize, kind: Kind) -> Vec<IpAddr> {
    let count = number(message, 6).unwrap_or(0).min(RECORDS);
    let mut found = Vec::new();
    let mut at = from;
    for _ in 0..count {
        let Some((address, next)) = record(message, at, kind) else { break };
        found.extend(address.filter(|address| !found.contains(address)));
        at = next;
    }
    found
}

/// The address of the record at `at`, if it is one, and where the next record begins.
fn record(message: &[u8], at: usize, kind: Kind) -> Option<(Option<IpAddr>, usize)> {
    let at = after_name(message, at)?;
    let (is_kind, is_internet) = (number(message, at)? == kind.number(), number(message, at + 2)? == 1);
    let length = usize::from(number(message, at + 8)?);
    let data = message.get(at + 10..at + 10 + length)?;
    let address = if is_kind && is_internet { kind.address(data) } else { None };
    Some((address, at + 10 + length))
}

/// A name ends with an empty label or with a pointer to elsewhere.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xC0 == 0xC0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to `asked` with these records: kind, data.
    fn reply(asked: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = asked.to_vec();
        (message[2], message[3], message[7]) = (0x81, 0x80 | code, u8::try_from(records.len()).unwrap());
        for (kind, data) in records {
            message.extend([0xC0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(*data);
        }
        message
    }

    fn ask(kind: Kind) -> Vec<u8> {
        question(0x1234, "gw.example.net", kind).unwrap()
    }

    #[test]
    fn a_question_is_laid_out_as_rfc_1035_says() {
        let wanted =
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02gw\x07example\x03net\x00\x00\x1c\x00\x01";
        assert_eq!(ask(Kind::V6), wanted);
        assert_eq!(question(1, "gw..net", Kind::V4), None);
        assert_eq!(question(1, &"x".repeat(64), Kind::V4), None);
    }

    #[test]
    fn addresses_are_taken_and_names_in_between_passed_over() {
        let asked = ask(Kind::V4);
        let records: [(u16, &[u8]); 3] = [(5, b"\x01x\xC0\x0c"), (1, &[192, 0, 2, 7]), (1, &[192, 0, 2, 7])];
        let found = answer(&reply(&asked, 0, &records), &asked, Kind::V4);
        assert_eq!(found, Answer::Addresses(vec![IpAddr::from([192, 0, 2, 7])]));
    }

    #[test]
    fn an_answer_to_another_question_is_not_ours() {
        let asked = ask(Kind::V4);
        let other = question(0x1234, "other.example.net", Kind::V4).unwrap();
        assert_eq!(answer(&reply(&other, 0, &[]), &asked, Kind::V4), Answer::NotOurs);
        assert_eq!(answer(&asked, &asked, Kind::V4), Answer::NotOurs);
        assert_eq!(answer(&[], &asked, Kind::V4), Answer::NotOurs);
    }

    #[test]
    fn a_name_that_does_not_exist_is_an_answer_and_a_refusal_is_none() {
        let asked = ask(Kind::V4);
        assert_eq!(answer(&reply(&asked, 3, &[]), &asked, Kind::V4), Answer::Addresses(Vec::new()));
        assert_eq!(answer(&reply(&asked, 5, &[]), &asked, Kind::V4), Answer::Failed);
    }

    #[test]
    fn whatever_is_cut_short_or_spoilt_is_read_to_its_end() {
        let asked = ask(Kind::V6);
        let whole = reply(&asked, 0, &[(28, &[7; 16]), (28, &[8; 16])]);
        for length in 0..whole.len() {
            let _ = answer(&whole[..length], &asked, Kind::V6);
        }
        for at in 0..whole.len() {
            for byte in [0, 63, 0xC0, 0xFF] {
                let mut spoilt = whole.clone();
                spoilt[at] = byte;
                let _ = answer(&spoilt, &asked, Kind::V6);
            }
        }
    }
}
