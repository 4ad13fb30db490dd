//! As much of HTTP as CRL servers and OCSP responders speak: one GET or POST on a connection of its own
//! (RFC 1945, with the Host line of RFC 9110). Version 1.0, so that no answer comes in chunks.

use std::fmt;
use std::io::{Read, Write};

/// `http://host[:port]/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// A name or an address, without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    Get,
    /// The body of a POST (RFC 6960 appendix A).
    Ocsp(&'a [u8]),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Body(Vec<u8>),
    /// To another URL.
    Moved(String),
}

/// Largest status line and headers, in bytes.
const HEAD: usize = 16 << 10;

impl Url {
    /// Refuses other schemes, passwords, and characters that do not belong into a request line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fault = |why| format!("{why} in the URL {}", text.escape_debug());
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault("a character that may not stand"));
        }
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = scheme.and_then(|_| text.get(7..)).ok_or_else(|| fault("something else than http://"))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let (host, port) = split_port(place).ok_or_else(|| fault("no host"))?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { host, port, path: format!("{slash}{path}") })
    }

    /// Where `location` of a redirection leads.
    pub(super) fn join(&self, location: &str) -> Result<Self, String> {
        match location.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
            Some(path) => Self::parse(&format!("http://{}/{path}", self.authority())),
            None => Self::parse(location),
        }
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

fn split_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port {
        "" | ":" => 80,
        _ => port.strip_prefix(':')?.parse().ok()?,
    };
    (!host.is_empty() && !host.contains('@')).then(|| (host.to_owned(), port))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

/// Asks and reads the reply, of which the body has at most `limit` bytes.
pub(super) fn exchange(
    stream: &mut (impl Read + Write),
    url: &Url,
    question: Question<'_>,
    limit: usize,
) -> Result<Reply, String> {
    stream.write_all(&request(url, question)).map_err(|error| error.to_string())?;
    let (head, start) = head(stream)?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| {
        fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    match (code(status)?, question) {
        (200, _) => {}
        (301 | 302 | 303 | 307 | 308, Question::Get) => {
            let location = field("location").ok_or("it redirects to nowhere")?;
            return Ok(Reply::Moved(location.to_owned()));
        }
        _ => return Err(format!("the server says \"{}\"", status.escape_debug())),
    }
    if field("transfer-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err("the server sends chunks to an HTTP/1.0 client".to_owned());
    }
    let length =
        field("content-length").map(|length| length.parse::<usize>().map_err(|_| "its length is no number"));
    body(stream, start, length.transpose()?, limit).map(Reply::Body)
}

fn request(url: &Url, question: Question<'_>) -> Vec<u8> {
    let (method, more, body): (_, _, &[u8]) = match question {
        Question::Get => ("GET", String::new(), &[]),
        Question::Ocsp(body) => (
            "POST",
            format!("Content-Type: application/ocsp-request\r\nContent-Length: {}\r\n", body.len()),
            body,
        ),
    };
    let head = format!(
        "{method} {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: onramp\r\nAccept: */*\r\nConnection: close\r\n{more}\r\n",
        url.path,
        url.authority()
    );
    [head.as_bytes(), body].concat()
}

/// The status line and the headers, and what of the body came with them.
fn head(stream: &mut impl Read) -> Result<(String, Vec<u8>), String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let start = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), start));
        }
        if bytes.len() > HEAD {
            return Err("the headers of the answer are too long".to_owned());
        }
        if read(stream, &mut bytes)? == 0 {
            return Err("the server closed the connection before it answered".to_owned());
        }
    }
}

fn code(status: &str) -> Result<u16, String> {
    let code =
        status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    code.ok_or_else(|| "the server does not speak HTTP".to_owned())
}

fn body(
    stream: &mut impl Read,
    start: Vec<u8>,
    length: Option<usize>,
    limit: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = start;
    loop {
        if bytes.len() > limit || length.is_some_and(|length| length > limit) {
            return Err(format!("the answer is larger than {limit} bytes"));
        }
        if let Some(length) = length.filter(|length| bytes.len() >= *length) {
            bytes.truncate(length);
            return Ok(bytes);
        }
        if read(stream, &mut bytes)? == 0 {
            let cut = Err("the server closed the connection before its answer was whole".to_owned());
            return if length.is_some() { cut } else { Ok(bytes) };
        }
    }
}

