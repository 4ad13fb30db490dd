//! Message IDs, and what is sent again: RFC 7296 sections 2.1 to 2.3. One request of ours is open at a
//! time; of the peer as many as we allow. A repeated request gets the same bytes and touches no state.

use std::time::Duration;

use base::Instant;

use super::wire::header::Header;
use super::wire::payload::ENCRYPTED_FRAGMENT;
use crate::config::Timers;
use crate::error::Refusal;
use crate::session::Message;
use crate::window::Digest;

/// How long a response is kept for a peer that did not get it.
const REMEMBERED: Duration = Duration::from_secs(180);

pub(crate) struct Window {
    next: u32,
    open: Option<Open>,
    /// The peer's lowest message ID that has not come yet.
    expected: u32,
    /// Requests that the peer may have open.
    size: u32,
    /// What came of those, and of the ones before: few, and a tunnel's memory counts.
    answers: Vec<(u32, Answer)>,
    /// Then these are forgotten.
    until: Option<Instant>,
}

struct Open {
    id: u32,
    exchange: u8,
    datagrams: Vec<Vec<u8>>,
    at: Instant,
    /// Doubles at each retransmission.
    interval: Duration,
    left: u32,
    times: u32,
}

#[derive(Default)]
struct Answer {
    /// The request; `None` if it came in fragments.
    digest: Option<Digest>,
    /// Empty until there is a response.
    datagrams: Vec<Vec<u8>>,
}

/// What a message is in regard to those before.
pub(crate) enum Repeated {
    New,
    /// The response is being made, or this is no reason to send it again.
    Pending,
    Answered(Vec<Vec<u8>>),
}

/// What the passage of time asks for.
pub(crate) enum Due {
    Nothing,
    Retransmit {
        datagrams: Vec<Vec<u8>>,
        exchange: u8,
        /// The how manieth time.
        times: u32,
    },
    /// The peer did not answer the last retransmission either.
    GiveUp,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { next: 0, open: None, expected: 0, size: 1, answers: Vec::new(), until: None }
    }

    /// From now on the peer may have so many requests open.
    pub(crate) const fn widen(&mut self, size: u8) {
        self.size = if size == 0 { 1 } else { size as u32 };
    }

    /// Whether a request of ours waits for its response.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The message ID of the next request.
    pub(crate) const fn next_request(&mut self) -> u32 {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        id
    }

    /// Which one that will be.
    pub(crate) const fn upcoming(&self) -> u32 {
        self.next
    }

    /// IKE_SA_INIT begins anew: with a cookie, or another key exchange.
    pub(crate) fn restart(&mut self) {
        (self.next, self.open) = (0, None);
    }

    /// Our request is out; it goes out again until it is answered.
    pub(crate) fn ask(&mut self, exchange: u8, datagrams: Vec<Vec<u8>>, now: Instant, timers: &Timers) {
        let (interval, left) = (timers.retransmit, timers.tries);
        let id = self.next.saturating_sub(1);
        self.open = Some(Open { id, exchange, datagrams, at: now + interval, interval, left, times: 0 });
    }

    /// The response to our open request is in.
    pub(crate) fn answered(&mut self) {
        self.open = None;
    }

    /// Whether a response is the one to our open request.
    pub(crate) fn expects(&self, header: &Header) -> Result<(), Refusal> {
        let open = self.open.as_ref();
        let is_it = open.is_some_and(|open| (open.id, open.exchange) == (header.message_id, header.exchange));
        if is_it { Ok(()) } else { Err(Refusal::ignored("response-to-nothing")) }
    }

    /// Whether a request may come with this message ID.
    pub(crate) fn admits(&self, header: &Header) -> Result<(), Refusal> {
        let ids = self.expected..self.expected.saturating_add(self.size);
        if ids.contains(&header.message_id) && self.find(header.message_id).is_none() {
            Ok(())
        } else {
            Err(Refusal::ignored("message-id-out-of-window"))
        }
    }

    /// What a request is in regard to those before it.
    pub(crate) fn repeated(&self, message: &Message<'_>) -> Repeated {
        let header = &message.header;
        let Some(answer) = self.find(header.message_id).filter(|_| !header.is_response()) else {
            return Repeated::New;
        };
        let is_it = match &answer.digest {
            Some(digest) => *digest == message.digest,
            None => is_first_fragment(message),
        };
        if is_it && !answer.datagrams.is_empty() {
            Repeated::Answered(answer.datagrams.clone())
        } else {
            Repeated::Pending
        }
    }

    /// A request of the peer is in, whole and authentic.
    pub(crate) fn accept(&mut self, message: &Message<'_>) {
        let digest = (message.header.next != ENCRYPTED_FRAGMENT).then(|| message.digest.clone());
        *self.entry(message.header.message_id) = Answer { digest, datagrams: Vec::new() };
        while self.find(self.expected).is_some() {
            self.expected = self.expected.saturating_add(1);
        }
        let oldest = self.expected.saturating_sub(self.size);
        self.answers.retain(|(id, _)| *id >= oldest);
    }

    /// Our response to it.
    pub(crate) fn answer(&mut self, id: u32, datagrams: Vec<Vec<u8>>, now: Instant) {
        self.until = Some(now + REMEMBERED);
        self.entry(id).datagrams = datagrams;
    }

    fn find(&self, id: u32) -> Option<&Answer> {
        self.answers.iter().find(|(known, _)| *known == id).map(|(_, answer)| answer)
    }

    fn entry(&mut self, id: u32) -> &mut Answer {
        let place = self.answers.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            self.answers.push((id, Answer::default()));
            self.answers.len() - 1
        });
        &mut self.answers[place].1
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let open = self.open.as_ref().map(|open| open.at);
        open.into_iter().chain(self.until).min()
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Due {
        if self.until.is_some_and(|at| at <= now) {
            self.until = None;
            self.answers.iter_mut().for_each(|(_, answer)| *answer = Answer::default());
            self.answers.shrink_to_fit();
        }
        let Some(open) = self.open.as_mut().filter(|open| open.at <= now) else { return Due::Nothing };
        let Some(left) = open.left.checked_sub(1) else {
            self.open = None;
            return Due::GiveUp;
        };
        let interval = open.interval.saturating_mul(2);
        (open.left, open.interval, open.at, open.times) = (left, interval, now + interval, open.times + 1);
        Due::Retransmit { datagrams: open.datagrams.clone(), exchange: open.exchange, times: open.times }
    }
}

/// RFC 7383 section 2.6.1: only the first fragment asks for all of the response again.
fn is_first_fragment(message: &Message<'_>) -> bool {
    message.header.next == ENCRYPTED_FRAGMENT && message.body.get(4..6) == Some(&[0, 1])
}
