//! One question to the daemon and its answer: a line of JSON each way.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use api::{Request, Response};

/// Longer than the daemon waits for its own answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// The whole answer, however many pages it has.
pub(crate) fn ask_all(socket: &Path, request: &Request) -> anyhow::Result<Response> {
    let mut whole = ask(socket, request)?;
    while let Some(after) = whole.more().map(str::to_owned) {
        whole.join(ask(socket, &Request::More { of: Box::new(request.clone()), after })?);
    }
    Ok(whole)
}

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
    fn pages_are_asked_for_until_there_is_no_more() {
        let path = std::env::temp_dir().join(format!("onramp-pages-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let binding = |prefix: &str| format!(r#"{{"prefix":"{prefix}","local":null,"remote":[]}}"#);
            let page = |prefix: &str, more: &str| {
                format!("{{\"ldp-bindings\":{{\"bindings\":[{}],\"more\":{more}}}}}\n", binding(prefix))
            };
            [page("10.0.0.0/8", "\"10.0.0.0/8\""), page("11.0.0.0/8", "null")].map(|answer| {
                let (stream, _) = listener.accept().unwrap();
                let mut asked = String::new();
                BufReader::new(&stream).read_line(&mut asked).unwrap();
                (&stream).write_all(answer.as_bytes()).unwrap();
                asked
            })
        });
        let Response::LdpBindings(all) = ask_all(&path, &Request::ShowLdpBindings).unwrap() else {
            panic!("another answer")
        };
        let prefixes: Vec<_> = all.bindings.iter().map(|binding| binding.prefix.as_str()).collect();
        assert_eq!((prefixes, all.more), (vec!["10.0.0.0/8", "11.0.0.0/8"], None));
        let [first, second] = daemon.join().unwrap();
        assert_eq!(first, "\"show-ldp-bindings\"\n");
        assert_eq!(second, "{\"more\":{\"of\":\"show-ldp-bindings\",\"after\":\"10.0.0.0/8\"}}\n");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_daemon_the_error_asks_for_it() {
        let error = ask(Path::new("/nonexistent/onramp.sock"), &Request::Reload).unwrap_err();
        assert!(error.to_string().contains("is onrampd running?"), "{error}");
    }
}