/// Appends what comes next; how much that is.
fn read(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Result<usize, String> {
    let mut buffer = [0; 16 << 10];
    let count = stream.read(&mut buffer).map_err(|error| error.to_string())?;
    bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    /// Says what it is told, a few bytes at a time, and remembers what it was asked.
    struct Server {
        says: VecDeque<u8>,
        asked: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let few = buffer.len().min(7);
            self.says.read(&mut buffer[..few])
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(says: &str, question: Question<'_>) -> (Result<Reply, String>, String) {
        let mut server = Server { says: says.bytes().collect(), asked: Vec::new() };
        let url = Url::parse("http://ca.example:8080/crl?x=1").unwrap();
        let reply = exchange(&mut server, &url, question, 20);
        (reply, String::from_utf8(server.asked).unwrap())
    }

    fn got(says: &str) -> Result<Reply, String> {
        ask(says, Question::Get).0
    }

    #[test]
    fn questions_are_what_servers_expect() {
        let (_, asked) = ask("", Question::Get);
        assert!(asked.starts_with("GET /crl?x=1 HTTP/1.0\r\nHost: ca.example:8080\r\n"), "{asked}");
        assert!(asked.ends_with("Connection: close\r\n\r\n"), "{asked}");
        let (_, asked) = ask("", Question::Ocsp(b"body"));
        assert!(asked.starts_with("POST /crl?x=1 HTTP/1.0\r\n"), "{asked}");
        assert!(asked.ends_with("application/ocsp-request\r\nContent-Length: 4\r\n\r\nbody"), "{asked}");
    }

    #[test]
    fn a_body_ends_with_its_length_or_with_the_connection() {
        assert_eq!(
            got("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"),
            Ok(Reply::Body(b"abc".to_vec()))
        );
        assert_eq!(got("HTTP/1.0 200 OK\r\n\r\nabcdef"), Ok(Reply::Body(b"abcdef".to_vec())));
        assert!(got("HTTP/1.0 200 OK\r\ncontent-length: 9\r\n\r\nabc").unwrap_err().contains("whole"));
    }

    #[test]
    fn what_is_too_large_or_no_answer_is_refused() {
        let long = "x".repeat(21);
        assert!(got(&format!("HTTP/1.0 200 OK\r\n\r\n{long}")).unwrap_err().contains("larger than 20"));
        assert!(got("HTTP/1.0 200 OK\r\nContent-Length: 21\r\n\r\n").unwrap_err().contains("larger than 20"));
        assert!(
            got(&format!("HTTP/1.0 200 OK\r\n{}", "A: b\r\n".repeat(HEAD))).unwrap_err().contains("too long")
        );
        assert_eq!(
            got("HTTP/1.1 404 Not Found\r\n\r\n").unwrap_err(),
            "the server says \"HTTP/1.1 404 Not Found\""
        );
        for junk in ["", "HTTP/1.0 200 OK", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 2\r\n\r\n"] {
            assert!(got(junk).is_err(), "{junk}");
        }
        assert!(got("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err().contains("chunks"));
        assert!(got("HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n").unwrap_err().contains("number"));
    }

    #[test]
    fn a_get_may_be_redirected_a_post_not() {
        let moved = "HTTP/1.1 302 Found\r\nLocation:  /new \r\n\r\n";
        assert_eq!(got(moved), Ok(Reply::Moved("/new".to_owned())));
        assert!(ask(moved, Question::Ocsp(b"")).0.is_err());
        assert!(got("HTTP/1.1 302 Found\r\n\r\n").is_err());
    }

    #[test]
    fn urls_are_read_and_joined() {
        let read = |text| Url::parse(text).map(|url| url.to_string());
        assert_eq!(read("HTTP://ca"), Ok("http://ca/".to_owned()));
        assert_eq!(read("http://ca:80?a=b#c"), Ok("http://ca/?a=b".to_owned()));
        assert_eq!(read("http://[2001:db8::1]:81/a"), Ok("http://[2001:db8::1]:81/a".to_owned()));
        for bad in [
            "",
            "https://ca/",
            "http://",
            "http://a b/",
            "http://ca/\r\nX: y",
            "http://u@ca/",
            "http://ca:x/",
            "http://[::1",
            "http://ca:99999/",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let url = Url::parse("http://[::1]:81/a/b").unwrap();
        assert_eq!(url.join("/c").unwrap().to_string(), "http://[::1]:81/c");
        assert_eq!(url.join("http://other/d").unwrap().to_string(), "http://other/d");
        assert!(
            url.join("https://other/").is_err() && url.join("//other/").is_err() && url.join("c").is_err()
        );
    }
}
