//! The threads that do what the control thread must not wait for: public-key work, the judgement of
//! certificates, and host names. Each kind has threads of its own, so that a slow CRL or name server
//! never delays a key exchange.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, available_parallelism};

use base::VrfId;
use ike::{Answer, Ask, AskId};
use tracing::warn;

use crate::names::Names;
use crate::queue::{Arrival, Queue};

/// Whether a chain of certificates is good today. May wait for the network.
pub(crate) type Validate = dyn Fn(&pki::Request) -> Result<pki::Validated, pki::Refusal> + Send + Sync;

/// Certificates that may wait for revocation lists at once: many, because peers of one dead CRL server come together
/// after a restart, and must not keep those of another waiting.
const VALIDATORS: usize = 32;
/// Names that may wait for name servers at once.
const RESOLVERS: usize = 4;

/// Who is asked what. The queues of jobs need no bound of their own: the engine bounds its half-open
/// sessions, and each asks one thing at a time.
pub(crate) struct Workers {
    compute: Pool<crypto::job::Job>,
    validate: Pool<pki::Request>,
    resolve: Pool<(VrfId, String)>,
}

/// The jobs of some threads, which end when this is dropped.
struct Pool<J>(Arc<Jobs<J>>);

/// Channels spin and yield before they wait: that costs more than many a job.
struct Jobs<J> {
    /// `None`: no more will come.
    waiting: Mutex<Option<VecDeque<(AskId, J)>>>,
    arrived: Condvar,
}

impl Workers {
    /// Starts every thread; they end when this is dropped. Answers go to `queue`.
    pub(crate) fn start(queue: &Queue, validate: Arc<Validate>, names: Arc<Names>) -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            compute: pool("compute", cores, queue, |job: crypto::job::Job| Answer::Computed(job.run()))?,
            validate: pool("validate", VALIDATORS, queue, move |request| {
                Answer::Validated(validate(&request))
            })?,
            resolve: pool("resolve", RESOLVERS, queue, move |(front, name): (VrfId, String)| {
                Answer::Resolved(names.resolve(front, &name))
            })?,
        })
    }

    /// The answer arrives under `id`. The box answers all other questions itself.
    pub(crate) fn ask(&self, id: AskId, ask: Ask) {
        match ask {
            Ask::Compute(job) => self.compute.put(id, job),
            Ask::Validate(request) => self.validate.put(id, request),
            Ask::Resolve { front, name } => self.resolve.put(id, (front, name)),
            Ask::Spi { .. } | Ask::ReleaseSpi(_) | Ask::Traffic(_) => {
                warn!("a question for the box itself came to the workers");
            }
        }
    }
}

fn pool<J: Send + 'static>(
    name: &str,
    threads: usize,
    queue: &Queue,
    work: impl Fn(J) -> Answer + Clone + Send + 'static,
) -> io::Result<Pool<J>> {
    let pool = Pool(Arc::new(Jobs { waiting: Mutex::new(Some(VecDeque::new())), arrived: Condvar::new() }));
    for number in 0..threads {
        let (jobs, queue, work) = (Arc::clone(&pool.0), queue.clone(), work.clone());
        Builder::new().name(format!("{name}{number}")).spawn(move || {
            while let Some((id, job)) = jobs.take() {
                queue.send_blocking(Arrival::Answer(id, Box::new(work(job))));
            }
        })?;
    }
    Ok(pool)
}

impl<J> Pool<J> {
    fn put(&self, id: AskId, job: J) {
        if let Some(waiting) = self.0.lock().as_mut() {
            waiting.push_back((id, job));
        }
        self.0.arrived.notify_one();
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        *self.0.lock() = None;
        self.0.arrived.notify_all();
    }
}

impl<J> Jobs<J> {
    /// Waits for a job; `None`: no more will come.
    fn take(&self) -> Option<(AskId, J)> {
        let is_empty = |waiting: &mut Option<VecDeque<_>>| waiting.as_ref().is_some_and(VecDeque::is_empty);
        let waiting = self.arrived.wait_while(self.lock(), is_empty);
        waiting.unwrap_or_else(PoisonError::into_inner).as_mut()?.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<(AskId, J)>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::mpsc::channel;

    use crypto::dh::{Group, Job, Outcome};
    use crypto::job;

    use super::*;
    use crate::queue::Arrivals;
    use crate::queue::tests::queue;

    fn refuse(_: &pki::Request) -> Result<pki::Validated, pki::Refusal> {
        Err(pki::Refusal { what: "unknown-ca", detail: String::new() })
    }

    fn generate() -> Ask {
        Ask::Compute(Job::Generate { group: Group::EcpP256, seed: [7; 32] }.into())
    }

    fn answer(arrivals: &Arrivals) -> (AskId, Answer) {
        let Some(Arrival::Answer(id, answer)) = arrivals.wait() else { panic!("no answer") };
        (id, *answer)
    }

    fn nothing_to_validate() -> Ask {
        Ask::Validate(pki::Request { chain: Vec::new(), trustpoints: Vec::new() })
    }

    #[test]
    fn a_job_comes_back_under_its_own_number() {
        let (queue, arrivals) = queue();
        let workers = Workers::start(&queue, Arc::new(refuse), Arc::default()).unwrap();
        workers.ask(AskId(9), generate());
        let (id, Answer::Computed(Ok(job::Outcome::Exchanged(outcome)))) = answer(&arrivals) else {
            panic!("another kind of answer")
        };
        let Outcome::Generated { public, .. } = outcome else { panic!("another kind of outcome") };
        assert_eq!((id, public.len()), (AskId(9), 64));
    }

    #[test]
    fn certificates_that_wait_for_the_network_delay_no_key_exchange_and_no_name() {
        let (queue, arrivals) = queue();
        let (release, held) = channel::<()>();
        let held = Mutex::new(held);
        let slow = move |request: &pki::Request| {
            let _ = held.lock().unwrap().recv();
            refuse(request)
        };
        let workers = Workers::start(&queue, Arc::new(slow), Arc::default()).unwrap();
        for number in 0..20 {
            workers.ask(AskId(number), nothing_to_validate());
        }
        workers.ask(AskId(100), generate());
        assert!(matches!(answer(&arrivals), (AskId(100), Answer::Computed(Ok(_)))));
        workers.ask(AskId(101), Ask::Resolve { front: VrfId::GLOBAL, name: "192.0.2.7".to_owned() });
        let (AskId(101), Answer::Resolved(addresses)) = answer(&arrivals) else { panic!("not resolved") };
        assert_eq!(addresses, [IpAddr::from([192, 0, 2, 7])]);
        drop(release);
        for _ in 0..20 {
            assert!(matches!(answer(&arrivals), (_, Answer::Validated(Err(_)))));
        }
    }

    #[test]
    fn every_job_of_a_burst_is_answered_once() {
        let (queue, arrivals) = queue();
        let workers = Workers::start(&queue, Arc::new(refuse), Arc::default()).unwrap();
        (0..200).for_each(|number| workers.ask(AskId(number), generate()));
        let mut ids: Vec<_> = (0..200).map(|_| answer(&arrivals).0.0).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..200));
    }
}
