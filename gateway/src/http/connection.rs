//! One HTTP/1.1 connection: reads a request within its limits, has it answered, writes the answer, and again.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use futures_util::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use mezite_actors::{Latch, blocking, time};

use super::app::App;
use super::caller::Caller;
use super::gate::Served;
use super::head::{self, HEAD_MAX, Head, HeadError};
use super::request::{Method, Request};
use super::response::{Body, Response};

/// How long a request may take to arrive: the first counted from the moment the connection was accepted, so that
/// a TLS handshake and a slow head share it, later ones from the answer before.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long the peer may take to accept one piece of an answer.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How long, and for how many bytes, a refused request is still read, so that the refusal is not lost in a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 2 * 1024 * 1024;
/// Bytes of a file that are read and written at once.
const PIECE: usize = 256 * 1024;

const CONNECT: &[u8] = b"CONNECT ";

/// How a connection came to its end.
#[derive(Debug)]
pub enum End<S> {
    /// It is closed, by either side.
    Closed,
    /// Its first bytes are `CONNECT `: the stream and all that has been read from it.
    Connect(S, Vec<u8>),
}

/// A connection and what has been read from it beyond the last request.
pub struct Connection<S> {
    stream: S,
    buffer: Vec<u8>,
    caller: Caller,
    drain: Latch,
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A fresh connection of `caller`. Once `drain` is set no further request is read.
    pub const fn new(stream: S, caller: Caller, drain: Latch) -> Self {
        Self { stream, buffer: Vec::new(), caller, drain }
    }

    /// Serves requests until either side closes. `deadline` is when the first request must be there; `served` is
    /// set once it is. With `tunnels` a connection that begins with `CONNECT ` is given back instead.
    pub async fn serve(mut self, app: &App, mut deadline: Instant, served: &Served, tunnels: bool) -> End<S> {
        if tunnels {
            match time::timeout(deadline, self.begins_with_connect()).await {
                Ok(Ok(true)) => return End::Connect(self.stream, self.buffer),
                Ok(Ok(false)) => {}
                Ok(Err(_)) | Err(_) => return End::Closed,
            }
        }
        loop {
            let (request, close) = match self.next_request(deadline).await {
                Ok(Some(request)) => request,
                Err(ReadError::Head(error)) => {
                    self.refuse(error).await;
                    return End::Closed;
                }
                Ok(None) | Err(ReadError::Io(_)) => return End::Closed,
            };
            served.set();
            let head_only = request.method == Method::Head;
            let response = app.respond(request).await;
            // Who is not let in, or not any more, has nothing to do with this connection.
            let close = close || matches!(response.status, 401 | 403);
            if self.write(response, head_only, close).await.is_err() || close {
                let _ = time::timeout(WRITE_TIME, self.stream.close()).await;
                return End::Closed;
            }
            deadline = Instant::now() + REQUEST_TIME;
        }
    }

    /// The next request in time, and whether it is the last; `None` when there is none.
    async fn next_request(&mut self, deadline: Instant) -> Result<Option<(Request, bool)>, ReadError> {
        let drain = self.drain.wait();
        match select(drain, Box::pin(time::timeout(deadline, self.read_request()))).await {
            Either::Right((Ok(read), _)) => read,
            Either::Right((Err(_), _)) | Either::Left(_) => Ok(None),
        }
    }

    /// Reads until it is clear whether the first bytes are `CONNECT `.
    async fn begins_with_connect(&mut self) -> io::Result<bool> {
        loop {
            let seen = self.buffer.len().min(CONNECT.len());
            if self.buffer.get(..seen) != CONNECT.get(..seen) {
                return Ok(false);
            }
            if seen == CONNECT.len() {
                return Ok(true);
            }
            if self.fill(HEAD_MAX).await? == 0 {
                return Ok(false);
            }
        }
    }

    /// Reads once, while the buffer holds less than `max` bytes. The number of bytes read.
    async fn fill(&mut self, max: usize) -> io::Result<usize> {
        let mut piece = [0; 4096];
        let room = max.saturating_sub(self.buffer.len()).min(piece.len());
        let piece = piece.get_mut(..room).unwrap_or_default();
        let read = self.stream.read(piece).await?;
        self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(read)
    }

    /// The next request and whether it is the last; `None` when the peer has closed before it.
    async fn read_request(&mut self) -> Result<Option<(Request, bool)>, ReadError> {
        let head_len = loop {
            if let Some(length) = head::head_len(&self.buffer) {
                break length;
            }
            if head::has_bare_lf(&self.buffer) {
                return Err(HeadError::Malformed("a line that ends without CR").into());
            }
            if self.buffer.len() >= HEAD_MAX {
                return Err(HeadError::HeadTooLarge.into());
            }
            if self.fill(HEAD_MAX).await? == 0 {
                return Ok(None);
            }
        };
        let rest = self.buffer.split_off(head_len);
        let head = Head::parse(&std::mem::replace(&mut self.buffer, rest))?;
        if head.expects_continue && self.buffer.is_empty() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        while self.buffer.len() < head.body_len {
            if self.fill(head.body_len).await? == 0 {
                return Ok(None);
            }
        }
        let rest = self.buffer.split_off(head.body_len);
        let request = Request {
            method: head.method,
            path: head.path,
            query: head.query,
            body: std::mem::replace(&mut self.buffer, rest).into(),
            caller: self.caller.clone(),
            if_match: head.if_match,
            if_none_match: head.if_none_match,
            params: Vec::new(),
        };
        Ok(Some((request, head.close)))
    }

    async fn refuse(&mut self, error: HeadError) {
        let refusal = Response::from(error);
        if self.write(refusal, false, true).await.is_ok() {
            // Closing with unread bytes would reset the connection, and the refusal with it.
            let linger = async {
                self.stream.close().await?;
                let mut rest = (&mut self.stream).take(LINGER_BYTES);
                futures_util::io::copy(&mut rest, &mut futures_util::io::sink()).await
            };
            let _ = time::timeout(LINGER_TIME, linger).await;
        }
    }

    async fn write(&mut self, response: Response, head_only: bool, close: bool) -> io::Result<()> {
        let head = response.head(close).into_bytes();
        match response.body {
            _ if head_only => self.send(&head).await,
            Body::Bytes(body) => self.send(&[head, body].concat()).await,
            Body::File { mut file, len } => {
                self.send(&head).await?;
                let mut left = len;
                while left > 0 {
                    let piece;
                    (file, piece) = blocking::run(move || read_piece(file, left)).await?;
                    self.send(&piece).await?;
                    left -= piece.len() as u64;
                }
                Ok(())
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            time::timeout(WRITE_TIME, self.stream.write_all(piece))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        }
        time::timeout(WRITE_TIME, self.stream.flush())
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// The next piece of a file, which must still hold `left` bytes.
fn read_piece(mut file: std::fs::File, left: u64) -> io::Result<(std::fs::File, Vec<u8>)> {
    let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
    let mut piece = vec![0; size];
    io::Read::read_exact(&mut file, &mut piece)?;
    Ok((file, piece))
}

#[cfg(test)]
mod tests;
