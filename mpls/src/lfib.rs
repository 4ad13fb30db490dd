//! The table that labelled packets are looked up in: two array accesses, RFC 3031 section 3.11.

use core::array::from_fn;
use core::fmt;

use base::Label;

const PAGE: usize = 256;

type Page<T> = Box<[Option<T>; PAGE]>;

/// What to do with each incoming label. Labels near each other share a page; a page without labels
/// owns no memory.
#[derive(Clone)]
pub struct Lfib<T> {
    pages: Vec<Option<Page<T>>>,
    length: usize,
}

impl<T> Default for Lfib<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), length: 0 }
    }
}

impl<T> Lfib<T> {
    pub fn lookup(&self, label: Label) -> Option<&T> {
        let (page, slot) = place(label);
        self.pages.get(page)?.as_ref()?.get(slot)?.as_ref()
    }

    /// Sets what a label means; gives what it meant.
    pub fn insert(&mut self, label: Label, value: T) -> Option<T> {
        let (page, slot) = place(label);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let slots = self.pages.get_mut(page)?.get_or_insert_with(|| Box::new(from_fn(|_| None)));
        let old = slots.get_mut(slot)?.replace(value);
        self.length += usize::from(old.is_none());
        old
    }

    /// Takes a label out; gives what it meant.
    pub fn remove(&mut self, label: Label) -> Option<T> {
        let (page, slot) = place(label);
        let page = self.pages.get_mut(page)?;
        let slots = page.as_mut()?;
        let old = slots.get_mut(slot)?.take()?;
        self.length -= 1;
        if slots.iter().all(Option::is_none) {
            *page = None;
        }
        Some(old)
    }

    /// In order of label.
    pub fn iter(&self) -> impl Iterator<Item = (Label, &T)> {
        let slots = self.pages.iter().zip(0u32..).filter_map(|(page, number)| Some((page.as_ref()?, number)));
        slots.flat_map(|(page, number)| {
            let values = page.iter().zip(number * 256..);
            values.filter_map(|(value, label)| Some((Label::new(label)?, value.as_ref()?)))
        })
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<T> FromIterator<(Label, T)> for Lfib<T> {
    fn from_iter<I: IntoIterator<Item = (Label, T)>>(labels: I) -> Self {
        let mut lfib = Self::default();
        labels.into_iter().for_each(|(label, value)| drop(lfib.insert(label, value)));
        lfib
    }
}

impl<T: fmt::Debug> fmt::Debug for Lfib<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Twenty bits fit a usize anywhere this runs.
fn place(label: Label) -> (usize, usize) {
    let value = label.value() as usize;
    (value / PAGE, value % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    #[test]
    fn every_label_has_its_own_place() {
        let values = [0, 3, 16, 255, 256, 257, 100_000, 0xF_FFFF];
        let mut lfib: Lfib<u32> = values.iter().map(|value| (label(*value), *value)).collect();
        assert_eq!(
            lfib.iter().map(|(label, value)| (label.value(), *value)).collect::<Vec<_>>(),
            values.map(|v| (v, v))
        );
        assert_eq!((lfib.len(), lfib.lookup(label(17)), lfib.lookup(label(258))), (8, None, None));
        assert_eq!(lfib.insert(label(16), 7), Some(16));
        assert_eq!((lfib.len(), lfib.lookup(label(16))), (8, Some(&7)));
    }

    #[test]
    fn a_removed_label_means_nothing_and_an_empty_page_goes() {
        let mut lfib: Lfib<u8> = [(label(300), 1), (label(301), 2)].into_iter().collect();
        assert_eq!(
            (lfib.remove(label(300)), lfib.remove(label(300)), lfib.remove(label(9999))),
            (Some(1), None, None)
        );
        assert_eq!((lfib.lookup(label(300)), lfib.lookup(label(301))), (None, Some(&2)));
        assert_eq!(lfib.remove(label(301)), Some(2));
        assert!(lfib.is_empty() && lfib.pages.iter().all(Option::is_none));
    }
}
