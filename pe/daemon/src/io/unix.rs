//! The operator's socket: one JSON request a line, one JSON response a line, for root and the group
//! `onramp`.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;
use tracing::warn;

use crate::queue::{Arrival, Queue};

const GROUP: &str = "onramp";
/// A request is a few hundred bytes.
const LONGEST_LINE: u64 = 64 << 10;
const CLIENTS: usize = 64;
const IDLE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(30);

/// Takes the place of a socket that a dead daemon left; refuses if one is alive there.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another onrampd listens there"));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    if let Some(group) = group_id() {
        chown(path, None, Some(group))?;
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))?;
    Ok(listener)
}

fn group_id() -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(GROUP))?;
    line.split(':').nth(2)?.parse().ok()
}

pub(crate) async fn serve(listener: UnixListener, queue: Queue) {
    let room = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let queue = queue.clone();
                spawn_local(async move {
                    // A client that goes away is no event.
                    let _ = client(stream, &queue).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn client(mut stream: UnixStream, queue: &Queue) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let line = timeout(IDLE, line(&mut reader)).await??;
        let (response, more) = match line {
            Line::Request(bytes) => (answer(&bytes, queue).await, true),
            Line::TooLong => (failed("the request is longer than 64 KiB"), false),
            Line::End => return Ok(()),
        };
        let mut bytes = serde_json::to_vec(&response)?;
        bytes.push(b'\n');
        timeout(IDLE, writer.write_all(&bytes)).await??;
        if !more {
            return Ok(());
        }
    }
}

enum Line {
    Request(Vec<u8>),
    TooLong,
    End,
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut bytes = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut bytes).await?;
    Ok(match bytes.last() {
        None => Line::End,
        Some(b'\n') => Line::Request(bytes),
        // The limit, or a last line without its end.
        Some(_) if bytes.len() as u64 == LONGEST_LINE => Line::TooLong,
        Some(_) => Line::Request(bytes),
    })
}

async fn answer(line: &[u8], queue: &Queue) -> api::Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return failed(&format!("not a request: {error}")),
    };
    let (reply, answer) = oneshot::channel();
    queue.send(Arrival::Request(request, reply)).await;
    match timeout(ANSWER, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => failed("onrampd is stopping"),
        Err(_) => failed("no answer within 30 seconds"),
    }
}

fn failed(error: &str) -> api::Response {
    api::Response::Failed { error: error.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::task::LocalSet;

    use super::*;
    use crate::queue::Arrivals;
    use crate::queue::tests::queue;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("onrampd-{}-{name}.sock", std::process::id()))
    }

    /// Says `count: 7` to every request until the queue closes.
    fn box_that_answers(arrivals: Arrivals) {
        std::thread::spawn(move || {
            while let Some(arrival) = arrivals.wait() {
                if let Arrival::Request(_, reply) = arrival {
                    let _ = reply.send(api::Response::Done { count: 7 });
                }
            }
        });
    }

    /// Serves on a socket of its own and returns what `sent` is answered, until the server closes.
    fn talk(name: &str, sent: &[u8]) -> String {
        let path = path(name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (queue, arrivals) = queue();
        box_that_answers(arrivals);
        let answered = LocalSet::new().block_on(&runtime, async {
            spawn_local(serve(listen(&path).unwrap(), queue));
            let mut stream = UnixStream::connect(&path).await.unwrap();
            let mut answered = String::new();
            // The server may close before it has read everything.
            let _ = stream.write_all(sent).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_string(&mut answered).await;
            answered
        });
        std::fs::remove_file(path).unwrap();
        answered
    }

    const DONE: &str = "{\"done\":{\"count\":7}}\n";

    #[test]
    fn requests_on_one_connection_are_answered_in_order() {
        assert_eq!(talk("order", b"\"reload\"\n\"show-drops\"\n"), format!("{DONE}{DONE}"));
    }

    #[test]
    fn junk_is_refused_by_name_and_the_connection_goes_on() {
        let answers = talk("junk", b"\xff\x00{{{\n{\"show-everything\":1}\n\"reload\"");
        let lines: Vec<_> = answers.lines().collect();
        assert_eq!(lines.len(), 3, "{answers}");
        assert!(lines[0].contains("not a request") && lines[1].contains("not a request"));
        assert_eq!(lines[2].to_owned() + "\n", DONE);
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        let answer = talk("long", &vec![b'['; 200_000]);
        // The kernel may take the answer back when it resets the connection with bytes unread.
        assert!(answer.is_empty() || answer.contains("longer than"), "{answer}");
        assert!(!answer.contains("not a request"), "{answer}");
    }

    #[test]
    fn a_socket_is_for_owner_and_group_and_a_living_daemon_keeps_it() {
        let path = path("own");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let first = listen(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o660);
            assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            drop(first);
            assert!(listen(&path).is_ok(), "what a dead daemon left is replaced");
        });
        std::fs::remove_file(path).unwrap();
    }
}
