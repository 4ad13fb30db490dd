//! A panic in any thread ends the daemon: one that answers but forwards nothing is worse than none.

use std::panic::{PanicHookInfo, set_hook};
use std::process::exit;
use std::thread;

use tracing::error;

/// The exit status after a panic.
const STATUS: i32 = 1;

/// From now on. The service manager starts the daemon anew; until then it is as `meanwhile` says.
pub(crate) fn end_on_panic(meanwhile: &'static str) {
    set_hook(Box::new(move |panic| {
        tell(panic, meanwhile);
        // Not `abort`: its core dump would hold keys.
        exit(STATUS)
    }));
}

fn tell(panic: &PanicHookInfo<'_>, meanwhile: &str) {
    let thread = thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    error!(
        place,
        "the thread {} panicked: {}; the daemon ends; {meanwhile}",
        thread.name().unwrap_or("(unnamed)"),
        panic.payload_as_str().unwrap_or_default()
    );
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;
    use std::thread::{Builder, sleep};
    use std::time::Duration;

    use super::*;

    /// Set in the process that panics.
    const ROLE: &str = "ONRAMPD_FATAL_TEST";

    #[test]
    fn a_panic_in_a_worker_ends_the_whole_process_and_says_so() {
        if env::var_os(ROLE).is_some() {
            crate::log::start(false, "info");
            end_on_panic("the guard stays");
            let worker = Builder::new().name("dp-user".to_owned()).spawn(|| panic!("on purpose")).unwrap();
            assert!(worker.join().is_err());
            sleep(Duration::from_secs(60));
            exit(0);
        }
        let name = "fatal::tests::a_panic_in_a_worker_ends_the_whole_process_and_says_so";
        let ended = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, "1")
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(STATUS));
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(
            told.contains("the thread dp-user panicked: on purpose; the daemon ends; the guard stays"),
            "{told}"
        );
    }
}
