//! ISAKMP messages (RFC 2408 section 3) as bytes and back: one file per payload. Decoding is total and
//! its work is bounded by the length of the message.

pub(crate) mod attribute;
pub(crate) mod cert;
pub(crate) mod delete;
pub(crate) mod fragment;
pub(crate) mod header;
pub(crate) mod id;
pub(crate) mod ke;
pub(crate) mod natd;
pub(crate) mod nonce;
pub(crate) mod notify;
pub(crate) mod payload;
pub(crate) mod sa;
pub(crate) mod vendor;

#[cfg(test)]
mod tests;

/// The bytes are not what their place calls for; the word says which rule they break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Takes bytes off the front of a message; never looks beyond its end.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed("truncated"))?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed("truncated"))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn short(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn long(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The length of something that must fit a 16-bit field: what we build is far below the limit.
pub(crate) fn length16(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
