//! Super-frames and what becomes of them.

use super::*;
use std::net::IpAddr;

const TCP: u8 = tcp::PROTOCOL;

/// An Ethernet frame with an IP packet of `family` around `upper`.
fn frame(family: Family, protocol: u8, upper: &[u8]) -> Vec<u8> {
    let ethertype = if family == Family::V4 { ethernet::IPV4 } else { ethernet::IPV6 };
    let mut bytes = ethernet::Header { dst: [2; 6], src: [4; 6], ethertype }.to_bytes().to_vec();
    match family {
        Family::V4 => {
            let (src, dst, length) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), upper.len());
            let header =
                ipv4::Header { tos: 2, ident: 0xFFFE, df: true, ttl: 64, protocol, src, dst, length };
            bytes.resize(14 + ipv4::HEADER, 0);
            header.emit(&mut bytes[14..]).unwrap();
        }
        Family::V6 => {
            let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
            let length = upper.len();
            let header = ipv6::Header { traffic_class: 2, hop_limit: 64, next: protocol, src, dst, length };
            bytes.resize(14 + ipv6::HEADER, 0);
            header.emit(&mut bytes[14..]).unwrap();
        }
    }
    bytes.extend_from_slice(upper);
    bytes
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

/// Twelve bytes of options; FIN, PSH, ACK and CWR.
fn tcp_segment(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1F, 0x90, 0, 80, 0xFF, 0xFF, 0xFF, 0x00, 0, 0, 0, 1, 8 << 4, 0x99, 0xFF, 0xFF];
    bytes.extend([0xDE, 0xAD, 0, 0]);
    bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    bytes.extend_from_slice(payload);
    bytes
}

fn udp_datagram(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; udp::HEADER];
    udp::emit(&mut bytes, 1000, 2000, payload.len()).unwrap();
    bytes.extend_from_slice(payload);
    bytes
}

fn kind(family: Family) -> SegmentKind {
    if family == Family::V4 { SegmentKind::TcpV4 } else { SegmentKind::TcpV6 }
}

/// Every segment, written whole into a buffer of its own.
fn cut(frame: &[u8], kind: SegmentKind, size: usize) -> Vec<Vec<u8>> {
    let cut = Cut::new(frame, Segments { kind, size }).unwrap();
    let write = |number| {
        let mut out = vec![0xEE; 2000];
        let length = cut.write(frame, number, &mut out)?;
        out.truncate(length);
        Some(out)
    };
    assert_eq!(write(cut.count()), None);
    (0..cut.count()).map(|number| write(number).unwrap()).collect()
}

fn transport_is_intact(packet: &ip::Packet<'_>) -> bool {
    let length = u32::try_from(packet.payload().len()).unwrap();
    pseudo(packet.src, packet.dst, packet.protocol, length).with(packet.payload()).is_intact()
}

#[test]
fn tcp_segments_are_whole_packets_that_join_to_the_super_frame() {
    for family in Family::BOTH {
        let data = payload(3000);
        let segments = cut(&frame(family, TCP, &tcp_segment(&data)), kind(family), 1400);
        assert_eq!(segments.len(), 3);
        let mut joined = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            let packet = ip::Packet::new_checked(&segment[14..]).unwrap();
            assert_eq!(packet.bytes.len() + 14, segment.len());
            assert!(transport_is_intact(&packet), "{family:?} {number}");
            let tcp = tcp::Packet::new_checked(packet.payload()).unwrap();
            assert_eq!(tcp.sequence(), 0xFFFF_FF00u32.wrapping_add(number as u32 * 1400));
            let (first, last) = (number == 0, number == 2);
            assert_eq!(tcp.flags() & tcp::CWR != 0, first);
            assert_eq!(tcp.flags() & (tcp::FIN | tcp::PSH), if last { 9 } else { 0 });
            assert_eq!((tcp.flags() & 0x10, tcp.options().len()), (0x10, 12));
            joined.extend_from_slice(tcp.payload());
        }
        assert_eq!(joined, data);
    }
}

