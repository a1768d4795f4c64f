//! TCP.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{self as inner, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::accept::{BACKLOG, accept};
use super::io_through_socket;
use crate::runtime::{Done, Source};
use crate::time::{Deadline, timeout};

/// A socket that accepts TCP connections.
pub struct TcpListener {
    socket: Source<inner::TcpListener>,
}

impl TcpListener {
    /// Listens on `address`; port 0 takes a free one, see [`local_addr`](Self::local_addr).
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(address)?;
        // The standard library allows 128 waiting connections: too few for a burst.
        rustix::net::listen(&socket, BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Source::listener(socket) })
    }

    /// The next connection and the address of its peer. An error is one of the listener itself: connections that
    /// end before they are accepted are passed over, and while descriptors or memory are short it waits.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let once = || poll_fn(|cx| self.socket.poll_read(cx, |socket| socket.accept().map(Done::More)));
        let (socket, peer) = accept("tcp", once).await?;
        socket.set_nonblocking(true)?;
        Ok((TcpStream::new(socket), peer))
    }

    /// The address on which it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(self.socket.get()).finish()
    }
}

/// How to find out that a silent peer is gone: after `idle` without traffic ask every `interval`, and give up after
/// `probes` questions without an answer. Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before the first question.
    pub idle: Duration,
    /// Time between questions.
    pub interval: Duration,
    /// Unanswered questions that end the connection.
    pub probes: u32,
}

/// A TCP connection. A clone is the same connection.
#[derive(Clone)]
pub struct TcpStream {
    socket: Arc<Source<inner::TcpStream>>,
}

impl TcpStream {
    /// `socket` must not block.
    fn new(socket: inner::TcpStream) -> Self {
        Self { socket: Arc::new(Source::stream(socket)) }
    }

    /// Connects to exactly this address; [`io::ErrorKind::TimedOut`] when that takes longer than the deadline.
    pub async fn connect(address: SocketAddr, deadline: impl Into<Deadline>) -> io::Result<Self> {
        let stream = Self::new(begin_to_connect(address)?);
        let connected =
            poll_fn(|cx| stream.socket.poll_write(cx, |socket| is_connected(socket).map(Done::More)));
        let connected = timeout(deadline, connected).await;
        connected.map_err(|elapsed| io::Error::new(io::ErrorKind::TimedOut, elapsed))??;
        Ok(stream)
    }

    /// The address of the other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().peer_addr()
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get().local_addr()
    }

    /// `true` sends small writes at once (`TCP_NODELAY`) instead of gathering them.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.get().set_nodelay(nodelay)
    }

    /// Acknowledges what comes next at once (`TCP_QUICKACK`). The kernel falls back by itself: call it after each
    /// read for as long as the peer waits for acknowledgements. Nothing where the system does not have it.
    pub fn quickack(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        sockopt::set_tcp_quickack(self.socket.get(), true)?;
        Ok(())
    }

    /// Asks a silent peer whether it is still there; `None` stops asking.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        if let Some(Keepalive { idle, interval, probes }) = keepalive {
            sockopt::set_tcp_keepidle(self.socket.get(), idle)?;
            sockopt::set_tcp_keepintvl(self.socket.get(), interval)?;
            sockopt::set_tcp_keepcnt(self.socket.get(), probes)?;
        }
        Ok(sockopt::set_socket_keepalive(self.socket.get(), keepalive.is_some())?)
    }

    /// Ends one direction or both, for all clones.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.get().shutdown(how)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(self.socket.get()).finish()
    }
}

io_through_socket!(TcpStream, &TcpStream);

/// Asks the system to connect, without waiting for it.
fn begin_to_connect(address: SocketAddr) -> io::Result<inner::TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether it is connected; an error that would block while it is under way.
fn is_connected(socket: &inner::TcpStream) -> io::Result<()> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connected stream, and its peer to keep it so.
    fn stream() -> (TcpStream, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = crate::run(TcpStream::connect(address, Duration::from_hours(1))).unwrap();
        (stream, listener.accept().unwrap().0)
    }

    #[test]
    fn small_writes_are_sent_at_once_when_asked() {
        let (stream, _peer) = stream();
        assert!(!stream.socket.get().nodelay().unwrap());
        stream.set_nodelay(true).unwrap();
        assert!(stream.socket.get().nodelay().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn acknowledgements_are_hurried_again_after_the_kernel_fell_back() {
        let (stream, _peer) = stream();
        sockopt::set_tcp_quickack(stream.socket.get(), false).unwrap();
        assert!(!sockopt::tcp_quickack(stream.socket.get()).unwrap());
        stream.quickack().unwrap();
        assert!(sockopt::tcp_quickack(stream.socket.get()).unwrap());
    }

    #[test]
    fn silent_peers_are_asked_as_told() {
        let (stream, _peer) = stream();
        let seconds = Duration::from_secs;
        let keepalive = Keepalive { idle: seconds(61), interval: seconds(7), probes: 3 };
        stream.set_keepalive(Some(keepalive)).unwrap();
        let socket = stream.socket.get();
        assert!(sockopt::socket_keepalive(socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(socket).unwrap(), seconds(61));
        assert_eq!(sockopt::tcp_keepintvl(socket).unwrap(), seconds(7));
        assert_eq!(sockopt::tcp_keepcnt(socket).unwrap(), 3);
        stream.set_keepalive(None).unwrap();
        assert!(!sockopt::socket_keepalive(socket).unwrap());
    }
}
