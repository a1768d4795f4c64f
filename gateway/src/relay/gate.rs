//! What a relay asks of the rest of the gateway while a connection lives.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use mezite_access::Permits;
use mezite_recording::{Pty, SessionId};

use super::session::{Session, Start, Tap};
use super::table::Notice;
use crate::leg::LegError;

/// A session that is about to start.
#[derive(Debug)]
pub struct Starting {
    /// The session.
    pub id: SessionId,
    /// The client's channel number.
    pub channel: u32,
    /// What was decided for it.
    pub permits: Arc<Permits>,
    /// What is started.
    pub start: Start,
    /// Its terminal.
    pub pty: Option<Pty>,
}

/// A refusal: the line for the person.
pub type Refused = String;

/// Decides, records and audits for one connection.
pub trait Gate: Send {
    /// A session channel is to be opened: decides anew, because roles may have changed. `open` sessions run already.
    fn open(&mut self, open: usize) -> BoxFuture<'static, Result<Session, Refused>>;

    /// A session starts: its audit event and its recording come before anything runs.
    fn start(&mut self, starting: Starting) -> BoxFuture<'static, Result<Option<Box<dyn Tap>>, Refused>>;

    /// Something happened that the audit is told.
    fn note(&mut self, notice: Notice);

    /// The leg to the node has failed: gives the line for the person.
    fn lost(&mut self, error: &LegError) -> Refused {
        format!("mezite: the connection to the node is lost: {error}")
    }

    /// Ready when the connection must be cut, with the line for the person.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Refused>;
}
