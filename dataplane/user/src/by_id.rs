//! What ids name: ids are given out from zero upwards, so pages of places find each in two steps.

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

#[cfg(test)]
mod tests {
    use super::*;

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
