//! Keys in a text: opened where they are of type 6, and written as such.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use base::Secret;
use crypto::type6::{self, Type6Error};

use crate::ios;

/// Opens a string of type 6.
pub type Open<'a> = &'a dyn Fn(&str) -> Result<Secret, Unopened>;

/// Makes a string of type 6 of a key.
pub type Seal<'a> = &'a mut dyn FnMut(&Secret) -> String;

/// Why a string of type 6 stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    NoMasterKey,
    WrongMasterKey,
    /// Not one of ours.
    Foreign,
    /// One of ours, of which a character was lost or changed.
    Damaged,
}

impl From<Type6Error> for Unopened {
    fn from(error: Type6Error) -> Self {
        match error {
            Type6Error::NotOurs => Self::Foreign,
            Type6Error::OtherKey => Self::WrongMasterKey,
            Type6Error::Damaged => Self::Damaged,
        }
    }
}

/// Opens nothing, for there is no master key; tells a string that is ours from one that is not.
pub fn open_none(string: &str) -> Result<Secret, Unopened> {
    type6::salt_of(string)?;
    Err(Unopened::NoMasterKey)
}

/// The text of a master key, and what was derived of it: once for each salt, for that takes its time.
pub struct MasterKey {
    text: Secret,
    derived: RefCell<BTreeMap<[u8; 16], Rc<type6::MasterKey>>>,
}

impl MasterKey {
    pub const fn new(text: Secret) -> Self {
        Self { text, derived: RefCell::new(BTreeMap::new()) }
    }

    pub fn open(&self, string: &str) -> Result<Secret, Unopened> {
        let salt = type6::salt_of(string)?;
        Ok(self.derived(salt).open(string)?)
    }

    /// `salt` may serve a whole configuration; `nonce` is drawn at random for each key.
    pub fn seal(&self, key: &Secret, salt: [u8; 16], nonce: [u8; 12]) -> String {
        self.derived(salt).seal(key, nonce)
    }

    fn derived(&self, salt: [u8; 16]) -> Rc<type6::MasterKey> {
        let mut derived = self.derived.borrow_mut();
        let new = || Rc::new(type6::MasterKey::derive(&self.text, salt));
        Rc::clone(derived.entry(salt).or_insert_with(new))
    }
}

/// A key as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written<'t> {
    Clear(&'t str),
    /// The string of type 6.
    Sealed(&'t str),
}

/// The text with keys written anew: `seal` gives the type 6 string of a key, or `None` to leave it as it
/// stands. Everything else keeps its place, comments and all; so do lines that are not understood.
pub fn rewrite_keys(text: &str, seal: &mut dyn FnMut(Written<'_>) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (span, key, sealed) in ios::keys(text) {
        let written = if sealed { Written::Sealed(&key) } else { Written::Clear(&key) };
        if let Some(string) = seal(written) {
            let Range { start, end } = span;
            out.push_str(text.get(from..start).unwrap_or_default());
            out.push_str("6 ");
            out.push_str(&string);
            from = end;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
