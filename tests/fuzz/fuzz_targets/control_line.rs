//! Any line on the control socket: a request, which prints and parses back to itself, or none.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(request) = serde_json::from_slice::<api::Request>(data) else { return };
    let line = serde_json::to_vec(&request).expect("a request is plain data");
    assert_eq!(serde_json::from_slice::<api::Request>(&line).expect("its own print"), request);
});
