//! What a client may ask of a connection that leads to no node: tunnels to nodes, and nothing else.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use mezite_api::{Host, NodeRef, Port, escape};
use mezite_ssh::error::Misbehaviour;
use mezite_ssh::wire::{Reader, Writer, msg};

use super::channel::{Channel, MAX_PACKET, WINDOW};
use crate::connection::Way;
use crate::relay::message::{
    ChannelOpen, ChannelRequest, GlobalRequest, PROHIBITED, SHORTAGE, UNKNOWN_TYPE, bare, channel_failure,
    channel_success, exit_status, open_failure, recipient, stderr,
};
use crate::socket::Pipe;

/// Channels at once.
const MAX_CHANNELS: usize = 100;
/// For a session that wants more than a way through, as the exit status of refused sessions.
const REFUSED: u32 = 254;

/// A connection that has come in through a tunnel.
pub struct Inner {
    /// How, and to which node.
    pub way: Way,
    /// Its bytes.
    pub pipe: Pipe,
}

/// The channels of one connection.
pub struct Channels {
    cluster: String,
    /// By our number.
    all: BTreeMap<u32, Channel>,
    next: u32,
    /// Who was served last.
    turn: u32,
    no_more_sessions: bool,
    answers: Vec<Vec<u8>>,
    inner: Vec<Inner>,
    refused: Vec<String>,
}

