//! What a client that is in does with channels.

use mezite_ssh::wire::{Reader, Writer as _, msg};

use super::HostileClient;

/// Room for all output of a test.
const WINDOW: u32 = 1 << 24;

/// What came of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The answers to channel requests, in order: whether they succeeded.
    pub answers: Vec<bool>,
    /// What was written to stdout and stderr.
    pub output: Vec<u8>,
    /// The exit status, where there was one.
    pub status: Option<u32>,
}

impl HostileClient {
    /// Opens a session channel with our number `channel`; gives the number of the other side, or none where it is
    /// refused.
    pub fn open_session(&mut self, channel: u32) -> Option<u32> {
        let mut open = vec![msg::CHANNEL_OPEN];
        open.string("session").u32(channel).u32(WINDOW).u32(32_768);
        self.send(&open);
        loop {
            let message = self.transport().receive()?;
            let mut reader = Reader::new(message.get(1..).unwrap_or_default());
            match message.first() {
                Some(&msg::CHANNEL_OPEN_CONFIRMATION) => {
                    reader.u32().ok()?;
                    return reader.u32().ok();
                }
                Some(&(msg::CHANNEL_OPEN_FAILURE | msg::DISCONNECT)) => return None,
                _ => {}
            }
        }
    }

    /// Sends a channel request that wants an answer.
    pub fn channel_request(&mut self, channel: u32, kind: impl AsRef<[u8]>, rest: &[u8]) {
        let mut request = vec![msg::CHANNEL_REQUEST];
        request.u32(channel).string(kind).bool(true).raw(rest);
        self.send(&request);
    }

    /// Sends a message of only a channel number: EOF, CLOSE.
    pub fn channel_message(&mut self, number: u8, channel: u32) {
        let mut message = vec![number];
        message.u32(channel);
        self.send(&message);
    }

    /// Takes what comes on the only open channel until the other side closes it or the connection.
    pub fn hear_channel(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        self.hear_until(msg::CHANNEL_CLOSE, &mut outcome);
        outcome
    }

    /// Takes what comes on the only open channel up to a message of this number, or to the end.
    pub fn hear_until(&mut self, last: u8, outcome: &mut Outcome) {
        while let Some(message) = self.transport().receive() {
            let mut reader = Reader::new(message.get(5..).unwrap_or_default());
            match message.first() {
                Some(&msg::CHANNEL_SUCCESS) => outcome.answers.push(true),
                Some(&msg::CHANNEL_FAILURE) => outcome.answers.push(false),
                Some(&msg::CHANNEL_DATA) => outcome.output.extend(reader.string().unwrap_or_default()),
                Some(&msg::CHANNEL_EXTENDED_DATA) => {
                    reader.u32().unwrap_or_default();
                    outcome.output.extend(reader.string().unwrap_or_default());
                }
                Some(&msg::CHANNEL_REQUEST) if reader.string() == Ok(b"exit-status") => {
                    reader.bool().unwrap_or_default();
                    outcome.status = reader.u32().ok();
                }
                Some(&msg::DISCONNECT) => return,
                _ => {}
            }
            if message.first() == Some(&last) {
                return;
            }
        }
    }

    /// Runs a command on a session of its own, to its end.
    pub fn exec(&mut self, command: &str) -> Outcome {
        let Some(channel) = self.open_session(0) else { return Outcome::default() };
        let mut rest = Vec::new();
        rest.string(command);
        self.channel_request(channel, "exec", &rest);
        self.channel_message(msg::CHANNEL_EOF, channel);
        let outcome = self.hear_channel();
        self.channel_message(msg::CHANNEL_CLOSE, channel);
        outcome
    }
}
