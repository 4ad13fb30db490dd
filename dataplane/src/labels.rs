//! A label stack that needs no memory of its own.

use std::fmt;
use std::ops::Deref;

use base::Label;

/// At most [`Labels::MOST`] labels, outermost first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Those beyond `count` are [`UNUSED`], so that equal stacks compare equal.
    labels: [Label; Self::MOST],
    count: u8,
}

const UNUSED: Label = Label::IMPLICIT_NULL;

impl Labels {
    /// A transport label, one for a tunnelled transport, one of a VPN, and one to spare.
    pub const MOST: usize = 4;

    /// `None`: more than fit.
    pub fn of(labels: &[Label]) -> Option<Self> {
        labels.iter().try_fold(Self::default(), |stack, label| stack.with_inner(*label))
    }

    /// This stack with one more label beneath; `None`: it is full.
    pub fn with_inner(mut self, label: Label) -> Option<Self> {
        *self.labels.get_mut(usize::from(self.count))? = label;
        self.count += 1;
        Some(self)
    }

    /// As it goes on the wire: implicit null never does (RFC 3032 section 2.1).
    #[must_use]
    pub fn without_nulls(self) -> Self {
        let real = self.iter().filter(|label| **label != Label::IMPLICIT_NULL);
        real.fold(Self::default(), |stack, label| stack.with_inner(*label).unwrap_or(stack))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self { labels: [UNUSED; Self::MOST], count: 0 }
    }
}

impl Deref for Labels {
    type Target = [Label];

    fn deref(&self) -> &[Label] {
        self.labels.get(..usize::from(self.count)).unwrap_or_default()
    }
}

impl<const N: usize> From<[Label; N]> for Labels {
    fn from(labels: [Label; N]) -> Self {
        const { assert!(N <= Self::MOST, "too many labels for a stack") };
        Self::of(&labels).unwrap_or_default()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    #[test]
    fn a_stack_grows_inward_up_to_its_size() {
        let stack = Labels::from([label(100), label(200), label(300)]);
        let full = stack.with_inner(label(400)).unwrap();
        assert_eq!(full[..], [label(100), label(200), label(300), label(400)]);
        assert_eq!(full.with_inner(label(500)), None);
        assert_eq!(Labels::of(&full), Some(full));
    }

    #[test]
    fn implicit_null_is_left_out_and_does_not_make_a_stack_another() {
        let php = Labels::from([Label::IMPLICIT_NULL, label(200)]);
        assert_eq!(php.without_nulls(), Labels::from([label(200)]));
        assert_ne!(Labels::from([Label::IMPLICIT_NULL]), Labels::default());
        assert!(Labels::from([Label::IMPLICIT_NULL]).without_nulls().is_empty());
    }
}
