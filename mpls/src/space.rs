//! Who hands out our labels: the range to take them from, and what is bound by hand.

use core::fmt;
use core::ops::RangeInclusive;
use std::collections::BTreeSet;

use base::Label;

/// The platform-wide label space, RFC 3031 section 3.14. No label is in two hands at once.
#[derive(Clone, Debug)]
pub struct LabelSpace {
    range: (Label, Label),
    /// Bound by hand, in the range or out of it.
    bound: BTreeSet<Label>,
    allocated: BTreeSet<Label>,
    /// Where the next search begins: a label rests as long as possible after its release.
    next: Label,
}

/// Why a label cannot be bound by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its meaning is fixed, RFC 3032 section 2.1.
    Reserved,
    /// Another hand has it.
    Taken,
}

impl Default for LabelSpace {
    fn default() -> Self {
        Self::new(Label::FIRST..=Label::LAST)
    }
}

impl LabelSpace {
    /// Reserved labels in `range` are never handed out; an empty range hands out nothing.
    pub fn new(range: RangeInclusive<Label>) -> Self {
        let (first, last) = range.into_inner();
        let first = first.max(Label::FIRST);
        Self { range: (first, last), bound: BTreeSet::new(), allocated: BTreeSet::new(), next: first }
    }

    /// Takes a label out of reach of [`allocate`](Self::allocate).
    pub fn bind(&mut self, label: Label) -> Result<(), Refused> {
        if label.is_reserved() {
            return Err(Refused::Reserved);
        }
        if self.is_taken(label) {
            return Err(Refused::Taken);
        }
        self.bound.insert(label);
        Ok(())
    }

    /// A label nobody has; `None`: all of the range are taken.
    pub fn allocate(&mut self) -> Option<Label> {
        let (first, last) = self.range;
        let ahead = self.next.value()..=last.value();
        let behind = first.value()..=last.value();
        let label = ahead.chain(behind).filter_map(Label::new).find(|label| !self.is_taken(*label))?;
        self.allocated.insert(label);
        self.next = Label::new(label.value() + 1).filter(|next| *next <= last).unwrap_or(first);
        Some(label)
    }

    /// Gives a label back, bound or allocated; `false` if nobody had it.
    pub fn release(&mut self, label: Label) -> bool {
        self.bound.remove(&label) || self.allocated.remove(&label)
    }

    pub fn is_taken(&self, label: Label) -> bool {
        self.bound.contains(&label) || self.allocated.contains(&label)
    }

    /// Changes what is handed out from now on; labels in use stay with who has them.
    pub fn set_range(&mut self, range: RangeInclusive<Label>) {
        let (first, last) = range.into_inner();
        self.range = (first.max(Label::FIRST), last);
        self.next = self.range.0;
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "labels 0 to 15 are reserved",
            Self::Taken => "the label is in use",
        })
    }
}

impl core::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    #[test]
    fn a_label_is_in_one_hand_only_and_rests_after_release() {
        let mut space = LabelSpace::new(label(0)..=label(19));
        space.bind(label(17)).unwrap();
        assert_eq!(space.allocate(), Some(label(16)));
        assert_eq!(space.allocate(), Some(label(18)));
        assert!(space.release(label(16)) && !space.release(label(16)));
        assert_eq!(space.allocate(), Some(label(19)));
        assert_eq!(space.allocate(), Some(label(16)));
        assert_eq!(space.allocate(), None);
        assert!(space.release(label(17)));
        assert_eq!(space.allocate(), Some(label(17)));
    }

    #[test]
    fn reserved_and_taken_labels_cannot_be_bound() {
        let mut space = LabelSpace::default();
        assert_eq!(space.bind(Label::IMPLICIT_NULL), Err(Refused::Reserved));
        assert_eq!(space.allocate(), Some(Label::FIRST));
        assert_eq!(space.bind(Label::FIRST), Err(Refused::Taken));
        assert_eq!(space.bind(label(20)), Ok(()));
        assert_eq!(space.bind(label(20)), Err(Refused::Taken));
    }

    #[test]
    fn an_empty_range_hands_out_nothing_and_a_new_one_leaves_labels_in_use_alone() {
        let mut space = LabelSpace::new(label(0)..=label(15));
        assert_eq!(space.allocate(), None);
        space.set_range(label(100)..=label(100));
        assert_eq!(space.allocate(), Some(label(100)));
        space.set_range(label(100)..=label(101));
        assert_eq!((space.allocate(), space.allocate()), (Some(label(101)), None));
        space.set_range(Label::LAST..=Label::LAST);
        assert_eq!((space.allocate(), space.allocate()), (Some(Label::LAST), None));
    }
}
