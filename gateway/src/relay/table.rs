//! The permit table (semantics section 2): looks at each message of either side and says what becomes of it.
//!
//! Whatever the table lets through goes on byte for byte. What it answers itself is kept in order with the replies of
//! the far side. It does no I/O and asks nobody: where a decision takes time, it says so with a [`Hold`].

use std::collections::BTreeMap;

use mezite_access::{Destination, OwnSshd, Permits};
use mezite_api::escape;
use mezite_ssh::error::Misbehaviour;
use mezite_ssh::wire::msg;

use super::channel::{Channel, Purpose, Side};
use super::message::{
    self, ChannelOpen, Confirmation, GlobalRequest, PROHIBITED, SHORTAGE, UNKNOWN_TYPE, bare,
    channel_failure, open_failure,
};
use super::replies::{Replies, TooManyOutstanding};
use super::session::{Session, Start};

/// Channels that a connection may have at once.
const MAX_CHANNELS: usize = 1024;

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it is.
    Forward,
    /// It goes no further; an answer may be in [`Table::take_answers`].
    Drop,
    /// It waits for a decision, and everything behind it from the same side.
    Hold(Hold),
    /// Output of a session: it goes on, and to the recording.
    Output {
        /// The client's channel number.
        channel: u32,
        /// It is extended data.
        stderr: bool,
    },
}

/// A decision that is needed.
#[derive(Debug, PartialEq, Eq)]
pub enum Hold {
    /// A session channel is to be opened.
    Open {
        /// The client's channel number.
        channel: u32,
        /// The client's window.
        window: u32,
    },
    /// Something is to be started on a session channel.
    Start {
        /// The client's channel number.
        channel: u32,
        /// What.
        start: Start,
        /// The client wants a reply.
        want_reply: bool,
    },
}

/// Something that the audit is told.
#[derive(Debug)]
pub enum Notice {
    /// A request or channel was refused.
    Refused {
        /// Who asked.
        side: Side,
        /// For what, escaped.
        what: String,
    },
    /// A forwarding was refused: its destination, escaped.
    ForwardRefused(String),
    /// A forwarding was opened: its destination, escaped.
    ForwardOpened(String),
    /// A forwarding has ended.
    ForwardClosed {
        /// Its destination, escaped.
        destination: String,
        /// Bytes that the client sent.
        from_client: u64,
        /// Bytes that the node sent.
        from_node: u64,
    },
    /// A session has ended; bytes that either side sent.
    SessionEnded {
        /// The session.
        session: Session,
        /// Bytes that the client sent.
        from_client: u64,
        /// Bytes that the node sent.
        from_node: u64,
    },
    /// The node shows other host keys than before (`hostkeys-00@openssh.com`): their blobs.
    HostKeysSeen(Vec<Vec<u8>>),
}

/// Why a leg must be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub Misbehaviour);

impl From<Misbehaviour> for Violation {
    fn from(fault: Misbehaviour) -> Self {
        Self(fault)
    }
}

impl From<TooManyOutstanding> for Violation {
    fn from(_: TooManyOutstanding) -> Self {
        Self(Misbehaviour::Flood)
    }
}

/// The channels and outstanding requests of one connection.
pub struct Table {
    pub(super) permits: std::sync::Arc<Permits>,
    own: OwnSshd,
    forwards: bool,
    /// By the client's number.
    pub(super) channels: BTreeMap<u32, Channel>,
    /// The client's number for the node's.
    by_node: BTreeMap<u32, u32>,
    from_client: Replies,
    from_node: Replies,
    no_more_sessions: bool,
    answers: Vec<(Side, Vec<u8>)>,
    notices: Vec<Notice>,
}

