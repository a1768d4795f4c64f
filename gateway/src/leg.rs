//! A leg: one SSH connection of a session, its engine joined to its socket.

use std::io;
use std::ops::DerefMut;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::poll_fn;
use mezite_actors::net::TcpStream;
use mezite_actors::time::{self, Timer};
use mezite_ssh::client::Client;
use mezite_ssh::server::Server;
use mezite_ssh::transport::Transport;
use thiserror::Error;

use crate::socket::Socket;

/// Time for the last bytes (a disconnect message) to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Stock ssh and sshd run with Nagle until a session has started, and then wait for each acknowledgement, which the
/// kernel would delay by 40 ms. So many reads take a connection through its handshake to its first session.
const QUICK_READS: u32 = 64;

/// An engine of either role.
pub trait Engine: DerefMut<Target = Transport> {
    /// Tells the engine that time has passed.
    fn handle_timeout(&mut self, now: Instant);
}

impl Engine for Server {
    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }
}

impl Engine for Client {
    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }
}

/// Why a leg is over.
#[derive(Debug, Error)]
pub enum LegError {
    /// The engine says so.
    #[error(transparent)]
    Engine(#[from] mezite_ssh::Error),
    /// The peer closed its side.
    #[error("the connection was closed")]
    Closed,
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
}

/// An engine and its socket.
pub struct Leg<E> {
    /// The engine.
    pub engine: E,
    socket: Socket,
    timer: Timer,
    /// Reads after which we still acknowledge at once.
    quick: u32,
    received: u64,
    sent: u64,
}

impl<E: Engine> Leg<E> {
    /// Joins them. Both legs run without Nagle.
    pub fn new(engine: E, socket: impl Into<Socket>) -> Self {
        let socket = socket.into();
        if let Some(Err(error)) = socket.tcp().map(|tcp| tcp.set_nodelay(true)) {
            log::debug!("no TCP_NODELAY: {error}");
        }
        Self { engine, socket, timer: Timer::new(), quick: QUICK_READS, received: 0, sent: 0 }
    }

    /// Bytes read from the socket.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes written to the socket.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Reads once. `Ready(true)` when bytes came; `Ready(false)` when there is no room for any.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, LegError>> {
        let space = self.engine.receive_space();
        if space.is_empty() {
            return Poll::Ready(Ok(false));
        }
        let count = match self.socket.poll_read(cx, space) {
            Poll::Ready(count) => count?,
            Poll::Pending => {
                self.engine.release();
                return Poll::Pending;
            }
        };
        if count == 0 {
            return Poll::Ready(Err(LegError::Closed));
        }
        if self.quick > 0 {
            self.quick -= 1;
            // Only a hint: where the system has no such option the handshake is slower, not wrong.
            let _ = self.socket.tcp().map(TcpStream::quickack);
        }
        self.received += count as u64;
        self.engine.handle_received(count, Instant::now());
        Poll::Ready(Ok(true))
    }

    /// Writes what the socket takes. True when anything left.
    pub fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, LegError> {
        let mut progress = false;
        while !self.engine.transmit().is_empty() {
            match self.socket.poll_write(cx, self.engine.transmit()) {
                Poll::Ready(Ok(0)) => return Err(LegError::Closed),
                Poll::Ready(Ok(count)) => {
                    self.sent += count as u64;
                    self.engine.handle_transmitted(count);
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => break,
            }
        }
        // Where it is pending it wakes us, and is asked again.
        if let Poll::Ready(flushed) = self.socket.poll_flush(cx) {
            flushed?;
        }
        Ok(progress)
    }

    /// Runs the engine's timers. True when one was due.
    pub fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let next = self.engine.poll_timeout();
        self.timer.set(next);
        if self.timer.poll_expired(cx).is_pending() {
            return false;
        }
        self.engine.handle_timeout(Instant::now());
        true
    }

    /// Runs the leg until `poll_event` has something.
    ///
    /// # Errors
    /// Why the leg is over; what the engine still wants to say has been sent.
    pub async fn until<T>(
        &mut self,
        mut poll_event: impl FnMut(&mut E) -> Result<Option<T>, mezite_ssh::Error>,
    ) -> Result<T, LegError> {
        let outcome = poll_fn(|cx| {
            loop {
                match poll_event(&mut self.engine) {
                    Ok(None) => {}
                    Ok(Some(event)) => return Poll::Ready(Ok(event)),
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
                let mut progress = self.poll_timer(cx);
                progress |= self.poll_write(cx)?;
                match self.poll_read(cx)? {
                    Poll::Ready(true) => progress = true,
                    Poll::Ready(false) | Poll::Pending => {}
                }
                if !progress {
                    return Poll::Pending;
                }
            }
        })
        .await;
        if outcome.is_err() {
            self.say_farewell().await;
        }
        outcome
    }

    /// Waits until the peer closes or fails, taking in what it sends meanwhile up to the early limit.
    pub async fn until_closed(&mut self) -> LegError {
        let outcome = self.until(|engine| engine.error().map_or(Ok(None), |error| Err(error.clone())));
        match outcome.await {
            Ok(never) => never,
            Err(error) => error,
        }
    }

    /// Sends what the engine has for the peer.
    pub async fn flush(&mut self) -> Result<(), LegError> {
        poll_fn(|cx| match self.poll_write(cx) {
            Err(error) => Poll::Ready(Err(error)),
            Ok(_) if self.engine.transmit().is_empty() => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
        })
        .await
    }

    /// Lets the last words leave, for a short time.
    pub async fn say_farewell(&mut self) {
        let _ = time::timeout(FAREWELL, self.flush()).await;
    }

    /// Ends the connection with a reason and a text.
    pub async fn disconnect(&mut self, reason: u32, text: &str) {
        self.engine.disconnect(reason, text);
        self.say_farewell().await;
    }
}
