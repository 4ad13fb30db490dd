//! The IOS dialect: words, the command tree, and the two ways through it.

mod args;
mod commands;
mod kind;
mod lex;
mod parse;
mod pattern;
mod place;
mod print;
mod scope;
mod suggest;
mod tree;
mod value;
mod view;

pub(crate) use lex::starred;
pub(crate) use parse::{keys, parse};
pub(crate) use pattern::Keys;
pub(crate) use print::print;
pub(crate) use scope::{Index, Level, Noun, Place};
pub(crate) use tree::patterns;
