//! Sockets: TCP and Unix, and names to addresses.
//!
//! Streams read and write through the `futures` I/O traits, by value and by shared reference. A clone is the same
//! socket: one task may read while another writes, but two that wait to read (or to write) wake only the last.

mod accept;
mod tcp;
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

pub use tcp::{Keepalive, TcpListener, TcpStream};
pub use unix::{UnixListener, UnixStream};

use crate::runtime::Done;

/// Looks up the addresses of `host`, in the order of the system's resolver. An IP address is its own answer,
/// without a look-up. The system decides how long it takes: put a timeout around it.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    let host = host.to_owned();
    crate::blocking::run(move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect)).await
}

/// What a read of `count` bytes into a buffer of `room` says: less than there was room for is all there was.
fn taken(count: usize, room: usize) -> Done<usize> {
    // Nothing is the end, which does not go away.
    if count > 0 && count < room { Done::Drained(count) } else { Done::More(count) }
}

fn room(bufs: &[io::IoSliceMut<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

fn length(bufs: &[io::IoSlice<'_>]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

/// Reading and writing of a stream whose field `socket` is a [`Source`](crate::runtime::Source), and of a reference to it.
macro_rules! io_through_socket {
    ($($stream:ty),+) => {$(
        impl futures_util::io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.socket.poll_read(cx, |mut socket| Ok(super::taken(socket.read(buf)?, buf.len())))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [io::IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let room = super::room(bufs);
                self.socket.poll_read(cx, |mut socket| Ok(super::taken(socket.read_vectored(bufs)?, room)))
            }
        }

        impl futures_util::io::AsyncWrite for $stream {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.socket.poll_write(cx, |mut socket| Ok(super::taken(socket.write(buf)?, buf.len())))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let length = super::length(bufs);
                self.socket.poll_write(cx, |mut socket| Ok(super::taken(socket.write_vectored(bufs)?, length)))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Shuts down writing: the peer reads the end.
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.shutdown(std::net::Shutdown::Write))
            }
        }
    )+};
}
use io_through_socket;
