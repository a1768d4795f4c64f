//! Channel requests: the part of the permit table that is about sessions.

use mezite_api::escape;
use mezite_recording::{Pty, Size};
use mezite_ssh::error::Misbehaviour;
use mezite_ssh::wire::{Reader, msg};

use super::channel::Side;
use super::gate::Starting;
use super::message::{ChannelRequest, bare};
use super::session::{Exit, Start, Tap};
use super::table::{Hold, Table, Verdict, Violation};

/// Encoded terminal modes that are let through (RFC 4254 section 8): 255 opcodes of five bytes.
const MAX_MODES: usize = 5 * 256;
/// Requests for environment variables on one channel, and bytes of each.
const MAX_ENV: usize = 64 * 1024;
/// Longest command or subsystem name.
const MAX_COMMAND: usize = 256 * 1024;

impl Table {
    pub(super) fn request(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let request = ChannelRequest::decode(payload)?;
        let Some(channel) = self.addressed(side, request.recipient)? else { return Ok(Verdict::Drop) };
        let client = channel.client;
        let (ended, is_session) = (channel.ended, channel.session().is_some());
        let verdict = match side {
            // The gateway has sent CLOSE: nothing may follow it.
            _ if ended => return Ok(Verdict::Drop),
            Side::Client if !is_name(request.kind) => {
                return self.refuse_request(client, request.kind, request.want_reply);
            }
            Side::Client if is_session => self.session_request(client, &request)?,
            Side::Node => {
                self.watch_exit(client, &request)?;
                Verdict::Forward
            }
            Side::Client => Verdict::Forward,
        };
        if verdict == Verdict::Forward && request.want_reply {
            self.expect_reply(side, client)?;
        }
        Ok(verdict)
    }

    fn expect_reply(&mut self, side: Side, client: u32) -> Result<(), Violation> {
        if let Some(channel) = self.channels.get_mut(&client) {
            channel.from(side).requests.expect()?;
        }
        Ok(())
    }

    fn session_request(&mut self, client: u32, request: &ChannelRequest<'_>) -> Result<Verdict, Violation> {
        let refuse = |table: &mut Self| table.refuse_request(client, request.kind, request.want_reply);
        let Some(session) = self.channels.get_mut(&client).and_then(|channel| channel.session()) else {
            return refuse(self);
        };
        let permits = session.permits.clone();
        let idle = session.kind().is_none();
        match request.kind {
            b"pty-req" => {
                let Some(pty) = decode_pty(request.rest) else { return refuse(self) };
                if !permits.pty || session.pty.is_some() || !idle {
                    return refuse(self);
                }
                session.pty = Some(pty);
                Ok(Verdict::Forward)
            }
            b"window-change" => {
                let mut rest = request.rest;
                let (cols, rows) = (rest.u32()?, rest.u32()?);
                let Some(pty) = &mut session.pty else { return refuse(self) };
                pty.size = Size::clamped(cols, rows, pty.size);
                let size = pty.size;
                if let Some(tap) = session.tap() {
                    tap.resize(size);
                }
                Ok(Verdict::Forward)
            }
            b"env" => {
                let mut rest = request.rest;
                let (name, value) = (rest.string()?, rest.string()?);
                let permitted =
                    is_name(name) && std::str::from_utf8(name).is_ok_and(|name| permits.may_set_env(name));
                if permitted && value.len() <= MAX_ENV { Ok(Verdict::Forward) } else { refuse(self) }
            }
            b"shell" | b"exec" | b"subsystem" => {
                let Some(start) = decode_start(request)? else { return refuse(self) };
                let permitted = match &start {
                    Start::Shell => true,
                    Start::Subsystem(name) if !is_name(name) => false,
                    // Limits on paths cannot be held yet: deny instead.
                    Start::Subsystem(name) if name == b"sftp" => permits.sftp && !permits.limits_file_copy(),
                    Start::Exec(command) if is_copy(command) => permits.exec && !permits.limits_file_copy(),
                    Start::Exec(_) | Start::Subsystem(_) => permits.exec,
                };
                if !idle || !permitted {
                    return refuse(self);
                }
                session.set_started(start.kind());
                Ok(Verdict::Hold(Hold::Start { channel: client, start, want_reply: request.want_reply }))
            }
            // Their channels from the node are not offered yet.
            b"auth-agent-req@openssh.com" | b"x11-req" => refuse(self),
            // `signal`, `break`, `eow@openssh.com`, `xon-xoff` and whatever OpenSSH will invent.
            _ => Ok(Verdict::Forward),
        }
    }

