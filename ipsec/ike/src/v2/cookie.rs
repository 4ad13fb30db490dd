//! Cookies: under load a peer shows that it is where it says before anything is kept of it (RFC 7296
//! section 2.6).

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use base::Instant;
use crypto::prf::Hash;

use super::wire::notify;
use super::wire::payload::Chain;
use crate::admission::Cookies;
use crate::core::Core;
use crate::session::Message;
use crate::wire::id::octets;

/// What a peer may ask us to repeat.
pub(crate) const LENGTHS: RangeInclusive<usize> = 1..=64;

/// From so many half-open sessions of one front VRF on.
const THRESHOLD: u32 = 1000;

/// A cookie is good for this long at least, and at most for twice as long.
const LIFETIME: Duration = Duration::from_secs(60);

/// What makes cookies ours: the secret and the one before it.
#[derive(Default)]
pub(crate) struct Secrets {
    current: Option<Dated>,
    previous: Option<Dated>,
    version: u8,
    /// What peers have shown so far.
    pub(crate) shown: Cookies,
}

#[derive(Clone)]
struct Dated {
    version: u8,
    secret: [u8; 32],
    since: Instant,
}

/// Whether a request may be looked at: there is no load, or it has the right cookie.
pub(crate) fn admits(
    core: &mut Core,
    message: &Message<'_>,
    chain: &Chain<'_>,
    nonce: &[u8],
    half_open: usize,
) -> bool {
    let threshold = core.config.v2.cookie_challenge.unwrap_or(THRESHOLD);
    if half_open < threshold as usize {
        return true;
    }
    let Some(shown) = chain.notify(notify::COOKIE).map(|one| one.data) else {
        core.cookies.shown.missing += 1;
        return false;
    };
    let secrets = [&core.cookies.current, &core.cookies.previous];
    let known = secrets.into_iter().flatten().filter(|dated| core.now < dated.since + LIFETIME * 2);
    let mut named = known.filter(|dated| shown.first() == Some(&dated.version));
    let is_right = named.any(|dated| crypto::equal(&dated.cookie(message, nonce), &shown));
    let count = &mut core.cookies.shown;
    *if is_right { &mut count.right } else { &mut count.wrong } += 1;
    is_right
}

/// The right cookie for a request.
pub(crate) fn of(core: &mut Core, message: &Message<'_>, nonce: &[u8]) -> Vec<u8> {
    let is_fresh = |dated: &Dated| core.now < dated.since + LIFETIME;
    if let Some(dated) = core.cookies.current.as_ref().filter(|dated| is_fresh(dated)) {
        return dated.cookie(message, nonce);
    }
    let secret = core.drbg.bytes();
    let version = core.cookies.version.wrapping_add(1);
    let dated = Dated { version, secret, since: core.now };
    let cookie = dated.cookie(message, nonce);
    let (previous, shown) = (core.cookies.current.take(), core.cookies.shown);
    core.cookies = Secrets { previous, current: Some(dated), version, shown };
    cookie
}

impl Dated {
    /// Bound to all that a second try has in common with the first, and to the front VRF.
    fn cookie(&self, message: &Message<'_>, nonce: &[u8]) -> Vec<u8> {
        let front = message.path.front.0.to_be_bytes();
        let address: IpAddr = message.path.remote.ip();
        let parts: [&[u8]; 4] = [&front, &octets(address), &message.header.initiator, nonce];
        [&[self.version], Hash::Sha256.hmac(&self.secret, &parts).expose()].concat()
    }
}
