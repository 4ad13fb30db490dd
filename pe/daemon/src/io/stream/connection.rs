//! One TCP connection: its bytes go to the box as they come, and what the box sends leaves in order.

use std::io;

use pe::{Input, Service, StreamId, Streamed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use crate::queue::{Arrival, Queue};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Dropped, it sends what it was given and closes.
pub(super) struct Connection(mpsc::UnboundedSender<Vec<u8>>);

impl Connection {
    /// How much may wait here is decided by who sends: `Writable` says when nothing does.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        // Its end is told by itself.
        let _ = self.0.send(bytes);
    }
}

/// The connection, and its life: over when either side is done, or what it was given has left after it was dropped.
pub(super) fn start(
    stream: TcpStream,
    service: Service,
    id: StreamId,
    queue: Queue,
) -> (Connection, impl Future<Output = ()> + 'static) {
    let (sender, waiting) = mpsc::unbounded_channel();
    let (reader, writer) = stream.into_split();
    let life = async move {
        let (read, write) = (read(reader, service, id, &queue), write(writer, waiting, service, id, &queue));
        // Whichever ends first, the other one ends with it.
        let ended = tokio::select! { ended = read => ended, ended = write => ended };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    };
    (Connection(sender), life)
}

async fn read(mut half: OwnedReadHalf, service: Service, id: StreamId, queue: &Queue) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = half.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        tell(queue, service, Streamed::Bytes(id, bytes.to_vec())).await;
    }
}

async fn write(
    mut half: OwnedWriteHalf,
    mut waiting: mpsc::UnboundedReceiver<Vec<u8>>,
    service: Service,
    id: StreamId,
    queue: &Queue,
) -> io::Result<()> {
    while let Some(bytes) = waiting.recv().await {
        half.write_all(&bytes).await?;
        if waiting.is_empty() && !waiting.is_closed() {
            tell(queue, service, Streamed::Writable(id)).await;
        }
    }
    half.shutdown().await
}

pub(super) async fn tell(queue: &Queue, service: Service, what: Streamed) {
    queue.send(Arrival::Kernel(Input::Stream(service, what))).await;
}
