//! A thin netlink client: requests in batches, their answers, dumps, and listening for what others change.

mod message;

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr, protocols};
use sys::poll::{Watched, wait};
use zeroize::Zeroizing;

use crate::request::{Protocol, Request};
use message::{ENOBUFS, HEADER, Messages, verdict};
pub(crate) use message::{Header, Refused};

/// One message of the kernel: `RTM_*` or `XFRM_MSG_*`, and what follows its header. The body of an SA
/// holds keys: it is zeroed when dropped.
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Asks and is answered: one socket for each protocol.
pub(crate) struct Client {
    route: Channel,
    xfrm: Channel,
}

/// Hears what changes, whoever changed it.
pub(crate) struct Listener {
    socket: Socket,
    buffer: Zeroizing<Vec<u8>>,
}

/// Whether a listener has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing more waits.
    All,
    /// There may be more.
    Part,
    /// The kernel dropped some: only a dump tells what is true now.
    Overrun,
}

impl Client {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            route: Channel::open(protocols::NETLINK_ROUTE)?,
            xfrm: Channel::open(protocols::NETLINK_XFRM)?,
        })
    }

    /// The answers, one for each request, in their order. Never waits longer than a few seconds.
    pub(crate) fn send(&mut self, requests: &[Request]) -> Vec<Result<(), Refused>> {
        let mut answers = Vec::with_capacity(requests.len());
        for one_kind in requests.chunk_by(|a, b| a.protocol == b.protocol) {
            let Some(protocol) = one_kind.first().map(|request| request.protocol) else { continue };
            for batch in batches(one_kind) {
                answers.extend(self.channel(protocol).send(batch));
            }
        }
        answers
    }

    /// Everything the kernel has of a kind.
    pub(crate) fn dump(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        self.channel(request.protocol).dump(request)
    }

    /// What the kernel answers to each question (`RTM_GET*`, `XFRM_MSG_GET*`); `None` where it knows nothing.
    pub(crate) fn ask(&mut self, questions: &[Request]) -> io::Result<Vec<Option<Message>>> {
        let mut answers = Vec::with_capacity(questions.len());
        for one_kind in questions.chunk_by(|a, b| a.protocol == b.protocol) {
            let Some(protocol) = one_kind.first().map(|request| request.protocol) else { continue };
            for batch in batches(one_kind) {
                answers.extend(self.channel(protocol).ask(batch)?);
            }
        }
        Ok(answers)
    }

    /// The number that notifications of changes made by us carry.
    pub(crate) const fn port(&self, protocol: Protocol) -> u32 {
        match protocol {
            Protocol::Route => self.route.port,
            Protocol::Xfrm => self.xfrm.port,
        }
    }

    const fn channel(&mut self, protocol: Protocol) -> &mut Channel {
        match protocol {
            Protocol::Route => &mut self.route,
            Protocol::Xfrm => &mut self.xfrm,
        }
    }
}