#[test]
fn each_v4_segment_has_the_next_identification_and_a_right_header_checksum() {
    let segments = cut(&frame(Family::V4, TCP, &tcp_segment(&payload(2801))), SegmentKind::TcpV4, 1400);
    let idents = segments.iter().map(|segment| {
        let packet = ipv4::Packet::new_checked(&segment[14..]).unwrap();
        assert!(packet.is_intact() && packet.df());
        packet.ident()
    });
    assert_eq!(idents.collect::<Vec<_>>(), [0xFFFE, 0xFFFF, 0]);
}

#[test]
fn udp_datagrams_get_their_own_length_and_checksum() {
    for family in Family::BOTH {
        let data = payload(2500);
        let segments = cut(&frame(family, udp::PROTOCOL, &udp_datagram(&data)), SegmentKind::Udp, 1000);
        let mut joined = Vec::new();
        for segment in &segments {
            let packet = ip::Packet::new_checked(&segment[14..]).unwrap();
            let datagram = udp::Packet::new_checked(packet.payload()).unwrap();
            assert_eq!(datagram.payload().len() + 8, packet.payload().len());
            assert!(datagram.checksum() != 0 && datagram.is_intact(packet.src, packet.dst));
            joined.extend_from_slice(datagram.payload());
        }
        assert_eq!((segments.len(), joined), (3, data));
    }
}

#[test]
fn link_padding_is_not_payload_and_an_exact_fit_makes_no_empty_segment() {
    let mut bytes = frame(Family::V4, TCP, &tcp_segment(&payload(2800)));
    bytes.extend([0xAB; 6]);
    assert_eq!(cut(&bytes, SegmentKind::TcpV4, 1400).iter().map(Vec::len).collect::<Vec<_>>(), [1466, 1466]);
    let empty = frame(Family::V4, TCP, &tcp_segment(&[]));
    assert_eq!(cut(&empty, SegmentKind::TcpV4, 1400).len(), 1);
}

#[test]
fn a_partial_checksum_is_completed() {
    let (src, dst): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    for data in [payload(333), payload(1)] {
        let mut bytes = frame(Family::V4, udp::PROTOCOL, &udp_datagram(&data));
        let length = u32::try_from(data.len() + 8).unwrap();
        let partial = pseudo(src, dst, udp::PROTOCOL, length).partial();
        bytes[40..42].copy_from_slice(&partial.to_be_bytes());
        complete(&mut bytes, PartialChecksum { start: 34, offset: 6 }).unwrap();
        assert!(transport_is_intact(&ip::Packet::new_checked(&bytes[14..]).unwrap()));
    }
}

#[test]
fn a_checksum_outside_the_frame_is_refused() {
    for (start, offset) in [(61, 0), (34, 26), (34, 25), (usize::MAX, 2), (2, usize::MAX)] {
        assert_eq!(complete(&mut [0; 60], PartialChecksum { start, offset }), None, "{start} {offset}");
    }
}

#[test]
fn what_is_no_super_frame_of_its_kind_is_refused() {
    let good = frame(Family::V4, TCP, &tcp_segment(&payload(100)));
    let new = |bytes: &[u8], kind, size| Cut::new(bytes, Segments { kind, size });
    assert!(new(&good, SegmentKind::TcpV4, 50).is_some());
    assert_eq!(new(&good, SegmentKind::TcpV4, 0), None);
    for kind in [SegmentKind::TcpV6, SegmentKind::Udp, SegmentKind::Unknown] {
        assert_eq!(new(&good, kind, 50), None);
    }
    let mut fragment = good.clone();
    ipv4::PacketMut::new_checked(&mut fragment[14..]).unwrap().set_fragment(8, true);
    assert_eq!(new(&fragment, SegmentKind::TcpV4, 50), None);
    for length in 0..good.len() {
        assert_eq!(new(&good[..length], SegmentKind::TcpV4, 50), None, "{length}");
    }
}

#[test]
fn a_segment_that_does_not_fit_its_buffer_is_refused() {
    let bytes = frame(Family::V4, TCP, &tcp_segment(&payload(100)));
    let cut = Cut::new(&bytes, Segments { kind: SegmentKind::TcpV4, size: 50 }).unwrap();
    assert_eq!(cut.write(&bytes, 0, &mut [0; 115]), None);
    assert_eq!(cut.write(&bytes, 0, &mut [0; 116]), Some(116));
}