impl Table {
    /// For a connection with these permits; `own` is the sshd at its far end, to which `forwards` may lead where the
    /// certificate does not withhold all forwarding.
    pub fn new(permits: std::sync::Arc<Permits>, own: OwnSshd, forwards: bool) -> Self {
        Self {
            permits,
            own,
            forwards,
            channels: BTreeMap::new(),
            by_node: BTreeMap::new(),
            from_client: Replies::default(),
            from_node: Replies::default(),
            no_more_sessions: false,
            answers: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Our own messages, each with the side it is for. They go out behind the message that was judged last.
    pub fn take_answers(&mut self) -> Vec<(Side, Vec<u8>)> {
        std::mem::take(&mut self.answers)
    }

    /// What the audit is to be told.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The recording of a session, where there is one.
    pub fn tap(&mut self, client: u32) -> Option<&mut Box<dyn super::Tap>> {
        self.channels.get_mut(&client)?.session()?.tap()
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.channels.values().filter(|channel| matches!(channel.purpose, Purpose::Session(_))).count()
    }

    pub(super) fn note(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(super) fn answer(&mut self, to: Side, message: Vec<u8>) {
        self.answers.push((to, message));
    }

    /// Judges a message of `side`.
    ///
    /// # Errors
    /// The side broke the protocol: its leg must be cut.
    pub fn judge(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let number = *payload.first().ok_or(Misbehaviour::Malformed)?;
        match number {
            msg::CHANNEL_DATA => self.data(side, payload),
            msg::CHANNEL_EXTENDED_DATA => self.extended_data(side, payload),
            msg::CHANNEL_WINDOW_ADJUST => self.adjust(side, payload),
            msg::CHANNEL_EOF | msg::CHANNEL_CLOSE => self.end(side, number, payload),
            msg::CHANNEL_REQUEST => self.request(side, payload),
            msg::CHANNEL_SUCCESS | msg::CHANNEL_FAILURE => self.channel_reply(side, payload),
            msg::CHANNEL_OPEN => match side {
                Side::Client => self.open(payload),
                Side::Node => self.open_from_node(payload),
            },
            msg::CHANNEL_OPEN_CONFIRMATION if side == Side::Node => self.confirmed(payload),
            msg::CHANNEL_OPEN_FAILURE if side == Side::Node => self.open_failed(payload),
            msg::GLOBAL_REQUEST => self.global(side, payload),
            msg::REQUEST_SUCCESS | msg::REQUEST_FAILURE => self.global_reply(side),
            _ => Err(Misbehaviour::OutOfPlace(number).into()),
        }
    }

    // Channels

    /// The channel that `side` addresses. `None`: this side has closed it and should not speak of it any more.
    pub(super) fn addressed(&mut self, side: Side, number: u32) -> Result<Option<&mut Channel>, Violation> {
        let client = match side {
            Side::Client => *self.by_node.get(&number).ok_or(Misbehaviour::Malformed)?,
            Side::Node => number,
        };
        let channel = self.channels.get_mut(&client).ok_or(Misbehaviour::Malformed)?;
        if channel.node.is_none() {
            return Err(Misbehaviour::Malformed.into());
        }
        let silent = channel.from(side).closed;
        Ok((!silent).then_some(channel))
    }

    fn data(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let (number, mut rest) = message::recipient(payload)?;
        let bytes = rest.string()?.len();
        rest.end()?;
        self.spend(side, number, bytes, false)
    }

    fn extended_data(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let (number, mut rest) = message::recipient(payload)?;
        let kind = rest.u32()?;
        let bytes = rest.string()?.len();
        rest.end()?;
        let verdict = self.spend(side, number, bytes, true)?;
        // Only standard error is recorded; other types go on as they are.
        Ok(if kind != 1 && matches!(verdict, Verdict::Output { .. }) { Verdict::Forward } else { verdict })
    }

    fn spend(&mut self, side: Side, number: u32, bytes: usize, stderr: bool) -> Result<Verdict, Violation> {
        let Some(channel) = self.addressed(side, number)? else { return Ok(Verdict::Drop) };
        let sender = channel.from(side);
        if sender.eof {
            return Err(Misbehaviour::OutOfPlace(msg::CHANNEL_DATA).into());
        }
        sender.spend(bytes)?;
        if channel.ended {
            return Ok(Verdict::Drop);
        }
        let client = channel.client;
        let recorded = side == Side::Node && channel.session().is_some_and(|s| s.tap().is_some());
        Ok(if recorded { Verdict::Output { channel: client, stderr } } else { Verdict::Forward })
    }

    fn adjust(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let (number, mut rest) = message::recipient(payload)?;
        let bytes = rest.u32()?;
        rest.end()?;
        let Some(channel) = self.addressed(side, number)? else { return Ok(Verdict::Drop) };
        channel.from(side.other()).grant(bytes)?;
        Ok(if channel.ended { Verdict::Drop } else { Verdict::Forward })
    }

    fn end(&mut self, side: Side, number: u8, payload: &[u8]) -> Result<Verdict, Violation> {
        let (recipient, rest) = message::recipient(payload)?;
        rest.end()?;
        let Some(channel) = self.addressed(side, recipient)? else { return Ok(Verdict::Drop) };
        let sender = channel.from(side);
        if number == msg::CHANNEL_EOF {
            sender.eof = true;
        } else {
            sender.closed = true;
        }
        // A channel that the gateway has ended has had its EOF and CLOSE from us.
        let verdict = if channel.ended { Verdict::Drop } else { Verdict::Forward };
        if channel.is_over() {
            let client = channel.client;
            self.remove(client);
        }
        Ok(verdict)
    }

    /// Forgets a channel and tells the audit.
    pub(super) fn remove(&mut self, client: u32) {
        let Some(channel) = self.channels.remove(&client) else { return };
        if let Some(node) = channel.node {
            self.by_node.remove(&node);
        }
        let (from_client, from_node) = (channel.from_client.bytes, channel.from_node.bytes);
        match channel.purpose {
            Purpose::Session(mut session) => {
                session.finish();
                self.note(Notice::SessionEnded { session, from_client, from_node });
            }
            Purpose::Forward { destination } if channel.node.is_some() => {
                self.note(Notice::ForwardClosed { destination, from_client, from_node });
            }
            Purpose::Forward { .. } => {}
        }
    }

    /// Ends every channel for the audit: the connection is over.
    pub fn remove_all(&mut self) {
        while let Some((client, _)) = self.channels.first_key_value() {
            let client = *client;
            self.remove(client);
        }
    }

    /// Ends a session from here: a text for the person, exit status 254, EOF and CLOSE; CLOSE for the node.
    pub fn end_session(&mut self, client: u32, text: &str) {
        let Some(channel) = self.channels.get_mut(&client) else { return };
        if channel.ended || channel.from_node.closed {
            return;
        }
        channel.ended = true;
        let node = channel.node.filter(|_| !channel.from_client.closed);
        let fits = text.len() <= channel.from_node.window() as usize;
        if let Some(session) = channel.session() {
            session.finish();
        }
        if fits {
            self.answer(Side::Client, message::stderr(client, text));
        }
        self.answer(Side::Client, message::exit_status(client, 254));
        self.answer(Side::Client, bare(msg::CHANNEL_EOF, client));
        self.answer(Side::Client, bare(msg::CHANNEL_CLOSE, client));
        if let Some(node) = node {
            self.answer(Side::Node, bare(msg::CHANNEL_CLOSE, node));
        }
    }

    // Opening

    fn open(&mut self, payload: &[u8]) -> Result<Verdict, Violation> {
        let open = ChannelOpen::decode(payload)?;
        if self.channels.contains_key(&open.sender) {
            return Err(Misbehaviour::Malformed.into());
        }
        if open.max_packet == 0 || self.channels.len() >= MAX_CHANNELS {
            return Ok(self.refuse_open(&open, SHORTAGE, "too many channels, or no room for packets"));
        }
        match open.kind {
            b"session" if self.no_more_sessions => {
                Ok(self.refuse_open(&open, PROHIBITED, "no more sessions were asked for"))
            }
            b"session" => Ok(Verdict::Hold(Hold::Open { channel: open.sender, window: open.window })),
            b"direct-tcpip" => {
                let mut rest = open.rest;
                let (host, port) = (rest.string()?, rest.u32()?);
                Ok(self.forward(&open, host, Some(port)))
            }
            b"direct-streamlocal@openssh.com" => {
                let mut rest = open.rest;
                let path = rest.string()?;
                Ok(self.forward(&open, path, None))
            }
            b"tun@openssh.com" => Ok(self.refuse_open(&open, PROHIBITED, "tunnels are not offered")),
            _ => Ok(self.refuse_open(&open, UNKNOWN_TYPE, "unknown channel type")),
        }
    }

    fn refuse_open(&mut self, open: &ChannelOpen<'_>, reason: u32, text: &str) -> Verdict {
        self.note(Notice::Refused { side: Side::Client, what: escape(open.kind) });
        self.answer(Side::Client, open_failure(open.sender, reason, &format!("mezite: {text}")));
        Verdict::Drop
    }

    /// A connection that the node shall make: allowed by what roles say about the destination as it was asked for.
    fn forward(&mut self, open: &ChannelOpen<'_>, to: &[u8], port: Option<u32>) -> Verdict {
        let destination = match port {
            Some(port) => format!("{}:{port}", escape(to)),
            None => format!("unix:{}", escape(to)),
        };
        let asked = std::str::from_utf8(to).ok().filter(|to| is_plain(to)).and_then(|to| match port {
            Some(port) => {
                let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
                Some(Destination::Tcp { host: to, port })
            }
            None => Some(Destination::Unix(to)),
        });
        if !asked.is_some_and(|to| self.forwards && self.permits.may_forward_local(to, &self.own)) {
            self.note(Notice::ForwardRefused(destination));
            let text = "mezite: forwarding to this destination is not permitted";
            self.answer(Side::Client, open_failure(open.sender, PROHIBITED, text));
            return Verdict::Drop;
        }
        let purpose = Purpose::Forward { destination };
        self.channels.insert(open.sender, Channel::new(purpose, open.sender, open.window));
        Verdict::Forward
    }

    /// The session channel that was held may be opened: its message is to be forwarded.
    pub fn session_permitted(&mut self, client: u32, window: u32, session: Session) {
        self.channels.insert(client, Channel::new(Purpose::Session(session), client, window));
    }

    /// The session channel that was held is refused.
    pub fn session_refused(&mut self, client: u32, text: &str) {
        self.answer(Side::Client, open_failure(client, PROHIBITED, text));
    }

    fn open_from_node(&mut self, payload: &[u8]) -> Result<Verdict, Violation> {
        let open = ChannelOpen::decode(payload)?;
        let known = [&b"auth-agent@openssh.com"[..], b"x11", b"forwarded-tcpip"].contains(&open.kind)
            || open.kind == b"forwarded-streamlocal@openssh.com";
        let reason = if known || open.kind == b"session" { PROHIBITED } else { UNKNOWN_TYPE };
        self.note(Notice::Refused { side: Side::Node, what: escape(open.kind) });
        self.answer(Side::Node, open_failure(open.sender, reason, "not asked for"));
        Ok(Verdict::Drop)
    }

    fn confirmed(&mut self, payload: &[u8]) -> Result<Verdict, Violation> {
        let confirmation = Confirmation::decode(payload)?;
        if self.by_node.contains_key(&confirmation.sender) || confirmation.max_packet == 0 {
            return Err(Misbehaviour::Malformed.into());
        }
        let channel = self.channels.get_mut(&confirmation.recipient).ok_or(Misbehaviour::Malformed)?;
        if channel.node.is_some() {
            return Err(Misbehaviour::OutOfPlace(msg::CHANNEL_OPEN_CONFIRMATION).into());
        }
        channel.node = Some(confirmation.sender);
        channel.from_client.grant(confirmation.window)?;
        if let Purpose::Forward { destination } = &channel.purpose {
            let opened = Notice::ForwardOpened(destination.clone());
            self.note(opened);
        }
        self.by_node.insert(confirmation.sender, confirmation.recipient);
        Ok(Verdict::Forward)
    }

    fn open_failed(&mut self, payload: &[u8]) -> Result<Verdict, Violation> {
        let (client, _) = message::recipient(payload)?;
        match self.channels.get(&client) {
            Some(channel) if channel.node.is_none() => {
                self.remove(client);
                Ok(Verdict::Forward)
            }
            _ => Err(Misbehaviour::Malformed.into()),
        }
    }

    fn channel_reply(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let (number, rest) = message::recipient(payload)?;
        rest.end()?;
        let Some(channel) = self.addressed(side, number)? else { return Ok(Verdict::Drop) };
        let due = channel.from(side.other()).requests.replied().ok_or(Misbehaviour::Malformed)?;
        if channel.ended {
            return Ok(Verdict::Drop);
        }
        for message in due {
            self.answer(side.other(), message);
        }
        Ok(Verdict::Forward)
    }

    /// Refuses a channel request of the client in its turn.
    pub(super) fn refuse_request(
        &mut self,
        client: u32,
        what: &[u8],
        want_reply: bool,
    ) -> Result<Verdict, Violation> {
        self.note(Notice::Refused { side: Side::Client, what: escape(what) });
        self.fail_request(client, want_reply)?;
        Ok(Verdict::Drop)
    }

    /// Answers a channel request of the client with failure in its turn.
    pub fn fail_request(&mut self, client: u32, want_reply: bool) -> Result<(), Violation> {
        if want_reply { self.reply(client, channel_failure(client)) } else { Ok(()) }
    }

    /// Answers a channel request of the client in its turn.
    pub(super) fn reply(&mut self, client: u32, message: Vec<u8>) -> Result<(), Violation> {
        if let Some(channel) = self.channels.get_mut(&client)
            && let Some(now) = channel.from_client.requests.answer(message)?
        {
            self.answer(Side::Client, now);
        }
        Ok(())
    }

    // Global requests

    fn global(&mut self, side: Side, payload: &[u8]) -> Result<Verdict, Violation> {
        let request = GlobalRequest::decode(payload)?;
        match (side, request.name) {
            (_, b"keepalive@openssh.com") => {}
            (Side::Client, b"no-more-sessions@openssh.com") => self.no_more_sessions = true,
            (Side::Node, b"hostkeys-00@openssh.com") => {
                self.note(Notice::HostKeysSeen(host_keys(payload)));
                return self.refuse_global(side, request.want_reply);
            }
            (_, name) => {
                let forward =
                    name.ends_with(b"tcpip-forward") || name.ends_with(b"streamlocal-forward@openssh.com");
                self.note(if forward && side == Side::Client {
                    Notice::ForwardRefused(escape(name))
                } else {
                    Notice::Refused { side, what: escape(name) }
                });
                return self.refuse_global(side, request.want_reply);
            }
        }
        if request.want_reply {
            self.global_requests(side).expect()?;
        }
        Ok(Verdict::Forward)
    }

    fn refuse_global(&mut self, side: Side, want_reply: bool) -> Result<Verdict, Violation> {
        if want_reply && let Some(now) = self.global_requests(side).answer(vec![msg::REQUEST_FAILURE])? {
            self.answer(side, now);
        }
        Ok(Verdict::Drop)
    }

    fn global_requests(&mut self, side: Side) -> &mut Replies {
        match side {
            Side::Client => &mut self.from_client,
            Side::Node => &mut self.from_node,
        }
    }

    fn global_reply(&mut self, side: Side) -> Result<Verdict, Violation> {
        let asker = side.other();
        let due = self.global_requests(asker).replied().ok_or(Misbehaviour::Malformed)?;
        for message in due {
            self.answer(asker, message);
        }
        Ok(Verdict::Forward)
    }
}

/// No NUL or other control characters: a name or path that means what it shows.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control)
}

/// The keys in `hostkeys-00@openssh.com`, at most eight.
fn host_keys(payload: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = mezite_ssh::wire::Reader::new(payload);
    let mut keys = Vec::new();
    if reader.u8().and_then(|_| reader.string()).and_then(|_| reader.bool()).is_ok() {
        while keys.len() < 8
            && let Ok(key) = reader.string()
        {
            keys.push(key.to_vec());
        }
    }
    keys
}
