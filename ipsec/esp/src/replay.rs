//! The anti-replay window (RFC 4303 section 3.4.3 and appendix A), as a ring of 64-bit blocks.

use crate::Refusal;
use crate::esn::{self, Sequence};

/// Which of the newest sequence numbers were taken. Checking gives a [`Replay`], and only that can
/// be accepted: nothing unchecked is ever taken for seen.
pub struct Window {
    /// The highest number accepted: the right edge.
    top: u64,
    /// Numbers remembered, a multiple of 64; zero: nothing is refused.
    size: u64,
    esn: bool,
    /// A power of two of blocks, at least one more than the window covers, so that the block being filled is
    /// never one still needed.
    seen: Box<[u64]>,
}

/// Proof that a packet's sequence number may be taken, if the packet is authentic.
#[derive(Debug, PartialEq, Eq)]
pub struct Replay(Sequence);

impl Window {
    /// `size` is rounded up to 64, and cut to 4096; zero switches the check off. `top` is the highest
    /// number that counts as seen: zero for a new SA.
    pub fn new(size: u16, esn: bool, top: u64) -> Self {
        let size = u64::from(size).next_multiple_of(64).min(LARGEST);
        let blocks =
            usize::from(u16::try_from(size >> 6).unwrap_or_default()).saturating_add(1).next_power_of_two();
        let mut window = Self { top, size, esn, seen: vec![0; blocks].into() };
        window.mark(top);
        window
    }

    /// The highest number accepted.
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// Judges the 32 bits that travelled.
    pub fn check(&self, low: u32) -> Result<Replay, Refusal> {
        let value = if self.esn { self.infer(low).ok_or(Refusal::TooOld)? } else { u64::from(low) };
        if self.size > 0 && value <= self.top {
            if self.top.saturating_sub(value) >= self.size {
                return Err(Refusal::TooOld);
            }
            if self.is_marked(value) {
                return Err(Refusal::Replayed);
            }
        }
        Ok(Replay(Sequence { value, esn: self.esn }))
    }

    /// The packet of `replay` proved authentic: its number is taken.
    pub fn accept(&mut self, Replay(Sequence { value, .. }): Replay) {
        if value > self.top {
            self.slide(value);
        }
        // Another packet may have moved the window since the check.
        if self.top.saturating_sub(value) < self.size {
            self.mark(value);
        }
    }

    fn infer(&self, low: u32) -> Option<u64> {
        // Without a window, the nearest number is meant.
        let width = if self.size > 0 { self.size } else { 1 << 31 };
        esn::infer(self.top.saturating_sub(width.saturating_sub(1)), low)
    }

    /// Forgets the blocks that the new right edge enters.
    fn slide(&mut self, top: u64) {
        let (last, entered) = (top >> 6, (top >> 6).saturating_sub(self.top >> 6));
        for back in 0..entered.min(self.seen.len() as u64) {
            self.block(last.saturating_sub(back)).into_iter().for_each(|block| *block = 0);
        }
        self.top = top;
    }

    fn mark(&mut self, value: u64) {
        self.block(value >> 6).into_iter().for_each(|block| *block |= 1 << (value & 63));
    }

    fn is_marked(&self, value: u64) -> bool {
        self.seen.get(self.slot(value >> 6)).is_some_and(|block| block & 1 << (value & 63) != 0)
    }

    fn block(&mut self, number: u64) -> Option<&mut u64> {
        self.seen.get_mut(self.slot(number))
    }

    /// Where in the ring a block of numbers lives.
    const fn slot(&self, block: u64) -> usize {
        block as usize & self.seen.len().saturating_sub(1)
    }
}

impl Replay {
    pub(crate) const fn sequence(&self) -> Sequence {
        self.0
    }

    /// The whole number, high bits included.
    pub const fn value(&self) -> u64 {
        self.0.value
    }
}

