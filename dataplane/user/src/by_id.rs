//! What ids name: ids are given out from zero upwards, so pages of places find each in two steps.

use std::sync::Arc;

const PAGE: usize = 256;

type Page<T> = Box<[Option<T>; PAGE]>;

/// A page in which nothing is named owns no memory: old ids cost next to nothing.
#[derive(Clone)]
pub(crate) struct ById<T>(Vec<Option<Page<T>>>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ById<T> {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let (page, at) = place(id);
        self.0.get(page)?.as_ref()?.get(at)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let (page, at) = place(id);
        self.0.get_mut(page)?.as_mut()?.get_mut(at)?.as_mut()
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, id: u32, value: T) -> Option<T> {
        self.place(id).replace(value)
    }

    pub(crate) fn get_or_default(&mut self, id: u32) -> &mut T
    where
        T: Default,
    {
        self.place(id).get_or_insert_default()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let (page, at) = place(id);
        let page = self.0.get_mut(page)?;
        let places = page.as_mut()?;
        let old = places.get_mut(at)?.take()?;
        if places.iter().all(Option::is_none) {
            *page = None;
        }
        Some(old)
    }

    /// In order of id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten().flat_map(|page| page.iter().flatten())
    }

    /// In order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = self.0.iter().zip((0..).step_by(PAGE));
        let pages = pages.filter_map(|(page, first)| Some((page.as_ref()?, first)));
        pages.flat_map(|(page, first)| {
            page.iter().zip(first..).filter_map(|(value, id)| Some((id, value.as_ref()?)))
        })
    }

    /// In order of id.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let pages = self.0.iter_mut().zip((0..).step_by(PAGE));
        let pages = pages.filter_map(|(page, first)| Some((page.as_mut()?, first)));
        pages.flat_map(|(page, first)| {
            page.iter_mut().zip(first..).filter_map(|(value, id)| Some((id, value.as_mut()?)))
        })
    }

    fn place(&mut self, id: u32) -> &mut Option<T> {
        let (page, at) = place(id);
        if self.0.len() <= page {
            self.0.resize_with(page.saturating_add(1), || None);
        }
        #[allow(clippy::indexing_slicing, reason = "the page was made above, and every place lies in one")]
        &mut self.0[page].get_or_insert_with(|| Box::new([const { None }; PAGE]))[at]
    }
}

const fn place(id: u32) -> (usize, usize) {
    let id = id as usize;
    (id / PAGE, id % PAGE)
}

/// The same for what is published: a clone shares every page until one of the two changes it.
#[derive(Clone)]
pub(crate) struct Shared<T>(Vec<Option<Arc<[Option<T>; LEAF]>>>);

/// Small, because a change copies one.
const LEAF: usize = 64;

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Shared<T> {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let id = id as usize;
        self.0.get(id / LEAF)?.as_ref()?.get(id % LEAF)?.as_ref()
    }

    /// In order of id.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten().flat_map(|leaf| leaf.iter().flatten())
    }
}

impl<T: Clone> Shared<T> {
    /// What was there before.
    pub(crate) fn insert(&mut self, id: u32, value: T) -> Option<T> {
        self.place(id).replace(value)
    }

    pub(crate) fn get_or_default(&mut self, id: u32) -> &mut T
    where
        T: Default,
    {
        self.place(id).get_or_insert_default()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.get(id)?;
        let old = self.place(id).take();
        let leaf = self.0.get_mut(id as usize / LEAF)?;
        if leaf.as_ref().is_some_and(|leaf| leaf.iter().all(Option::is_none)) {
            *leaf = None;
        }
        old
    }

    fn place(&mut self, id: u32) -> &mut Option<T> {
        let (leaf, at) = (id as usize / LEAF, id as usize % LEAF);
        if self.0.len() <= leaf {
            self.0.resize_with(leaf.saturating_add(1), || None);
        }
        #[allow(clippy::indexing_slicing, reason = "the leaf was made above, and every place lies in one")]
        &mut Arc::make_mut(self.0[leaf].get_or_insert_with(|| Arc::new([const { None }; LEAF])))[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had_and_shares_every_page_but_the_changed_one() {
        let mut table = Shared::default();
        (0..200).for_each(|id| assert_eq!(table.insert(id, id), None));
        let before = table.clone();
        assert_eq!((table.insert(70, 0), table.remove(71), table.remove(500)), (Some(70), Some(71), None));
        assert_eq!(
            (before.get(70), before.get(71), table.get(70), table.get(71)),
            (Some(&70), Some(&71), Some(&0), None)
        );
        let shares = table
            .0
            .iter()
            .zip(&before.0)
            .map(|(now, then)| Arc::ptr_eq(now.as_ref().unwrap(), then.as_ref().unwrap()));
        assert_eq!(shares.collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!((64..128).filter_map(|id| table.remove(id)).count(), 63);
        assert!(table.0[1].is_none());
        assert_eq!((table.values().count(), before.values().count()), (136, 200));
    }

    #[test]
    fn every_id_has_its_own_place_and_an_empty_page_goes() {
        let mut table = ById::default();
        let ids = [0, 1, 255, 256, 70_000];
        assert!(ids.iter().all(|id| table.insert(*id, *id).is_none()));
        assert_eq!(table.insert(256, 7), Some(256));
        *table.get_mut(1).unwrap() = 9;
        assert_eq!(table.values().copied().collect::<Vec<_>>(), [0, 9, 255, 7, 70_000]);
        assert!(table.iter_mut().map(|(id, _)| id).eq(ids));
        assert_eq!((table.get(2), table.get(300), table.get(90_000)), (None, None, None));
        assert_eq!((table.remove(70_000), table.remove(70_000), table.remove(5)), (Some(70_000), None, None));
        assert!(table.0.last().unwrap().is_none());
    }
}
