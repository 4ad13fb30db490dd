//! The shape of every protocol engine, and of the whole box.

use crate::Instant;

/// A machine that is told what happened and when; it owns no socket, clock, thread or randomness.
///
/// The law for using one: call [`handle`](Self::handle) or [`tick`](Self::tick) once, then
/// [`poll`](Self::poll) until `None`, then wait until [`deadline`](Self::deadline) or the next input.
pub trait Engine {
    type Input;
    type Output;

    /// Something happened at `now`.
    fn handle(&mut self, now: Instant, input: Self::Input);

    /// Time passed: run every timer that is due at `now`.
    fn tick(&mut self, now: Instant);

    /// The next thing to do, in order; drain after each `handle` and `tick`.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When to call `tick` next; `None` when no timer runs.
    fn deadline(&self) -> Option<Instant>;
}