/// The widest window in numbers.
const LARGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(window: &mut Window, low: u32) -> Result<u64, Refusal> {
        let replay = window.check(low)?;
        let value = replay.value();
        window.accept(replay);
        Ok(value)
    }

    #[test]
    fn a_number_is_taken_once_wherever_it_lies_in_the_window() {
        for size in [64, 128, 1024, 4096] {
            let mut window = Window::new(size, false, 0);
            let size = u32::from(size);
            assert_eq!(take(&mut window, 5000), Ok(5000));
            for low in (5001 - size..5000).rev() {
                assert_eq!(take(&mut window, low), Ok(u64::from(low)));
            }
            for low in 5001 - size..=5000 {
                assert_eq!(take(&mut window, low), Err(Refusal::Replayed), "{size} {low}");
            }
            assert_eq!(take(&mut window, 5000 - size), Err(Refusal::TooOld));
            assert_eq!(take(&mut window, 0), Err(Refusal::TooOld));
        }
    }

    #[test]
    fn zero_is_never_a_sequence_number_of_a_new_sa() {
        assert_eq!(Window::new(64, false, 0).check(0), Err(Refusal::Replayed));
        assert_eq!(Window::new(64, true, 0).check(0), Err(Refusal::Replayed));
    }

    #[test]
    fn a_check_alone_changes_nothing() {
        let window = Window::new(64, false, 10);
        assert!(window.check(4_000_000_000).is_ok());
        assert!(window.check(4_000_000_000).is_ok());
        assert_eq!(window.top(), 10);
    }

    #[test]
    fn sizes_are_rounded_up_to_64_and_cut_to_4096() {
        for (asked, oldest) in [(1, 10_000 - 63), (65, 10_000 - 127), (1024, 8977), (u16::MAX, 5905)] {
            let window = Window::new(asked, false, 10_000);
            assert!(window.check(oldest).is_ok(), "{asked}");
            assert_eq!(window.check(oldest - 1), Err(Refusal::TooOld), "{asked}");
        }
    }

    #[test]
    fn a_window_of_zero_refuses_nothing() {
        let mut window = Window::new(0, false, 0);
        for low in [7, 7, 0, u32::MAX, 1] {
            assert_eq!(take(&mut window, low), Ok(u64::from(low)));
        }
    }

    #[test]
    fn the_high_bits_step_with_the_low_ones_and_late_packets_keep_theirs() {
        let wrap = 1 << 32;
        let mut window = Window::new(64, true, wrap - 3);
        assert_eq!(take(&mut window, u32::MAX), Ok(wrap - 1));
        assert_eq!(take(&mut window, 1), Ok(wrap + 1), "the first behind the step");
        assert_eq!(take(&mut window, u32::MAX - 1), Ok(wrap - 2), "late, from before the step");
        assert_eq!(take(&mut window, u32::MAX - 1), Err(Refusal::Replayed));
        assert_eq!(take(&mut window, 0), Ok(wrap));
        assert_eq!(take(&mut window, 1), Err(Refusal::Replayed));
        assert_eq!(window.top(), wrap + 1);
    }

    #[test]
    fn without_a_window_the_nearest_extended_number_is_meant() {
        let wrap = 1_u64 << 32;
        let mut window = Window::new(0, true, 5 * wrap);
        assert_eq!(take(&mut window, u32::MAX), Ok(5 * wrap - 1));
        assert_eq!(take(&mut window, 9), Ok(5 * wrap + 9));
    }

    #[test]
    fn nothing_comes_after_the_last_extended_number() {
        let mut window = Window::new(64, true, u64::MAX - 1);
        assert_eq!(take(&mut window, u32::MAX), Ok(u64::MAX));
        assert_eq!(take(&mut window, 0), Err(Refusal::TooOld));
    }

    /// The window against a plain set, over jumps of every size.
    #[test]
    fn it_agrees_with_a_set_of_everything_seen() {
        for size in [64_u64, 192, 1024, 4096] {
            let mut window = Window::new(u16::try_from(size).unwrap(), false, 0);
            let (mut seen, mut top, mut state) = (std::collections::BTreeSet::from([0]), 0_u64, 1_u64);
            for _ in 0..20_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let reach = 1 << (state >> 60);
                let value = (top + (state >> 20) % reach).saturating_sub((state >> 40) % (size + 70));
                let expected = if value + size <= top {
                    Err(Refusal::TooOld)
                } else if seen.insert(value) {
                    Ok(value)
                } else {
                    Err(Refusal::Replayed)
                };
                assert_eq!(take(&mut window, u32::try_from(value).unwrap()), expected);
                top = top.max(value);
            }
        }
    }
}
