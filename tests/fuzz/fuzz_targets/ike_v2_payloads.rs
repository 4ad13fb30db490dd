//! Any chain of payloads of IKEv2: what decodes is encoded and decodes to the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ike::fuzz::payloads(data));
