//! The control packet, RFC 5880 section 4.1, and what of it can be judged without a session, section 6.8.6.

use core::time::Duration;

use crate::{Refusal, State};

/// Octets without an authentication section.
pub(crate) const LENGTH: usize = 24;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub diagnostic: u8,
    pub state: State,
    pub poll: bool,
    pub last: bool,
    pub demand: bool,
    pub multiplier: u8,
    pub mine: u32,
    pub yours: u32,
    pub transmit: Duration,
    pub receive: Duration,
}

impl Packet {
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let (&[first, flags, multiplier, length, rest @ ..], _) =
            bytes.split_first_chunk::<LENGTH>().ok_or(Refusal::Malformed)?;
        let length = usize::from(length);
        if first >> 5 != VERSION {
            return Err(Refusal::Version);
        }
        if flags & AUTHENTICATED != 0 {
            return Err(Refusal::Authenticated);
        }
        let [m0, m1, m2, m3, y0, y1, y2, y3, t0, t1, t2, t3, r0, r1, r2, r3, ..] = rest;
        let [mine, yours] = [[m0, m1, m2, m3], [y0, y1, y2, y3]].map(u32::from_be_bytes);
        let [transmit, receive] = [[t0, t1, t2, t3], [r0, r1, r2, r3]].map(micros);
        let (poll, last) = (flags & POLL != 0, flags & FINAL != 0);
        let malformed = length < LENGTH || length > bytes.len() || multiplier == 0 || mine == 0;
        if malformed || flags & MULTIPOINT != 0 || (poll && last) {
            return Err(Refusal::Malformed);
        }
        let state = state(flags >> 6);
        if yours == 0 && !matches!(state, State::Down | State::AdminDown) {
            return Err(Refusal::NoDiscriminator);
        }
        let (diagnostic, demand) = (first & 0x1F, flags & DEMAND != 0);
        Ok(Self { diagnostic, state, poll, last, demand, multiplier, mine, yours, transmit, receive })
    }

    pub fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL) | flag(self.last, FINAL) | flag(self.demand, DEMAND);
        let mut bytes =
            vec![VERSION << 5 | self.diagnostic, number(self.state) << 6 | flags, self.multiplier, 24];
        let times = [self.transmit, self.receive, Duration::ZERO];
        let times = times.map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        for word in [self.mine, self.yours].into_iter().chain(times) {
            bytes.extend(word.to_be_bytes());
        }
        bytes
    }
}

fn micros(bytes: [u8; 4]) -> Duration {
    Duration::from_micros(u32::from_be_bytes(bytes).into())
}

fn number(state: State) -> u8 {
    match state {
        State::AdminDown => 0,
        State::Down => 1,
        State::Init => 2,
        State::Up => 3,
    }
}

fn state(number: u8) -> State {
    match number {
        0 => State::AdminDown,
        1 => State::Down,
        2 => State::Init,
        _ => State::Up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: [u8; LENGTH] = [
        0x23, 0xE0, 3, 24, 0, 0, 0, 7, 0xDE, 0xAD, 0xBE, 0xEF, 0, 0, 0xC3, 0x50, 0, 1, 0x86, 0xA0, 0, 0, 0, 0,
    ];

    #[test]
    fn a_packet_reads_as_the_rfc_draws_it_and_is_written_back_the_same() {
        let packet = Packet::decode(&UP).unwrap();
        assert_eq!(
            packet,
            Packet {
                diagnostic: 3,
                state: State::Up,
                poll: true,
                last: false,
                demand: false,
                multiplier: 3,
                mine: 7,
                yours: 0xDEAD_BEEF,
                transmit: Duration::from_millis(50),
                receive: Duration::from_millis(100),
            }
        );
        assert_eq!(packet.encode(), UP);
    }

    #[test]
    fn what_needs_no_session_to_be_wrong_is_refused_by_name() {
        let with = |at: usize, value: u8| {
            let mut bytes = UP;
            bytes[at] = value;
            Packet::decode(&bytes)
        };
        assert_eq!(with(0, 0x43), Err(Refusal::Version));
        assert_eq!(with(1, 0xC4), Err(Refusal::Authenticated));
        assert_eq!(with(1, 0xC1), Err(Refusal::Malformed));
        assert_eq!(with(1, 0xF0), Err(Refusal::Malformed));
        assert_eq!(with(2, 0), Err(Refusal::Malformed));
        assert_eq!(with(3, 23), Err(Refusal::Malformed));
        assert_eq!(with(3, 25), Err(Refusal::Malformed));
        assert_eq!(with(7, 0), Err(Refusal::Malformed));
        (0..LENGTH).for_each(|end| assert_eq!(Packet::decode(&UP[..end]), Err(Refusal::Malformed)));
        let mut nobody = UP;
        nobody[8..12].fill(0);
        assert_eq!(Packet::decode(&nobody), Err(Refusal::NoDiscriminator));
        nobody[1] = 0x40;
        assert!(Packet::decode(&nobody).is_ok());
    }
}
