//! The thread that writes recordings: disk calls block, so they have a thread of their own.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use mezite_actors::Reply;
use mezite_recording::{
    Archive, Body, Codec, ExecDigest, Frame, Header, SessionId, Size, Stream, WriteError, Writer,
};

use super::queue::Queue;
use crate::relay::Exit;

/// How often blocks that wait are looked at, while any do.
const TICK: Duration = Duration::from_millis(250);

/// What a session sends.
pub(super) enum Command {
    Open { header: Box<Header>, queue: Arc<Queue>, reply: Reply<Result<(), WriteError>> },
    Output(Output),
    Resize { session: SessionId, at: Duration, channel: u32, size: Size },
    Close { session: SessionId, at: Duration, channel: u32, digests: Vec<ExecDigest>, exit: Option<Exit> },
}

/// Output of a session.
pub(super) struct Output {
    pub(super) session: SessionId,
    pub(super) at: Duration,
    pub(super) channel: u32,
    pub(super) stream: Stream,
    pub(super) bytes: Vec<u8>,
}

struct Open {
    writer: Writer,
    queue: Arc<Queue>,
    started: Instant,
}

/// The thread's state.
pub(super) struct Scribe {
    archive: Archive,
    codec: Codec,
    open: HashMap<SessionId, Open>,
}

impl Scribe {
    pub(super) fn new(archive: Archive) -> io::Result<Self> {
        Ok(Self { archive, codec: Codec::new()?, open: HashMap::new() })
    }

    /// Works until every session and the recorder's handles are gone.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let waiting = self.open.values().any(|open| open.writer.due().is_some());
            let received = if waiting {
                inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now()))
            } else {
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match received {
                Ok(command) => self.handle(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next_tick {
                self.tick();
                next_tick = Instant::now() + TICK;
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open { header, queue, reply } => {
                let created = self.archive.create(&header).map(|writer| {
                    let open = Open { writer, queue, started: Instant::now() };
                    self.open.insert(header.session, open);
                });
                reply.answer(created);
            }
            Command::Output(output) => {
                let body = match output.stream {
                    Stream::Stdout => Body::Stdout(&output.bytes),
                    Stream::Stderr => Body::Stderr(&output.bytes),
                };
                let frame = Frame { at: output.at, channel: output.channel, body };
                self.push(output.session, frame, output.bytes.len());
            }
            Command::Resize { session, at, channel, size } => {
                self.push(session, Frame { at, channel, body: Body::Resize(size) }, 0);
            }
            Command::Close { session, at, channel, digests, exit } => {
                self.close(session, at, channel, &digests, exit.as_ref());
            }
        }
    }

    fn push(&mut self, session: SessionId, frame: Frame<'_>, queued: usize) {
        let Some(open) = self.open.get_mut(&session) else { return };
        if let Err(error) = open.writer.push(&mut self.codec, frame) {
            open.queue.fail(error.to_string());
        }
        open.queue.take(queued);
    }

    fn tick(&mut self) {
        for open in self.open.values_mut().filter(|open| open.writer.due().is_some()) {
            if let Err(error) = open.writer.tick(&mut self.codec, open.started.elapsed()) {
                open.queue.fail(error.to_string());
            }
        }
    }

    fn close(
        &mut self,
        session: SessionId,
        at: Duration,
        channel: u32,
        digests: &[ExecDigest],
        exit: Option<&Exit>,
    ) {
        for digest in digests {
            self.push(session, Frame { at, channel, body: Body::Digest(*digest) }, 0);
        }
        let (body, reason) = match exit {
            Some(Exit::Status(status)) => (Some(Body::Exit(*status)), "exit"),
            Some(Exit::Signal(name)) => (Some(Body::Signal(name)), "signal"),
            None => (None, "closed"),
        };
        if let Some(body) = body {
            self.push(session, Frame { at, channel, body }, 0);
        }
        let Some(open) = self.open.remove(&session) else { return };
        if let Err(error) = open.writer.finish(&mut self.codec, at, reason) {
            log::error!(session:% = session, error:%; "a recording could not be closed; the next start will");
        }
    }
}
