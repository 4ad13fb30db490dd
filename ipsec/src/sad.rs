//! The SPI space: an inbound SPI is an index, unique over all front VRFs.

use base::Spi;

/// Owner of the slots behind inbound SPIs. A SPI is 20 bits of slot and 12 random bits, so a
/// lookup is one array access and one compare. Slot 0 is never given out: SPIs below 256 are
/// reserved (RFC 4303 section 2.1).
#[derive(Default)]
pub struct Sad {
    /// The SPI that holds each slot, by slot number less one.
    slots: Vec<Option<Spi>>,
    free: Vec<u32>,
}

impl Sad {
    pub const RANDOM_BITS: u32 = 12;
    pub const CAPACITY: u32 = (1 << 20) - 1;

    pub const fn slot(spi: Spi) -> u32 {
        spi.0 >> Self::RANDOM_BITS
    }

    /// A SPI that no SA and no negotiation holds; `None` when every slot is taken.
    /// The low 12 bits of `random` make it hard to guess.
    pub fn reserve(&mut self, random: u32) -> Option<Spi> {
        let slot = self.free.pop().or_else(|| self.grow())?;
        let spi = Spi(slot << Self::RANDOM_BITS | random & ((1 << Self::RANDOM_BITS) - 1));
        *self.holder(slot)? = Some(spi);
        Some(spi)
    }

    /// Gives a SPI back; one that is not held is left alone.
    pub fn release(&mut self, spi: Spi) {
        let slot = Self::slot(spi);
        if let Some(holder) = self.holder(slot)
            && *holder == Some(spi)
        {
            *holder = None;
            self.free.push(slot);
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn grow(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.slots.len()).ok()? + 1;
        (slot <= Self::CAPACITY).then(|| self.slots.push(None)).map(|()| slot)
    }

    fn holder(&mut self, slot: u32) -> Option<&mut Option<Spi>> {
        self.slots.get_mut(usize::try_from(slot.checked_sub(1)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_holders_share_a_slot_and_no_spi_is_reserved_by_the_rfc() {
        let mut sad = Sad::default();
        let first = sad.reserve(0).unwrap();
        let second = sad.reserve(0).unwrap();
        assert!(first.0 >= 256 && second.0 >= 256);
        assert_ne!(Sad::slot(first), Sad::slot(second));
    }

    #[test]
    fn releasing_twice_frees_the_slot_once() {
        let mut sad = Sad::default();
        let spi = sad.reserve(7).unwrap();
        sad.release(spi);
        sad.release(spi);
        assert_eq!(sad.len(), 0);
        let again = sad.reserve(8).unwrap();
        let other = sad.reserve(9).unwrap();
        assert_ne!(Sad::slot(again), Sad::slot(other));
    }

    #[test]
    fn a_stale_spi_of_a_reused_slot_releases_nothing() {
        let mut sad = Sad::default();
        let stale = sad.reserve(1).unwrap();
        sad.release(stale);
        let current = sad.reserve(2).unwrap();
        sad.release(stale);
        assert_eq!(sad.len(), 1);
        assert_eq!(Sad::slot(stale), Sad::slot(current));
    }
}
