//! Which frames a packet socket hears of, decided before a frame is queued or anybody woken.

use std::net::IpAddr;

use crate::filter::Step;
use crate::filter::To::{Leave, Next, Over, Pass};
use crate::filter::{
    IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, INDEX_BY_HEADER, LOAD_8, LOAD_16, LOAD_16_INDEXED, LOAD_32,
    LOAD_LENGTH,
};

/// ESP, bare and in UDP to port 4500 (RFC 4303, RFC 3948), behind IP headers without extensions.
pub(super) const ESP_ALONE: [Step; 14] = [
    (LOAD_16, Next, Next, ETHERTYPE),
    (IF_EQUAL, Over(1), Next, 0x0800),
    (IF_EQUAL, Over(6), Leave, 0x86DD),
    (LOAD_8, Next, Next, IP + 9),
    (IF_EQUAL, Pass, Next, ESP),
    (IF_EQUAL, Next, Leave, UDP),
    (INDEX_BY_HEADER, Next, Next, IP),
    (LOAD_16_INDEXED, Next, Next, IP + 2),
    (IF_EQUAL, Pass, Leave, NAT),
    (LOAD_8, Next, Next, IP + 6),
    (IF_EQUAL, Pass, Next, ESP),
    (IF_EQUAL, Next, Leave, UDP),
    (LOAD_16, Next, Next, IP + 40 + 2),
    (IF_EQUAL, Pass, Leave, NAT),
];

/// Beside a frame's bytes, linux/filter.h: for whom it is, and whether the kernel took a VLAN tag off it.
const KIND: u32 = 0xFFFF_F000 + 4;
const TAGGED: u32 = 0xFFFF_F000 + 48;

const ETHERTYPE: u32 = 12;
const IP: u32 = 14;
const UDP_V4: u32 = IP + 20;
const UDP_V6: u32 = IP + 40;
const UDP: u32 = 17;
const ESP: u32 = 50;
const IKE: u32 = 500;
const NAT: u32 = 4500;

/// Addresses that a program names at most: jumps reach no further than 255 steps.
const ADDRESSES: usize = 16;

/// Everything but what IKE's sockets take at these addresses: whole datagrams to port 500, and those to port 4500 behind
/// a non-ESP marker (RFC 3948 section 2.2), after IP headers without options. Of more than a few addresses the later ones
/// are heard of in full.
pub(super) fn all_but_ike(own: &[IpAddr]) -> Vec<Step> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in own.iter().take(ADDRESSES) {
        match address {
            IpAddr::V4(address) => v4.push((IF_EQUAL, Next, Over(1), u32::from(*address))),
            IpAddr::V6(address) => v6.push(address.octets()),
        }
    }
    // The first of them that it is leads past all others.
    let others = v4.len();
    for (at, step) in v4.iter_mut().enumerate() {
        let over = |steps: usize| Over(u8::try_from(steps).unwrap_or(u8::MAX));
        (step.1, step.2) = (over(others - at - 1), if at + 1 == others { Pass } else { Next });
    }
    if v4.is_empty() {
        v4.push((IF_AT_LEAST, Pass, Pass, 0));
    }
    let v4 = [&V4[..], &v4, &ike(UDP_V4)].concat();
    let to_v6 = Over(u8::try_from(v4.len()).unwrap_or(u8::MAX));
    let start = [
        (LOAD_LENGTH, Next, Next, 0),
        (IF_AT_LEAST, Next, Pass, UDP_V4 + 12),
        (LOAD_32, Next, Next, KIND),
        (IF_EQUAL, Next, Pass, 0),
        (LOAD_32, Next, Next, TAGGED),
        (IF_EQUAL, Next, Pass, 0),
        (LOAD_16, Next, Next, ETHERTYPE),
        (IF_EQUAL, Next, to_v6, 0x0800),
    ];
    let named = v6.iter().enumerate().flat_map(|(at, octets)| is_v6(*octets, v6.len() - at - 1));
    let none = (IF_AT_LEAST, Pass, Pass, 0);
    start.into_iter().chain(v4).chain(V6).chain(named).chain([none]).chain(ike(UDP_V6)).collect()
}

/// Behind a header of IPv4 alone, not a fragment, to:
const V4: [Step; 7] = [
    (LOAD_8, Next, Next, IP),
    (IF_EQUAL, Next, Pass, 0x45),
    (LOAD_8, Next, Next, IP + 9),
    (IF_EQUAL, Next, Pass, UDP),
    (LOAD_16, Next, Next, IP + 6),
    (IF_ANY_BIT, Pass, Next, 0x3FFF),
    (LOAD_32, Next, Next, IP + 16),
];

const V6: [Step; 5] = [
    (IF_EQUAL, Next, Pass, 0x86DD),
    (LOAD_8, Next, Next, IP + 6),
    (IF_EQUAL, Next, Pass, UDP),
    (LOAD_LENGTH, Next, Next, 0),
    (IF_AT_LEAST, Next, Pass, UDP_V6 + 12),
];

