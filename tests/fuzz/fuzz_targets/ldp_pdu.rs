//! Any bytes as LDP PDUs: what is understood survives being said again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ldp::fuzz::pdus(data));
