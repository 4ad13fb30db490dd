//! A process that does nothing but keep sockets open: the kernel takes ESP in UDP from them, also while there is
//! no daemon. It goes when the next holder comes, or when it is told to.

use std::fs::remove_file;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use socket2::{SockRef, Socket};

/// The option that makes this program a holder.
pub(crate) const OPTION: &str = "--hold";

/// Where a holder hears that it may go: beside the control socket.
pub(crate) fn place(control: &Path) -> PathBuf {
    let mut place = control.to_owned().into_os_string();
    place.push(".hold");
    place.into()
}

/// Starts a holder of these sockets, which sends the one before it away.
pub(crate) fn hold<'a>(place: &Path, sockets: impl Iterator<Item = &'a UdpSocket>) -> io::Result<()> {
    // What is not closed at `exec` is the holder's; ours are closed when this returns.
    let _inherited: Vec<Socket> = sockets.map(inheritable).collect::<io::Result<_>>()?;
    let mut holder = Command::new("/proc/self/exe");
    holder.arg(OPTION).arg(place).current_dir("/").process_group(0);
    let mut holder = holder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    thread::Builder::new().name("holder".to_owned()).spawn(move || holder.wait()).map(drop)
}

/// Sends the holder away, if there is one.
pub(crate) fn release(place: &Path) {
    // An error means that nobody listens there.
    let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"go", place));
}

/// The holder's life.
pub(crate) fn serve(place: &Path) -> io::Result<()> {
    release(place);
    // One that was killed left its socket.
    let _ = remove_file(place);
    UnixDatagram::bind(place)?.recv(&mut [0; 2]).map(drop)
}

fn inheritable(socket: &UdpSocket) -> io::Result<Socket> {
    let socket = SockRef::from(socket).try_clone()?;
    socket.set_cloexec(false)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_goes_when_the_next_one_comes_or_when_it_is_told_to() {
        let place = place(&std::env::temp_dir().join(format!("onrampd-hold-{}", std::process::id())));
        let start = || {
            let place = place.clone();
            thread::spawn(move || serve(&place))
        };
        let until = |is: &dyn Fn() -> bool| (0..1000).any(|_| is() || nap());
        let first = start();
        assert!(until(&|| place.exists()));
        let second = start();
        first.join().unwrap().unwrap();
        assert!(!second.is_finished());
        assert!(until(&|| {
            release(&place);
            second.is_finished()
        }));
        let _ = remove_file(&place);
    }

    fn nap() -> bool {
        thread::sleep(std::time::Duration::from_millis(10));
        false
    }
}
