//! What ids name. The control plane numbers from zero, so a vector finds each in one step.

#[derive(Clone)]
pub(crate) struct ById<T>(Vec<Option<T>>);

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ById<T> {
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.0.get(id as usize)?.as_ref()
    }

    /// The place of `id`, made if there is none.
    pub(crate) fn place(&mut self, id: u32) -> &mut Option<T> {
        let at = id as usize;
        if self.0.len() <= at {
            self.0.resize_with(at.saturating_add(1), || None);
        }
        #[allow(clippy::indexing_slicing, reason = "the line above made the place")]
        &mut self.0[at]
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.0.get_mut(id as usize)?.take()
    }

    /// In order of id.
    pub(crate) fn values(&self) -> core::iter::Flatten<core::slice::Iter<'_, Option<T>>> {
        self.0.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (0..).zip(&mut self.0).filter_map(|(id, place)| Some((id, place.as_mut()?)))
    }
}
