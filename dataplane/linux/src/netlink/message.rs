//! Netlink messages: their headers, and what the kernel says no with. netlink(7).

use core::fmt;
use std::io;

/// What the kernel said no with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) errno: i32,
    /// The kernel's own words, often more exact than the number.
    pub(crate) text: Option<String>,
}

/// The header of a message, netlink(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(super) sequence: u32,
    /// Whose request this answers or follows from.
    pub(crate) port: u32,
}

impl Refused {
    /// Whether it worked is not known.
    pub(crate) fn lost(what: &str) -> Self {
        Self { errno: UNKNOWN, text: Some(what.to_owned()) }
    }

    /// Whether what was asked for was done is not known.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.errno == UNKNOWN
    }

    /// The thing, or the device or table it hangs on, is not there.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self.errno, ENOENT | ESRCH | ENXIO | ENODEV | EADDRNOTAVAIL)
    }

    /// It may work when the device is there and up.
    pub(crate) const fn is_of_device(&self) -> bool {
        matches!(self.errno, ENODEV | ENXIO | ENETDOWN | ENETUNREACH | EHOSTUNREACH)
    }

    /// A device that it names by number may have just gone.
    pub(crate) const fn is_of_number(&self) -> bool {
        matches!(self.errno, EINVAL | ENODEV)
    }

    pub(crate) const fn already_there(&self) -> bool {
        self.errno == EEXIST
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        match &self.text {
            Some(text) if self.is_unknown() => f.write_str(text),
            Some(text) => write!(f, "{text} ({error})"),
            None => write!(f, "{error}"),
        }
    }
}

/// Bytes of a header.
pub(super) const HEADER: usize = 16;
const OVERRUN: u16 = 4;
const ACK_HAS_ATTRIBUTES: u16 = 0x200;
const ACK_TEXT: u16 = 1;

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENXIO: i32 = 6;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const EADDRNOTAVAIL: i32 = 99;
const ENETDOWN: i32 = 100;
const ENETUNREACH: i32 = 101;
/// No number of the kernel's.
const UNKNOWN: i32 = -1;
pub(super) const ENOBUFS: i32 = 105;
const EHOSTUNREACH: i32 = 113;

/// Of an `NLMSG_ERROR`: errno negated, the header of the request, the kernel's words.
pub(super) fn verdict(header: &Header, body: &[u8]) -> Result<(), Refused> {
    let errno = word(body, 0).map_or(0, |errno| errno.cast_signed().wrapping_neg());
    if errno == 0 {
        return Ok(());
    }
    let attributes = (header.flags & ACK_HAS_ATTRIBUTES != 0).then(|| body.get(4 + HEADER..)).flatten();
    Err(Refused { errno, text: attributes.and_then(words) })
}

fn words(mut attributes: &[u8]) -> Option<String> {
    loop {
        let (length, kind) = (half(attributes, 0)?, half(attributes, 2)?);
        let length = usize::from(length);
        if kind == ACK_TEXT {
            let text = attributes.get(4..length)?.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// The messages of a datagram; ends at one that is cut.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(word(self.0, 0)?).ok()?;
        let header = Header {
            kind: half(self.0, 4)?,
            flags: half(self.0, 6)?,
            sequence: word(self.0, 8)?,
            port: word(self.0, 12)?,
        };
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        (header.kind != OVERRUN).then_some((header, body))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}
