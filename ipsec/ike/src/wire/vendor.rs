//! Vendor ID payloads: RFC 2408 section 3.16, as far as one changes what we do.

/// RFC 3947.
pub(crate) const NAT_T: [u8; 16] = *b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f";

/// draft-ietf-ipsec-nat-t-ike-03.
pub(crate) const NAT_T_DRAFT_3: [u8; 16] =
    *b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56";

/// draft-ietf-ipsec-nat-t-ike-02, as its authors meant it and as most implementations hashed it.
pub(crate) const NAT_T_DRAFT_2: [[u8; 16]; 2] = [
    *b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48",
    *b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f",
];
