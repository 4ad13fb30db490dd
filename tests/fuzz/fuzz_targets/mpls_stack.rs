//! Any bytes as a label stack: each entry reads back as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::mpls::Entry;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok((entry, behind)) = Entry::parse(rest) {
        assert_eq!(entry.to_bytes(), rest[..4]);
        rest = behind;
        if entry.bottom {
            let _ = wire::ip::Packet::new_checked(rest);
            break;
        }
    }
});
