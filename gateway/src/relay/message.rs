//! The messages of the connection protocol (RFC 4254) as far as the relay looks at them.

use mezite_ssh::error::Misbehaviour;
use mezite_ssh::wire::{Reader, Writer, msg};

/// Open failure reason: administratively prohibited (RFC 4254 section 5.1).
pub const PROHIBITED: u32 = 1;
/// Open failure reason: unknown channel type.
pub const UNKNOWN_TYPE: u32 = 3;
/// Open failure reason: resource shortage.
pub const SHORTAGE: u32 = 4;

/// `SSH_MSG_GLOBAL_REQUEST`
pub struct GlobalRequest<'a> {
    /// Request name.
    pub name: &'a [u8],
    /// A reply is wanted.
    pub want_reply: bool,
}

impl<'a> GlobalRequest<'a> {
    /// Decodes the head; what follows depends on the name.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Misbehaviour> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        Ok(Self { name: reader.string()?, want_reply: reader.bool()? })
    }
}

/// `SSH_MSG_CHANNEL_OPEN`
pub struct ChannelOpen<'a> {
    /// Channel type.
    pub kind: &'a [u8],
    /// The opener's number.
    pub sender: u32,
    /// Bytes that the opener is ready to take.
    pub window: u32,
    /// Largest data message that the opener takes.
    pub max_packet: u32,
    /// What the type adds.
    pub rest: Reader<'a>,
}

impl<'a> ChannelOpen<'a> {
    /// Decodes the head.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Misbehaviour> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        Ok(Self {
            kind: reader.string()?,
            sender: reader.u32()?,
            window: reader.u32()?,
            max_packet: reader.u32()?,
            rest: reader,
        })
    }
}

/// `SSH_MSG_CHANNEL_OPEN_CONFIRMATION`
pub struct Confirmation {
    /// The opener's number.
    pub recipient: u32,
    /// The other side's number.
    pub sender: u32,
    /// Bytes that the other side is ready to take.
    pub window: u32,
    /// Largest data message that it takes.
    pub max_packet: u32,
}

impl Confirmation {
    /// Decodes the head; types that we know add nothing.
    pub fn decode(payload: &[u8]) -> Result<Self, Misbehaviour> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        Ok(Self {
            recipient: reader.u32()?,
            sender: reader.u32()?,
            window: reader.u32()?,
            max_packet: reader.u32()?,
        })
    }
}

/// `SSH_MSG_CHANNEL_REQUEST`
pub struct ChannelRequest<'a> {
    /// The receiver's number.
    pub recipient: u32,
    /// Request type.
    pub kind: &'a [u8],
    /// A reply is wanted.
    pub want_reply: bool,
    /// What the type adds.
    pub rest: Reader<'a>,
}

impl<'a> ChannelRequest<'a> {
    /// Decodes the head.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Misbehaviour> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        Ok(Self {
            recipient: reader.u32()?,
            kind: reader.string()?,
            want_reply: reader.bool()?,
            rest: reader,
        })
    }
}

/// The receiver's number and what follows, for every other channel message.
pub fn recipient(payload: &[u8]) -> Result<(u32, Reader<'_>), Misbehaviour> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    Ok((reader.u32()?, reader))
}

/// `SSH_MSG_CHANNEL_OPEN_FAILURE` for an open that goes no further.
pub fn open_failure(recipient: u32, reason: u32, text: &str) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_OPEN_FAILURE];
    message.u32(recipient).u32(reason).string(text).string("");
    message
}

/// `SSH_MSG_CHANNEL_SUCCESS`
pub fn channel_success(recipient: u32) -> Vec<u8> {
    bare(msg::CHANNEL_SUCCESS, recipient)
}

/// `SSH_MSG_CHANNEL_FAILURE`
pub fn channel_failure(recipient: u32) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_FAILURE];
    message.u32(recipient);
    message
}

/// A channel message without further content: EOF or close.
pub fn bare(number: u8, recipient: u32) -> Vec<u8> {
    let mut message = vec![number];
    message.u32(recipient);
    message
}

/// Text on the standard error of a session.
pub fn stderr(recipient: u32, text: &str) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_EXTENDED_DATA];
    message.u32(recipient).u32(1).string(text);
    message
}

/// `exit-status` of a session.
pub fn exit_status(recipient: u32, status: u32) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_REQUEST];
    message.u32(recipient).string("exit-status").bool(false).u32(status);
    message
}
