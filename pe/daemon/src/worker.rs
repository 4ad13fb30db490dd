//! The one thread that computes Diffie-Hellman, so that the control thread never waits for it.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use ike::{Answer, Ask, AskId};

use crate::queue::{Arrival, Queue};

/// Starts the worker; it ends when the returned sender is dropped. The queue of jobs needs no bound of
/// its own: the engine bounds its half-open sessions, and each has one job at most.
pub(crate) fn start(queue: Queue) -> io::Result<Sender<(AskId, Ask)>> {
    let (jobs, waiting) = channel::<(AskId, Ask)>();
    Builder::new().name("dh".to_owned()).spawn(move || {
        for (id, ask) in waiting {
            if let Ask::Compute(job) = ask {
                queue.send_blocking(Arrival::Answer(id, Answer::Computed(job.run())));
            }
        }
    })?;
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crypto::dh::{Group, Job, Outcome};
    use crypto::job;

    use super::*;
    use crate::queue::{Next, queue};

    #[test]
    fn a_job_comes_back_under_its_own_number() {
        let (queue, arrivals) = queue();
        let jobs = start(queue).unwrap();
        let job = Job::Generate { group: Group::EcpP256, seed: [7; 32] };
        assert!(jobs.send((AskId(9), Ask::Compute(job.into()))).is_ok());
        let Next::Arrived(Arrival::Answer(id, Answer::Computed(Ok(outcome)))) =
            arrivals.next(Duration::from_secs(30))
        else {
            panic!("no answer")
        };
        assert_eq!(id, AskId(9));
        let job::Outcome::Exchanged(Outcome::Generated { public, .. }) = outcome else {
            panic!("another kind of answer")
        };
        assert_eq!(public.len(), 64);
    }
}
