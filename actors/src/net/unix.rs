//! Unix sockets.

use std::io;
use std::net::Shutdown;
use std::os::unix::net as std_net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::os::unix::net as inner;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::accept::{BACKLOG, accept};
use super::io_through;

/// A socket in the file system that accepts connections.
#[derive(Debug)]
pub struct UnixListener {
    socket: inner::UnixListener,
}

impl UnixListener {
    /// Listens at `path`, open to the owner only (0600) from the first moment. A socket file that nobody listens on
    /// any more is replaced; one that is in use is [`io::ErrorKind::AddrInUse`], as is a file of another kind.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        remove_abandoned(path)?;
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &address)?;
        // Nobody can connect before `listen`, so nobody gets in under the mode that the umask gave.
        rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { socket: std_net::UnixListener::from(socket).into() })
    }

    /// The next connection; errors as for [`TcpListener::accept`](super::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<UnixStream> {
        let (socket, _) = accept("unix", || self.socket.accept()).await?;
        Ok(UnixStream { socket })
    }
}

/// Removes the socket file of a listener that did not live to remove it.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    match std_net::UnixStream::connect(path) {
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
#[derive(Clone, Debug)]
pub struct UnixStream {
    socket: inner::UnixStream,
}

impl UnixStream {
    /// Connects to the socket at `path`.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { socket: inner::UnixStream::connect(path).await? })
    }

    /// The user id under which the peer's process connected, as the kernel knows it.
    pub fn peer_uid(&self) -> io::Result<u32> {
        Ok(rustix::net::sockopt::socket_peercred(&self.socket)?.uid.as_raw())
    }

    /// Ends one direction or both, for all clones.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }
}

io_through!(socket, UnixStream, &UnixStream);
