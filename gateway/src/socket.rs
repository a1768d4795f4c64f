//! The socket of a leg: TCP, TLS over it where a client has come in through the HTTPS port, or a pipe where it is inside
//! a channel of another connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_rustls::server::TlsStream;
use futures_util::io::{AsyncRead as _, AsyncWrite as _};
use mezite_actors::net::TcpStream;

/// One of them. Boxed is what is rare and large.
pub enum Socket {
    /// Plain.
    Tcp(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Inside the gateway.
    Pipe(Box<Pipe>),
}

/// One end of a two-way pipe. It closes when it is dropped.
pub struct Pipe {
    reader: piper::Reader,
    writer: piper::Writer,
}

impl Pipe {
    /// Both ends; each way holds at most `capacity` bytes.
    pub fn pair(capacity: usize) -> (Self, Self) {
        let (near_reader, far_writer) = piper::pipe(capacity);
        let (far_reader, near_writer) = piper::pipe(capacity);
        let near = Self { reader: near_reader, writer: near_writer };
        (near, Self { reader: far_reader, writer: far_writer })
    }

    /// Its two directions, which close for themselves.
    pub fn split(self) -> (piper::Reader, piper::Writer) {
        (self.reader, self.writer)
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<TlsStream<TcpStream>> for Socket {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(stream))
    }
}

impl From<Pipe> for Socket {
    fn from(pipe: Pipe) -> Self {
        Self::Pipe(Box::new(pipe))
    }
}

impl Socket {
    /// The TCP connection, where it is one of its own.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.get_ref().0),
            Self::Pipe(_) => None,
        }
    }

    /// Reads once.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(&mut &*stream).poll_read(cx, space),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, space),
            Self::Pipe(pipe) => pipe.reader.poll_drain_bytes(cx, space).map(Ok),
        }
    }

    /// Writes once.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(&mut &*stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Pipe(pipe) => pipe.writer.poll_fill_bytes(cx, bytes).map(Ok),
        }
    }

    /// Pushes out what TLS has sealed and TCP has not yet taken.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Pipe(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}
