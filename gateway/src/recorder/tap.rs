//! The relay's end of a recording.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mezite_access::{ExecLimit, RecordMode};
use mezite_actors::time::Timer;
use mezite_recording::{ExecTap, SessionId, Size, Stream};

use super::Terms;
use super::queue::Queue;
use super::thread::{Command, Output};
use crate::relay::{Exit, Tap, TapError};

/// A strict session ends when the recorder has not moved for so long.
const STUCK: Duration = Duration::from_secs(5);

/// The tap of one session.
pub struct RecordingTap {
    commands: Sender<Command>,
    session: SessionId,
    queue: Arc<Queue>,
    mode: RecordMode,
    limit: Option<ExecTap>,
    channel: u32,
    started: Instant,
    stuck: Timer,
    taken_before: usize,
}

impl RecordingTap {
    pub(super) fn new(
        commands: Sender<Command>,
        session: SessionId,
        queue: Arc<Queue>,
        terms: Terms,
        started: Instant,
    ) -> Self {
        let limit = terms.limit.map(|limit| {
            ExecTap::new(match limit {
                ExecLimit::Bytes(bytes) => mezite_recording::ExecLimit::Bytes(bytes),
                ExecLimit::Unlimited => mezite_recording::ExecLimit::Unlimited,
            })
        });
        Self {
            commands,
            session,
            queue,
            mode: terms.mode,
            limit,
            channel: terms.channel,
            started,
            stuck: Timer::new(),
            taken_before: 0,
        }
    }

    fn send(&self, command: Command) {
        if self.commands.send(command).is_err() {
            self.queue.fail("the recorder has stopped".to_owned());
        }
    }
}

impl Tap for RecordingTap {
    fn output(&mut self, stderr: bool, bytes: &[u8]) {
        let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
        let kept = match &mut self.limit {
            Some(limit) => limit.take(stream, bytes),
            None => bytes,
        };
        if kept.is_empty() || self.queue.failure().is_some() {
            return;
        }
        if self.mode != RecordMode::Strict && !self.queue.has_room(None) {
            if self.queue.degrade() {
                log::warn!(session:% = self.session; "output was not recorded: the recorder does not keep up");
            }
            return;
        }
        self.queue.add(kept.len());
        self.send(Command::Output(Output {
            session: self.session,
            at: self.started.elapsed(),
            channel: self.channel,
            stream,
            bytes: kept.to_vec(),
        }));
    }

    fn resize(&mut self, size: Size) {
        self.send(Command::Resize {
            session: self.session,
            at: self.started.elapsed(),
            channel: self.channel,
            size,
        });
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TapError>> {
        if self.mode != RecordMode::Strict {
            return Poll::Ready(Ok(()));
        }
        if let Some(why) = self.queue.failure() {
            return Poll::Ready(Err(TapError::Failed(why.to_owned())));
        }
        if self.queue.has_room(Some(cx)) {
            self.stuck.set(None);
            return Poll::Ready(Ok(()));
        }
        let taken = self.queue.taken();
        if self.stuck.deadline().is_none() || taken != self.taken_before {
            self.taken_before = taken;
            self.stuck.set(Some(Instant::now() + STUCK));
        }
        self.stuck.poll_expired(cx).map(|()| Err(TapError::Stuck))
    }

    fn finish(self: Box<Self>, exit: Option<&Exit>) {
        let digests = self.limit.as_ref().map(|limit| limit.digests().collect()).unwrap_or_default();
        self.send(Command::Close {
            session: self.session,
            at: self.started.elapsed(),
            channel: self.channel,
            digests,
            exit: exit.cloned(),
        });
    }
}
