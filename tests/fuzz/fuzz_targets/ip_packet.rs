//! Any bytes as an IP packet: the views agree with each other, and rewriting a field keeps the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(packet) = wire::ip::Packet::new_checked(data) else { return };
    assert!(packet.header_len <= packet.bytes.len());
    assert!(packet.bytes.len() <= data.len());
    let flow = packet.flow();
    let (ttl, tos) = (packet.ttl, packet.tos);

    let mut copy = data.to_vec();
    wire::ip::set_ttl(&mut copy, ttl.wrapping_sub(1)).expect("a view existed");
    wire::ip::set_tos(&mut copy, tos ^ 0x2E).expect("a view existed");
    let again = wire::ip::Packet::new_checked(&copy).expect("only TTL and TOS changed");
    assert_eq!((again.ttl, again.tos), (ttl.wrapping_sub(1), tos ^ 0x2E));
    assert_eq!(again.flow(), flow);

    let _ = wire::udp::Packet::new_checked(again.payload());
    let _ = wire::tcp::Packet::new_checked(again.payload());
    let _ = wire::icmp::Message::parse(again.payload());
});
