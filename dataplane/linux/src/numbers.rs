//! Sequence numbers of SAs that are made anew with keys that were used already: they go on, for no number may come
//! twice under the same keys (RFC 4303 section 3.3.3, RFC 4106 section 2).

use crate::netlink::Client;
use crate::request::Request;
use crate::sa;
use crate::state::State;
use crate::thing::{Key, Thing};

/// Has each begin beyond what the kernel sent by its predecessor. Those whose predecessor is gone, and its numbers with
/// it, are returned: they must not be made.
pub(crate) fn go_on(client: &mut Client, state: &mut State) -> Vec<Key> {
    let (keys, before): (Vec<Key>, Vec<Key>) = state.made_anew().into_iter().unzip();
    let questions: Vec<Request> = before.iter().filter_map(sa::question).collect();
    if questions.is_empty() {
        return Vec::new();
    }
    let answers = client.ask(&questions).unwrap_or_else(|error| {
        tracing::error!("the sequence numbers of SAs cannot be read: {error}");
        Vec::new()
    });
    let mut answers = answers.into_iter().map(|answer| answer.and_then(|answer| sa::read(&answer.body)));
    let mut lost = Vec::new();
    for (key, before) in keys.into_iter().zip(before) {
        match answers.next().flatten() {
            Some((_, Thing::Sa(read))) => state.goes_on(&key, &before, read),
            Some(_) | None => lost.push(key),
        }
    }
    lost
}
