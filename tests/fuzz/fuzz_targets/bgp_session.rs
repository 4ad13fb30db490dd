//! Any course of events for a BGP session: it does nothing that none may, and a peer that means well has it in the end.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bgp::fuzz::session(data));
