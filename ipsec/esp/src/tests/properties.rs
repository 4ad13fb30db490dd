//! What holds for every suite, size and number.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

proptest! {
    #[test]
    fn what_was_sealed_opens_to_the_same_bytes(
        suite in select(suites()),
        payload in vec(any::<u8>(), 0..1600),
        next_header: u8,
        esn: bool,
        window in 0_u16..4200,
        used in 0..u64::from(u32::MAX),
        high in 0_u64..5,
    ) {
        let sa = sa(suite, Replay { window, esn });
        let used = if esn { used | high << 32 } else { used };
        let mut outbound = Outbound::resume(&sa, used).unwrap();
        let mut inbound = Inbound::resume(&sa, used).unwrap();
        let (mut room, at) = room(&payload);
        let place = outbound.seal(&mut room, at, next_header).unwrap();
        prop_assert_eq!(place.len(), suite.sealed_len(payload.len()));
        prop_assert!(room[..place.start].iter().chain(&room[place.end..]).all(|&byte| byte == 0xEE));
        let packet = &room[place];
        prop_assert!(suite.cipher == Cipher::Null || payload.len() < 16
            || !packet.windows(payload.len()).any(|window| window == payload), "it went in clear");
        prop_assert_eq!(open(&mut inbound, packet), Ok((payload, next_header)));
        prop_assert_eq!(inbound.sequence(), outbound.sequence());
        if window > 0 {
            prop_assert_eq!(open(&mut inbound, packet), Err(Refusal::Replayed));
        }
    }

    #[test]
    fn junk_neither_panics_nor_moves_the_window(
        suite in select(suites()),
        mut packet in vec(any::<u8>(), 0..300),
        esn: bool,
        window in 0_u16..4200,
        top: u32,
    ) {
        let mut inbound = Inbound::resume(&sa(suite, Replay { window, esn }), top.into()).unwrap();
        prop_assert!(inbound.open(&mut packet).is_err());
        prop_assert_eq!(inbound.sequence(), u64::from(top));
    }

    #[test]
    fn any_room_and_range_is_sealed_or_refused(
        suite in select(suites()),
        mut room in vec(any::<u8>(), 0..200),
        start in 0_usize..220,
        end in 0_usize..220,
    ) {
        let mut outbound = Outbound::new(&sa(suite, Replay::DEFAULT)).unwrap();
        let sealed = outbound.seal(&mut room, start..end, 4);
        prop_assert_eq!(outbound.sequence(), u64::from(sealed.is_ok()));
        prop_assert!(sealed.is_ok_and(|place| place.end <= room.len()) || outbound.sequence() == 0);
    }
}
