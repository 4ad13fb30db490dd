//! One question to the daemon and its answer: a line of JSON each way.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use api::{Request, Response};

/// Longer than the daemon waits for its own answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// The errors say what to look at.
pub(crate) fn ask(socket: &Path, request: &Request) -> anyhow::Result<Response> {
    let mut stream = UnixStream::connect(socket).map_err(|error| {
        let missing = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];
        let hint = if missing.contains(&error.kind()) {
            "is onrampd running?"
        } else {
            "only root and the group onramp may use it"
        };
        anyhow!("{}: {error} ({hint})", socket.display())
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    if BufReader::new(stream).read_line(&mut answer).context("no answer from onrampd")? == 0 {
        bail!("onrampd closed the connection without an answer");
    }
    serde_json::from_str(&answer).context("an answer of another version of onrampd")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_question_is_one_line_and_so_is_its_answer() {
        let path = std::env::temp_dir().join(format!("onramp-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).unwrap();
            (&stream).write_all(b"{\"done\":{\"count\":2}}\n").unwrap();
            asked
        });
        assert_eq!(ask(&path, &Request::Reload).unwrap(), Response::Done { count: 2 });
        assert_eq!(daemon.join().unwrap(), "\"reload\"\n");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_daemon_the_error_asks_for_it() {
        let error = ask(Path::new("/nonexistent/onramp.sock"), &Request::Reload).unwrap_err();
        assert!(error.to_string().contains("is onrampd running?"), "{error}");
    }
}