    /// What a held start is about, for the decision. `None` where the channel is gone.
    pub fn starting(&mut self, client: u32, start: Start) -> Option<Starting> {
        let session = self.channels.get_mut(&client)?.session()?;
        Some(Starting {
            id: session.id,
            channel: client,
            permits: session.permits.clone(),
            start,
            pty: session.pty.clone(),
        })
    }

    /// The start that was held is permitted, with its recording. True when its message is to be forwarded: the channel
    /// may be gone by now.
    pub fn start_permitted(
        &mut self,
        client: u32,
        want_reply: bool,
        tap: Option<Box<dyn Tap>>,
    ) -> Result<bool, Violation> {
        let Some(channel) = self.channels.get_mut(&client).filter(|channel| !channel.ended) else {
            return Ok(false);
        };
        if let Some(session) = channel.session() {
            session.set_tap(tap);
        }
        if want_reply {
            self.expect_reply(Side::Client, client)?;
        }
        Ok(true)
    }

    /// The start that was held is refused, with a text for the person. The reply says success, because stock ssh shows
    /// nothing after a failure: the text and exit status 254 follow it.
    pub fn start_refused(&mut self, client: u32, want_reply: bool, text: &str) -> Result<(), Violation> {
        if want_reply {
            self.reply(client, bare(msg::CHANNEL_SUCCESS, client))?;
        }
        self.end_session(client, text);
        Ok(())
    }

    fn watch_exit(&mut self, client: u32, request: &ChannelRequest<'_>) -> Result<(), Misbehaviour> {
        let mut rest = request.rest;
        let exit = match request.kind {
            b"exit-status" => Exit::Status(rest.u32()?),
            b"exit-signal" => Exit::Signal(escape(rest.string()?)),
            _ => return Ok(()),
        };
        if let Some(session) = self.channels.get_mut(&client).and_then(|channel| channel.session()) {
            session.exit = Some(exit);
        }
        Ok(())
    }
}

/// A name that everybody reads in the same way: printable ASCII (RFC 4251 section 6). sshd takes a NUL at the end of a
/// string for its end, so that `exec` with one is unknown to us and a command to it.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn decode_start(request: &ChannelRequest<'_>) -> Result<Option<Start>, Misbehaviour> {
    let mut rest = request.rest;
    if request.kind == b"shell" {
        return Ok(Some(Start::Shell));
    }
    let text = rest.string()?;
    if text.len() > MAX_COMMAND {
        return Ok(None);
    }
    Ok(Some(if request.kind == b"exec" {
        Start::Exec(text.to_vec())
    } else {
        Start::Subsystem(text.to_vec())
    }))
}

fn decode_pty(mut rest: Reader<'_>) -> Option<Pty> {
    let term = rest.string().ok()?;
    let (cols, rows) = (rest.u32().ok()?, rest.u32().ok()?);
    rest.u32().ok()?;
    rest.u32().ok()?;
    let modes = rest.string().ok()?;
    rest.end().ok()?;
    (modes.len() <= MAX_MODES && term.len() <= 256)
        .then(|| Pty { term: escape(term), size: Size::clamped(cols, rows, Size::DEFAULT) })
}

/// The server side of a classic `scp`.
fn is_copy(command: &[u8]) -> bool {
    let mut words = command.split(|b| *b == b' ').filter(|word| !word.is_empty());
    words.next().is_some_and(|program| program == b"scp" || program.ends_with(b"/scp"))
        && words.any(|word| word.starts_with(b"-") && word.iter().any(|b| matches!(b, b't' | b'f')))
}