impl Listener {
    /// Listens to multicast `groups` (`RTNLGRP_*`, `XFRMNLGRP_*`), without blocking.
    pub(crate) fn open(protocol: Protocol, groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(match protocol {
            Protocol::Route => protocols::NETLINK_ROUTE,
            Protocol::Xfrm => protocols::NETLINK_XFRM,
        })?;
        sys::receive_buffer(socket.as_fd(), LISTENER_BUFFER)?;
        socket.bind_auto()?;
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket, buffer: Zeroizing::new(Vec::with_capacity(DATAGRAM)) })
    }

    /// Gives every waiting message to `each`, with the port of whoever asked for the change; stops after a
    /// thousand or so, that others get their turn.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(&Header, &[u8])) -> io::Result<Heard> {
        for _ in 0..DATAGRAMS_AT_ONCE {
            self.buffer.clear();
            match self.socket.recv(&mut *self.buffer, DONT_WAIT) {
                Ok(_) => Messages(&self.buffer).for_each(|(header, body)| each(&header, body)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::All),
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => return Ok(Heard::Overrun),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Heard::Part)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const DUMP_INTERRUPTED: u16 = 0x10;

const DONT_WAIT: i32 = 0x40;
/// The kernel makes its dump messages as large as the buffer that waits for them, up to this.
const DATAGRAM: usize = 32 * 1024;
const DATAGRAMS_AT_ONCE: usize = 1024;
const LISTENER_BUFFER: u32 = 8 << 20;
/// So many errors fit into a receive buffer of the default size.
const BATCH: usize = 256;
/// Seconds, less what signals take from them.
const PATIENCE: u32 = 5;

struct Channel {
    socket: Socket,
    port: u32,
    sequence: u32,
    buffer: Zeroizing<Vec<u8>>,
}

impl Channel {
    fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        // Else it overhears what a question is limited to: our own routes, of all.
        socket.set_netlink_get_strict_chk(true)?;
        Ok(Self { socket, port, sequence: 0, buffer: Zeroizing::new(Vec::with_capacity(DATAGRAM)) })
    }

    /// Only the last is acknowledged when it is well: the kernel answers in order, and every error.
    fn send(&mut self, requests: &[Request]) -> Vec<Result<(), Refused>> {
        let mut answers = vec![Ok(()); requests.len()];
        let first = self.write(requests, 0);
        let done = first.and_then(|first| self.answers(first, &mut answers, &mut |_, _| {}));
        if let Err(error) = done {
            let refused = Refused::lost(&format!("no answer of the kernel: {error}"));
            answers.iter_mut().for_each(|answer| *answer = Err(refused.clone()));
        }
        answers
    }

    fn ask(&mut self, questions: &[Request]) -> io::Result<Vec<Option<Message>>> {
        let mut found: Vec<Option<Message>> = questions.iter().map(|_| None).collect();
        let mut answers = vec![Ok(()); questions.len()];
        let first = self.write(questions, 0)?;
        self.answers(first, &mut answers, &mut |at, message| {
            if let Some(slot) = found.get_mut(at) {
                *slot = Some(message);
            }
        })?;
        Ok(found)
    }

    fn dump(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        for _ in 0..DUMPS {
            if let Some(whole) = self.dump_once(request)? {
                return Ok(whole);
            }
        }
        Err(io::Error::other("the kernel's tables change faster than they can be read"))
    }

    /// `None`: something changed meanwhile.
    fn dump_once(&mut self, request: &Request) -> io::Result<Option<Vec<Message>>> {
        let sequence = self.write(core::slice::from_ref(request), DUMP)?;
        let (mut found, mut whole) = (Vec::new(), true);
        loop {
            self.receive()?;
            for (header, body) in Messages(&self.buffer).filter(|(header, _)| header.sequence == sequence) {
                whole &= header.flags & DUMP_INTERRUPTED == 0;
                match header.kind {
                    DONE => return Ok(whole.then_some(found)),
                    ERROR => {
                        verdict(&header, body).map_err(|refused| io::Error::other(refused.to_string()))?
                    }
                    kind => found.push(Message { kind, body: Zeroizing::new(body.to_vec()) }),
                }
            }
        }
    }

    /// Sends all in one datagram; the sequence number of the first.
    fn write(&mut self, requests: &[Request], flags: u16) -> io::Result<u32> {
        let first = self.sequence.wrapping_add(1);
        let size = requests.iter().map(|request| (HEADER + request.body.len()).next_multiple_of(4)).sum();
        let mut datagram = Zeroizing::new(Vec::with_capacity(size));
        for (at, request) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let ack = if flags == 0 && at + 1 == requests.len() { ACK } else { 0 };
            let length = u32::try_from(HEADER + request.body.len()).unwrap_or(u32::MAX);
            datagram.extend_from_slice(&length.to_ne_bytes());
            datagram.extend_from_slice(&request.kind.to_ne_bytes());
            datagram.extend_from_slice(&(request.flags | flags | REQUEST | ack).to_ne_bytes());
            datagram.extend_from_slice(&self.sequence.to_ne_bytes());
            datagram.extend_from_slice(&self.port.to_ne_bytes());
            datagram.extend_from_slice(&request.body);
            let padded = datagram.len().next_multiple_of(4);
            datagram.resize(padded, 0);
        }
        self.socket.send(&datagram, 0)?;
        Ok(first)
    }

    /// Reads until the last request was answered. What is no answer to these is left over from a timeout.
    fn answers(
        &mut self,
        first: u32,
        answers: &mut [Result<(), Refused>],
        each: &mut dyn FnMut(usize, Message),
    ) -> io::Result<()> {
        loop {
            self.receive()?;
            for (header, body) in Messages(&self.buffer) {
                let at = usize::try_from(header.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let last = at + 1 == answers.len();
                let Some(answer) = answers.get_mut(at) else { continue };
                if header.kind != ERROR {
                    each(at, Message { kind: header.kind, body: Zeroizing::new(body.to_vec()) });
                    continue;
                }
                *answer = verdict(&header, body);
                if last {
                    return Ok(());
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        self.buffer.clear();
        for _ in 0..PATIENCE {
            if wait(&mut [Watched::readable(self.socket.as_fd())], Some(Duration::from_secs(1)))? > 0 {
                return self.socket.recv(&mut *self.buffer, DONT_WAIT).map(|_| ());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

const DUMPS: usize = 8;

/// In pieces of at most 32 KiB and [`BATCH`] messages.
fn batches(requests: &[Request]) -> impl Iterator<Item = &[Request]> {
    let mut rest = requests;
    core::iter::from_fn(move || {
        let mut size = 0;
        let fits = rest.iter().take(BATCH).take_while(|request| {
            size += HEADER + request.body.len() + 3;
            size <= DATAGRAM
        });
        let (batch, after) = rest.split_at_checked(fits.count().max(1))?;
        rest = after;
        Some(batch)
    })
}