impl Channels {
    /// None yet. `cluster`: the name of this one.
    pub fn new(cluster: String) -> Self {
        Self {
            cluster,
            all: BTreeMap::new(),
            next: 0,
            turn: 0,
            no_more_sessions: false,
            answers: Vec::new(),
            inner: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Our answers, in order.
    pub fn take_answers(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.answers)
    }

    /// Connections that have come in since.
    pub fn take_inner(&mut self) -> Vec<Inner> {
        std::mem::take(&mut self.inner)
    }

    /// What was asked for in vain since, for the audit.
    pub fn take_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refused)
    }

    /// Handles a message of the client.
    ///
    /// # Errors
    /// The client broke the protocol: its leg must be cut.
    pub fn handle(&mut self, payload: &[u8]) -> Result<(), Misbehaviour> {
        let number = *payload.first().ok_or(Misbehaviour::Malformed)?;
        match number {
            msg::GLOBAL_REQUEST => self.global(payload),
            msg::CHANNEL_OPEN => self.open(payload),
            msg::CHANNEL_REQUEST => self.request(payload),
            msg::CHANNEL_WINDOW_ADJUST => {
                let (channel, mut reader) = self.of(payload)?;
                let bytes = reader.u32()?;
                reader.end()?;
                channel.to_client.grant(bytes)
            }
            msg::CHANNEL_DATA => {
                let (channel, mut reader) = self.of(payload)?;
                let bytes = reader.string()?;
                reader.end()?;
                if channel.from_client.eof {
                    return Err(Misbehaviour::OutOfPlace(number));
                }
                channel.from_client.spend(bytes.len())?;
                channel.receive(bytes);
                Ok(())
            }
            msg::CHANNEL_EOF => {
                self.of(payload)?.0.end_of_client();
                Ok(())
            }
            msg::CHANNEL_CLOSE => self.close(payload),
            _ => Err(Misbehaviour::OutOfPlace(number)),
        }
    }

    /// Moves bytes to the connections inside.
    pub fn poll_inwards(&mut self, cx: &mut Context<'_>) {
        for channel in self.all.values_mut() {
            if let Some(bytes) = channel.poll_inwards(cx) {
                let mut adjust = vec![msg::CHANNEL_WINDOW_ADJUST];
                adjust.u32(channel.client).u32(bytes);
                self.answers.push(adjust);
            }
        }
    }

    /// Fills `message` with the next data message for the client, of each channel in its turn. False when there is none;
    /// who is over is closed.
    pub fn poll_outwards(&mut self, cx: &mut Context<'_>, message: &mut Vec<u8>) -> bool {
        let turn = self.turn;
        let after = self.all.range(turn.saturating_add(1)..).map(|(number, _)| *number);
        let order: Vec<u32> = after.chain(self.all.range(..=turn).map(|(number, _)| *number)).collect();
        for number in order {
            let Some(channel) = self.all.get_mut(&number) else { continue };
            match channel.poll_outwards(cx, message) {
                Poll::Pending => {}
                Poll::Ready(true) => {
                    self.turn = number;
                    return true;
                }
                Poll::Ready(false) => self.end(number),
            }
        }
        false
    }

    /// The channel that a message is for, and the rest of the message.
    fn of<'a>(&mut self, payload: &'a [u8]) -> Result<(&mut Channel, Reader<'a>), Misbehaviour> {
        let (number, rest) = recipient(payload)?;
        let channel = self.all.get_mut(&number).filter(|channel| !channel.from_client.closed);
        Ok((channel.ok_or(Misbehaviour::Malformed)?, rest))
    }

    fn global(&mut self, payload: &[u8]) -> Result<(), Misbehaviour> {
        let request = GlobalRequest::decode(payload)?;
        match request.name {
            b"no-more-sessions@openssh.com" => self.no_more_sessions = true,
            b"keepalive@openssh.com" => {}
            name => self.refused.push(escape(name)),
        }
        if request.want_reply {
            self.answers.push(vec![msg::REQUEST_FAILURE]);
        }
        Ok(())
    }

    fn open(&mut self, payload: &[u8]) -> Result<(), Misbehaviour> {
        let mut open = ChannelOpen::decode(payload)?;
        match self.way(&mut open)? {
            Ok(way) => self.admit(way, &open),
            Err((reason, text)) => {
                self.refused.push(escape(open.kind));
                self.answers.push(open_failure(open.sender, reason, &format!("mezite: {text}")));
                Ok(())
            }
        }
    }

    /// Where a new channel leads, as far as that is known yet, or why there is none.
    fn way(
        &self,
        open: &mut ChannelOpen<'_>,
    ) -> Result<Result<Option<Way>, (u32, &'static str)>, Misbehaviour> {
        let way = match open.kind {
            b"session" if self.no_more_sessions => return Ok(Err((PROHIBITED, "no more sessions"))),
            b"session" => None,
            b"direct-tcpip" => match destination(&mut open.rest)? {
                Some(node) => Some(Way::Jump(node)),
                None => return Ok(Err((PROHIBITED, "no node has such a name"))),
            },
            _ => return Ok(Err((UNKNOWN_TYPE, "this gateway leads to nodes only"))),
        };
        if self.all.len() >= MAX_CHANNELS || open.max_packet == 0 {
            return Ok(Err((SHORTAGE, "too many connections inside of one")));
        }
        Ok(Ok(way))
    }

    fn admit(&mut self, way: Option<Way>, open: &ChannelOpen<'_>) -> Result<(), Misbehaviour> {
        let number = self.next;
        self.next = self.next.checked_add(1).ok_or(Misbehaviour::Flood)?;
        let mut channel = Channel::new(open.sender, open.window, open.max_packet)?;
        if let Some(way) = way {
            self.inner.push(Inner { way, pipe: channel.tunnel() });
        }
        self.all.insert(number, channel);
        let mut confirmation = vec![msg::CHANNEL_OPEN_CONFIRMATION];
        confirmation.u32(open.sender).u32(number).u32(WINDOW).u32(MAX_PACKET);
        self.answers.push(confirmation);
        Ok(())
    }

    fn request(&mut self, payload: &[u8]) -> Result<(), Misbehaviour> {
        let ChannelRequest { recipient: number, kind, want_reply, mut rest } =
            ChannelRequest::decode(payload)?;
        let cluster = self.cluster.clone();
        let channel = self.of(payload)?.0;
        let client = channel.client;
        let (mut answers, mut refused) = (Vec::new(), None);
        match kind {
            _ if channel.is_tunnel() || channel.to_client.closed => answers.push(channel_failure(client)),
            b"subsystem" => {
                if let Some(node) = proxied(rest.string()?, &cluster) {
                    let pipe = channel.tunnel();
                    self.inner.push(Inner { way: Way::Proxy(node), pipe });
                    answers.push(channel_success(client));
                } else {
                    // ssh shows nothing of a request that has failed.
                    refused =
                        Some("mezite: the only subsystem here is proxy:NODE:PORT, of this cluster.\r\n");
                }
            }
            b"pty-req" => answers.push(channel_success(client)),
            b"shell" | b"exec" => {
                refused = Some(
                    "mezite: there is no shell here: this gateway leads to nodes. \
                     Connect as LOGIN@NODE@GATEWAY, or with -J.\r\n",
                );
            }
            _ => answers.push(channel_failure(client)),
        }
        if let Some(line) = refused {
            answers.extend([channel_success(client), stderr(client, line), exit_status(client, REFUSED)]);
            self.refused.push(escape(kind));
        }
        let replies = [msg::CHANNEL_SUCCESS, msg::CHANNEL_FAILURE];
        answers.retain(|answer| want_reply || !answer.first().is_some_and(|first| replies.contains(first)));
        self.answers.extend(answers);
        if refused.is_some() {
            self.end(number);
        }
        Ok(())
    }

    /// We send no more on this channel.
    fn end(&mut self, number: u32) {
        let Some(channel) = self.all.get_mut(&number) else { return };
        if channel.to_client.closed {
            return;
        }
        channel.to_client.eof = true;
        channel.to_client.closed = true;
        channel.close_tunnel();
        let client = channel.client;
        self.answers.extend([bare(msg::CHANNEL_EOF, client), bare(msg::CHANNEL_CLOSE, client)]);
        if channel.from_client.closed {
            self.all.remove(&number);
        }
    }

    fn close(&mut self, payload: &[u8]) -> Result<(), Misbehaviour> {
        let (number, _) = recipient(payload)?;
        let channel = self.of(payload)?.0;
        channel.from_client.closed = true;
        if !channel.to_client.closed {
            channel.to_client.closed = true;
            let client = channel.client;
            self.answers.push(bare(msg::CHANNEL_CLOSE, client));
        }
        // With its pipe: the connection inside hears of it.
        self.all.remove(&number);
        Ok(())
    }
}

