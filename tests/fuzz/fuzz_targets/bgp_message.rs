//! Any BGP messages of any session: what is understood is written and understood alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp::fuzz::messages(data));
