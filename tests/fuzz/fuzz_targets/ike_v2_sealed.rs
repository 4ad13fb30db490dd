//! Any message through IKEv2's encrypted payload, in fragments that come in any order: it comes out as it went
//! in, and nothing else does.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ike::fuzz::sealed(data));
