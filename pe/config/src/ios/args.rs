//! What a command says beyond its fixed words: named arguments and the keywords it chose, in the
//! order of the pattern. Parsing fills it from text, printing from the typed `Config`.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use super::scope::{Fault, Noun};

#[derive(Clone, Default)]
pub(crate) struct Args {
    list: Vec<Arg>,
    negated: bool,
}

#[derive(Clone)]
pub(crate) struct Arg {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    /// What the argument refers to.
    pub(crate) noun: Option<Noun>,
}

impl Args {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, arg: Arg) {
        self.list.push(arg);
    }

    /// An argument to print.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.push(Arg { name, text: value.to_string(), span: 0..0, noun: None });
        self
    }

    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// These, and then the others.
    pub(crate) fn then(mut self, others: Self) -> Self {
        self.list.extend(others.list);
        self
    }

    /// A keyword to print.
    pub(crate) fn flag(self, keyword: &'static str) -> Self {
        self.with(keyword, keyword)
    }

    pub(crate) fn flag_if(self, set: bool, keyword: &'static str) -> Self {
        if set { self.flag(keyword) } else { self }
    }

    /// The command's `no` form.
    pub(crate) fn negate(mut self) -> Self {
        self.negated = true;
        self
    }

    pub(crate) fn is_negated(&self) -> bool {
        self.negated
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arg> {
        self.list.iter()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arg> {
        self.list.iter().find(|arg| arg.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Absent only where the pattern makes it optional, or in a shortened `no` form.
    pub(crate) fn get<T: FromStr>(&self, name: &'static str) -> Result<T, Fault> {
        self.opt(name).ok_or_else(|| Fault::new("incomplete command", "the rest of it is missing"))
    }

    pub(crate) fn opt<T: FromStr>(&self, name: &str) -> Option<T> {
        self.find(name)?.text.parse().ok()
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.list.iter().filter(move |arg| arg.name == name).map(|arg| arg.text.as_str())
    }
}
