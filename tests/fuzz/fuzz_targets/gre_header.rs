//! Any bytes as a GRE header: what is read says the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::gre::{Header, LONGEST};

fuzz_target!(|data: &[u8]| {
    let Ok((header, payload)) = Header::parse(data) else { return };
    assert!(data.ends_with(payload));
    let mut again = vec![0; header.length()];
    header.emit(&mut again).unwrap();
    assert!(again.len() <= LONGEST && again.len() + payload.len() <= data.len());
    again.extend(payload);
    assert_eq!(Header::parse(&again), Ok((header, payload)));
});
