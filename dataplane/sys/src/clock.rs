//! Time as the dataplane and its benchmarks read it.

use std::mem::MaybeUninit;

/// Nanoseconds of the monotonic clock.
pub fn monotonic_nanos() -> u64 {
    nanos(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds for which this thread has had a processor.
pub fn thread_nanos() -> u64 {
    nanos(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn nanos(clock: libc::clockid_t) -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to memory for one timespec.
    let result = unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    assert_eq!(result, 0, "every Linux has this clock");
    // SAFETY: the call succeeded, so it wrote the whole struct.
    let time = unsafe { time.assume_init() };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The processor's time stamp counter, ordered after all loads before it; elsewhere than on x86-64
/// nanoseconds.
#[cfg(target_arch = "x86_64")]
pub fn cycles() -> u64 {
    // SAFETY: every x86-64 processor has both instructions, and they touch no memory.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        core::arch::x86_64::_rdtsc()
    }
}

/// The processor's time stamp counter, ordered after all loads before it; elsewhere than on x86-64
/// nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
pub fn cycles() -> u64 {
    monotonic_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_has_no_processor() {
        let (wall, thread) = (monotonic_nanos(), thread_nanos());
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(thread_nanos() - thread < monotonic_nanos() - wall);
    }

    #[test]
    fn both_clocks_go_forward() {
        let (nanos, ticks) = (monotonic_nanos(), cycles());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_nanos() >= nanos + 2_000_000);
        assert!(cycles() > ticks);
    }
}
