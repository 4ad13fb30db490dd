//! Which processor a thread runs on.

use std::io;
use std::mem;

/// Keeps the calling thread on one processor, counted from zero.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a CPU set is plain bits, for which zero is valid: the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` was checked to lie within the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set is live and its size is given; thread 0 is the caller.
    crate::check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_pinned() {
        let cpu = std::thread::spawn(|| {
            pin_to_cpu(0).unwrap();
            // SAFETY: no arguments, no memory.
            unsafe { libc::sched_getcpu() }
        });
        assert_eq!(cpu.join().unwrap(), 0);
        assert!(pin_to_cpu(100_000).is_err());
    }
}
