//! What should be, minus what is, gives the ops: the same code for a rekey, a reload and a resync.

use std::collections::BTreeMap;

use crate::{Key, Object, Op};

/// Every object that a backend should hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Plan(BTreeMap<Key, Object>);

impl Plan {
    /// Puts `object` in; the op that says so, or `None` if it was there already.
    pub fn set(&mut self, object: Object) -> Option<Op> {
        let key = object.key();
        if self.0.get(&key) == Some(&object) {
            return None;
        }
        self.0.insert(key, object.clone());
        Some(Op::Set(object))
    }

    /// Takes the object at `key` out; the op that says so, or `None` if there was none.
    pub fn unset(&mut self, key: Key) -> Option<Op> {
        self.0.remove(&key).map(|_| Op::Unset(key))
    }

    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.0.get(key)
    }

    /// In order of dependency.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.0.values()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ops that lead from `self` to `wanted`, make before break: sets in order of dependency,
    /// then unsets in the reverse order.
    pub fn toward(&self, wanted: &Self) -> Vec<Op> {
        let sets = wanted.0.iter().filter(|(key, object)| self.0.get(key) != Some(object));
        let unsets = self.0.keys().rev().filter(|key| !wanted.0.contains_key(key));
        sets.map(|(_, object)| Op::Set(object.clone())).chain(unsets.map(|key| Op::Unset(*key))).collect()
    }
}

impl FromIterator<Object> for Plan {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        Self(objects.into_iter().map(|object| (object.key(), object)).collect())
    }
}