/// If the destination is this one, past the `others` and the step that ends their list.
fn is_v6(octets: [u8; 16], others: usize) -> [Step; 8] {
    let past = Over(u8::try_from(others * 8 + 1).unwrap_or(u8::MAX));
    let words: [u32; 4] = std::array::from_fn(|at| {
        let at = at * 4;
        u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
    });
    let load = |at| (LOAD_32, Next, Next, IP + 24 + at);
    [
        load(0),
        (IF_EQUAL, Next, Over(6), words[0]),
        load(4),
        (IF_EQUAL, Next, Over(4), words[1]),
        load(8),
        (IF_EQUAL, Next, Over(2), words[2]),
        load(12),
        (IF_EQUAL, past, Next, words[3]),
    ]
}

/// The last word on a datagram to one of ours.
const fn ike(udp: u32) -> [Step; 5] {
    [
        (LOAD_16, Next, Next, udp + 2),
        (IF_EQUAL, Leave, Next, IKE),
        (IF_EQUAL, Next, Pass, NAT),
        (LOAD_32, Next, Next, udp + 8),
        (IF_EQUAL, Leave, Pass, 0),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::filter::attach;

    /// Whether the kernel lets this frame through.
    fn passes(steps: &[Step], frame: &[u8]) -> bool {
        let (from, to) = UnixDatagram::pair().unwrap();
        to.set_nonblocking(true).unwrap();
        attach(&to, steps).unwrap();
        from.send(frame).unwrap();
        to.recv(&mut [0; 128]).is_ok()
    }

    fn datagram(to: IpAddr, port: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        match to {
            IpAddr::V4(to) => {
                frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 9]);
                frame.extend(to.octets());
            }
            IpAddr::V6(to) => {
                frame.extend([0x86, 0xDD, 0x60, 0, 0, 0, 0, 0, 17, 64]);
                frame.extend([0xFD; 16]);
                frame.extend(to.octets());
            }
        }
        frame.extend([1, 244]);
        frame.extend(port.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    const MARKED: [u8; 12] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
    const SEALED: [u8; 12] = [0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1];

    #[test]
    fn ike_to_our_own_addresses_is_left_to_the_kernel_and_nothing_else() {
        let own: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.3"]
            .map(|address| address.parse().unwrap())
            .into();
        for count in 0..=own.len() {
            let program = all_but_ike(&own[..count]);
            for (at, address) in own.iter().enumerate() {
                let passes = |port, payload| passes(&program, &datagram(*address, port, payload));
                assert_eq!(passes(500, &SEALED), at >= count, "{address}, {count} named");
                assert_eq!(passes(4500, &MARKED), at >= count, "{address}, {count} named");
                assert!(passes(4500, &SEALED) && passes(501, &MARKED) && passes(53, &MARKED));
            }
            for other in ["192.0.2.4", "2001:db8::3", "2001:db9::1"] {
                assert!(passes(&program, &datagram(other.parse().unwrap(), 500, &MARKED)));
            }
        }
    }

    #[test]
    fn what_the_graph_has_to_join_or_to_judge_passes() {
        let own = ["192.0.2.1".parse().unwrap()];
        let program = all_but_ike(&own);
        let altered = |at: usize, octet: u8| {
            let mut frame = datagram(own[0], 500, &MARKED);
            frame[at] = octet;
            passes(&program, &frame)
        };
        assert!(!altered(20, 0x40), "an unaltered one stays");
        assert!(altered(20, 0x20) && altered(21, 1), "fragments");
        assert!(altered(14, 0x46), "options");
        assert!(altered(23, 6), "TCP");
        let whole = datagram(own[0], 500, &MARKED);
        assert!((1..46).all(|length| passes(&program, &whole[..length])), "cut short");
    }

    #[test]
    fn the_longest_program_is_one_that_the_kernel_takes() {
        let own: Vec<IpAddr> = (0..100).map(|number| std::net::Ipv6Addr::from(number).into()).collect();
        let program = all_but_ike(&own);
        assert!(program.len() < 255);
        assert!(!passes(&program, &datagram(own[0], 500, &MARKED)));
        assert!(!passes(&program, &datagram(own[ADDRESSES - 1], 500, &MARKED)));
        assert!(passes(&program, &datagram(own[ADDRESSES], 500, &MARKED)));
    }

    #[test]
    fn esp_alone_is_esp_bare_and_in_udp() {
        for to in ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap()) {
            let passes = |port, protocol: u8| {
                let mut frame = datagram(to, port, &SEALED);
                frame[if to.is_ipv4() { 23 } else { 20 }] = protocol;
                passes(&ESP_ALONE, &frame)
            };
            assert!(passes(4500, 17) && passes(0, 50));
            assert!(!passes(500, 17) && !passes(4500, 6));
        }
    }
}
