//! Unix sockets.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net as inner;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::accept::{BACKLOG, accept};
use super::io_through_socket;
use crate::runtime::{Done, Source};

/// A socket in the file system that accepts connections.
pub struct UnixListener {
    socket: Source<inner::UnixListener>,
}

impl UnixListener {
    /// Listens at `path`, open to the owner only (0600) from the first moment. A socket file that nobody listens on
    /// any more is replaced; one that is in use is [`io::ErrorKind::AddrInUse`], as is a file of another kind.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        remove_abandoned(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &address)?;
        // Nobody can connect before `listen`, so nobody gets in under the mode that the umask gave.
        rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { socket: Source::listener(socket.into()) })
    }

    /// The next connection; errors as for [`TcpListener::accept`](super::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let once = || poll_fn(|cx| self.socket.poll_read(cx, |socket| socket.accept().map(Done::More)));
        let (socket, _) = accept("unix", once).await?;
        UnixStream::new(socket)
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixListener").field(self.socket.get()).finish()
    }
}

/// Removes the socket file of a listener that did not live to remove it.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    match inner::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path)? => {
            std::fs::remove_file(path)
        }
        // Absent, in use or unreadable: binding says which.
        _ => Ok(()),
    }
}

fn is_socket(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt;
    Ok(std::fs::symlink_metadata(path)?.file_type().is_socket())
}

/// A connection over a Unix socket. A clone is the same connection.
#[derive(Clone)]
pub struct UnixStream {
    socket: Arc<Source<inner::UnixStream>>,
}

impl UnixStream {
    pub(crate) fn new(socket: inner::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(Source::stream(socket)) })
    }

    /// Connects to the socket at `path`.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let path = path.to_owned();
        // It blocks while too many wait to be accepted.
        Self::new(crate::blocking::run(move || inner::UnixStream::connect(path)).await?)
    }

    /// The user id under which the peer's process connected, as the kernel knows it.
    pub fn peer_uid(&self) -> io::Result<u32> {
        Ok(rustix::net::sockopt::socket_peercred(self.socket.get())?.uid.as_raw())
    }

    /// Ends one direction or both, for all clones.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.get().shutdown(how)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixStream").field(self.socket.get()).finish()
    }
}

io_through_socket!(UnixStream, &UnixStream);