/// Where a `direct-tcpip` channel leads (RFC 4254 section 7.2); nothing where no node can have such a name.
fn destination(rest: &mut Reader<'_>) -> Result<Option<NodeRef>, Misbehaviour> {
    let (host, port) = (rest.string()?, rest.u32()?);
    let (_, _) = (rest.string()?, rest.u32()?);
    rest.end()?;
    let host = std::str::from_utf8(host).ok().and_then(|host| Host::parse(host).ok());
    let port = u16::try_from(port).ok().and_then(|port| Port::parse(&port.to_string()).ok());
    Ok(host.zip(port).map(|(host, port)| NodeRef { host, port: Some(port) }))
}

/// The node of `proxy:NODE:PORT` or `proxy:NODE:PORT@CLUSTER`.
fn proxied(subsystem: &[u8], cluster: &str) -> Option<NodeRef> {
    let target = std::str::from_utf8(subsystem).ok()?.strip_prefix("proxy:")?;
    let node = match target.rsplit_once('@') {
        Some((node, named)) => named.eq_ignore_ascii_case(cluster).then_some(node)?,
        None => target,
    };
    // ssh writes an IPv6 address for %h without brackets.
    let (host, port) = node.rsplit_once(':')?;
    Some(NodeRef { host: Host::parse(host).ok()?, port: Some(Port::parse(port).ok()?) })
}

#[cfg(test)]
mod tests;
