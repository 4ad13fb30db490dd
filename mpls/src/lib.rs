//! Labels: what one stands for, who hands them out, and the table packets are looked up in.
#![forbid(unsafe_code)]

mod fec;
pub use fec::Fec;

mod lfib;
pub use lfib::Lfib;

mod space;
pub use space::{LabelSpace, Refused};
