//! Whether a peer's certificates are good today: the wall clock, revocation lists and OCSP answers, behind
//! `pki`'s pure rules. Runs on worker threads; may wait for the network for some seconds.

mod cache;
mod fetch;
pub(crate) mod files;
mod http;

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pki::ocsp::{self, CertId};
use pki::{Crl, Evidence, Refusal, Request, Validated};
use tracing::warn;

use cache::{Cache, Fetched};
pub(crate) use fetch::{Network, Origin, PORTS, Resolve, origin};
use http::Question;

/// A list that is larger is refused, in bytes.
const LARGEST_LIST: usize = 16 << 20;
const LARGEST_ANSWER: usize = 64 << 10;
/// What the lists and the answers may take in memory, in bytes.
const LISTS: usize = 128 << 20;
const ANSWERS: usize = 16 << 20;
/// Seconds until a server that failed is asked again.
const PAUSE: u64 = 30;
/// Seconds until a file is read again.
const REREAD: u64 = 60;
/// How a trustpoint writes a list that is a file.
pub(crate) const FILE: &str = "file:";

/// Judges chains and keeps what it fetched for that.
pub(crate) struct Validator {
    network: Network,
    lists: Cache<Place, Crl>,
    answers: Cache<(Place, CertId), ocsp::Response>,
}

/// A URL, and the VRF in which it is reached.
type Place = (Option<String>, String);

impl Validator {
    pub(crate) fn new(resolve: Resolve) -> Self {
        Self { network: Network::new(resolve), lists: Cache::new(LISTS), answers: Cache::new(ANSWERS) }
    }

    pub(crate) fn validate(&self, request: &Request) -> Result<Validated, Refusal> {
        pki::verify(request, now(), self)
    }

    /// Where servers are reached from now on.
    pub(crate) fn host(&self, host: &Arc<pe::Host>) {
        self.network.host(Arc::clone(host));
    }

    /// The lists at hand, for `show crypto pki crls`.
    pub(crate) fn lists(&self) -> Vec<api::Crl> {
        let facts = |((_, source), list): (Place, Arc<Crl>)| api::Crl {
            issuer: list.issuer().to_string(),
            source,
            this_update: list.this_update(),
            next_update: Some(list.next_update()),
            revoked: list.revoked(),
        };
        self.lists.all().into_iter().map(facts).collect()
    }

    /// Forgets every list and every answer; how many there were.
    pub(crate) fn clear(&self) -> usize {
        self.lists.clear() + self.answers.clear()
    }

    fn fetch_list(&self, vrf: Option<&str>, url: &str, now: u64) -> Result<Fetched<Crl>, String> {
        let file = url.strip_prefix(FILE);
        let bytes = match file {
            Some(path) => files::read(path, LARGEST_LIST)?,
            None => self.network.fetch(vrf, url, Question::Get, LARGEST_LIST)?,
        };
        let list = Crl::read(&bytes).map_err(|error| error.to_string())?;
        let until = if file.is_some() { now + REREAD } else { list.next_update().max(now + PAUSE) };
        Ok(Fetched { until, bytes: list.bytes(), value: list })
    }

    fn fetch_answer(
        &self,
        vrf: Option<&str>,
        url: &str,
        id: &CertId,
        now: u64,
    ) -> Result<Fetched<ocsp::Response>, String> {
        let nonce = nonce()?;
        let question = ocsp::request(id, &nonce);
        let bytes = self.network.fetch(vrf, url, Question::Ocsp(&question), LARGEST_ANSWER)?;
        let answer = ocsp::Response::read(&bytes, &nonce).map_err(|error| error.to_string())?;
        Ok(Fetched { until: answer.until().max(now + PAUSE), bytes: answer.bytes(), value: answer })
    }
}

impl Evidence for Validator {
    fn crl(&self, vrf: Option<&str>, url: &str) -> Result<Arc<Crl>, String> {
        let now = now();
        self.lists.get(place(vrf, url), now, now + PAUSE, || {
            self.fetch_list(vrf, url, now).inspect_err(|why| warn!("CRL {url}: {why}"))
        })
    }

    fn ocsp(&self, vrf: Option<&str>, url: &str, id: &CertId) -> Result<Arc<ocsp::Response>, String> {
        let now = now();
        self.answers.get((place(vrf, url), id.clone()), now, now + PAUSE, || {
            self.fetch_answer(vrf, url, id, now).inspect_err(|why| warn!("OCSP {url}: {why}"))
        })
    }
}

fn place(vrf: Option<&str>, url: &str) -> Place {
    (vrf.map(str::to_owned), url.to_owned())
}

/// Seconds since 1970. A clock before that has no certificate in force.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| Duration::as_secs(&since))
}

fn nonce() -> Result<[u8; 16], String> {
    let mut nonce = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut nonce));
    read.map(|()| nonce).map_err(|error| format!("/dev/urandom: {error}"))
}

#[cfg(test)]
mod tests;
