//! Binary packets (RFC 4253 section 6): lengths and padding are checked, bodies opened and sealed in place.

use std::ops::Range;

use crate::buffer::{LARGE_BLOCK, ReceiveBuffer, SMALL_BLOCK, SendBuffer};
use crate::cipher::{OpeningKey, SealingKey};
use crate::error::{Error, Misbehaviour};

/// Largest packet before authentication (RFC 4253 section 6.1).
pub const MAX_PACKET_EARLY: usize = 35_000;
/// Largest packet of an authenticated peer: the largest channel packet that we let anybody announce, and its head.
pub const MAX_PACKET: usize = 256 * 1024 + 1024;

const LENGTH: usize = 4;
const MIN_PADDING: usize = 4;
/// Block size of the padding while there is no cipher, and of every cipher that has a smaller one.
const MIN_BLOCK: usize = 8;

/// One direction's cipher as the packet layer needs it.
pub struct Keys<K: ?Sized> {
    /// The cipher with its key.
    pub key: Box<K>,
    /// Padding alignment in bytes.
    pub block: usize,
    /// Bytes of tag or MAC behind a packet.
    pub tag: usize,
}

/// What a direction has carried since its keys were made.
#[derive(Debug, Default, Clone, Copy)]
pub struct Carried {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

impl Carried {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.packets += 1;
    }
}

/// Packets from the peer.
#[derive(Default)]
pub struct Inbound {
    buffer: ReceiveBuffer,
    keys: Option<Keys<dyn OpeningKey>>,
    sequence: u32,
    carried: Carried,
    /// Bytes of the packet that was handed out last, consumed at the next call.
    handed_out: usize,
    authenticated: bool,
}

impl Inbound {
    /// Room for the next read.
    pub fn space(&mut self) -> &mut [u8] {
        self.consume_handed_out();
        self.buffer.space(if self.authenticated { LARGE_BLOCK } else { SMALL_BLOCK })
    }

    /// The driver has read `count` bytes.
    pub fn filled(&mut self, count: usize) {
        self.buffer.filled(count);
    }

    /// Lets go of an unused block.
    pub fn release(&mut self) {
        self.consume_handed_out();
        self.buffer.release();
    }

    /// The peer has authenticated: larger packets and reads are allowed.
    pub fn set_authenticated(&mut self) {
        self.authenticated = true;
    }

    /// Raw bytes, for the identification line that comes before packets.
    pub fn raw(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Drops raw bytes.
    pub fn consume_raw(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Number of the next packet.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Carried since the last keys.
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// New keys for what follows; `reset` starts the sequence again (strict key exchange).
    pub fn rekey(&mut self, keys: Keys<dyn OpeningKey>, reset: bool) {
        self.keys = Some(keys);
        self.carried = Carried::default();
        if reset {
            self.sequence = 0;
        }
    }

    /// The payload of the last packet.
    pub fn payload(&self, range: Range<usize>) -> &[u8] {
        self.buffer.bytes().get(range).unwrap_or_default()
    }

    /// Opens the next whole packet and returns where its payload lies, or `None` until more bytes come.
    ///
    /// The length is checked before anything is waited or allocated for. A wrong tag, MAC or padding is one error.
    pub fn next(&mut self) -> Result<Option<Range<usize>>, Error> {
        self.consume_handed_out();
        let bytes = self.buffer.bytes_mut();
        let Some(head) = bytes.first_chunk::<LENGTH>() else { return Ok(None) };
        let (length, block, tag, aligned) = if let Some(keys) = &self.keys {
            let length = keys.key.packet_length(self.sequence, *head) as usize;
            (length, keys.block, keys.tag, length)
        } else {
            let length = u32::from_be_bytes(*head) as usize;
            (length, MIN_BLOCK, 0, length.saturating_add(LENGTH))
        };
        let max = if self.authenticated { MAX_PACKET } else { MAX_PACKET_EARLY };
        if length > max {
            return Err(Error::TooLarge);
        }
        if length < MIN_PADDING + 1 || !aligned.is_multiple_of(block) {
            return Err(Misbehaviour::Length.into());
        }
        let total = LENGTH + length + tag;
        let Some(packet) = bytes.get_mut(..total) else { return Ok(None) };
        if let Some(keys) = &mut self.keys {
            keys.key.open(self.sequence, packet).map_err(|_| Error::Corrupt)?;
        }
        let padding = usize::from(packet[LENGTH]);
        if padding < MIN_PADDING || padding + 1 > length {
            return Err(Error::Corrupt);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.carried.add(total);
        self.handed_out = total;
        Ok(Some(LENGTH + 1..LENGTH + length - padding))
    }

    fn consume_handed_out(&mut self) {
        if self.handed_out > 0 {
            self.buffer.consume(std::mem::take(&mut self.handed_out));
        }
    }
}

/// Packets for the peer.
#[derive(Default)]
pub struct Outbound {
    buffer: SendBuffer,
    keys: Option<Keys<dyn SealingKey>>,
    sequence: u32,
    carried: Carried,
}

impl Outbound {
    /// Bytes for the socket.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// The socket took `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.buffer.consume(count);
    }

    /// Carried since the last keys.
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// Raw bytes, for the identification line.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.append(bytes.len()).copy_from_slice(bytes);
    }

    /// New keys for what follows; `reset` starts the sequence again (strict key exchange).
    pub fn rekey(&mut self, keys: Keys<dyn SealingKey>, reset: bool) {
        self.keys = Some(keys);
        self.carried = Carried::default();
        if reset {
            self.sequence = 0;
        }
    }

    /// Seals `payload` as the next packet: one copy, encrypted where it will be sent from.
    ///
    /// The padding is zeros: under every cipher that we have it is encrypted and authenticated.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), Error> {
        let (block, tag, counted) = match &self.keys {
            Some(keys) => (keys.block, keys.tag, 0),
            None => (MIN_BLOCK, 0, LENGTH),
        };
        let unpadded = counted + 1 + payload.len();
        let mut padding = block - unpadded % block;
        if padding < MIN_PADDING {
            padding += block;
        }
        let length = 1 + payload.len() + padding;
        let total = LENGTH + length + tag;
        let packet = self.buffer.append(total);
        let (head, body) = packet.split_at_mut(LENGTH + 1);
        head[..LENGTH].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        head[LENGTH] = u8::try_from(padding).unwrap_or(u8::MAX);
        body[..payload.len()].copy_from_slice(payload);
        body[payload.len()..].fill(0);
        if let Some(keys) = &mut self.keys {
            keys.key.seal(self.sequence, packet).map_err(|_| Error::Crypto)?;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.carried.add(total);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(packet: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut inbound = Inbound::default();
        inbound.space()[..packet.len()].copy_from_slice(packet);
        inbound.filled(packet.len());
        Ok(inbound.next()?.map(|range| inbound.payload(range).to_vec()))
    }

    #[test]
    fn a_payload_comes_out_as_it_went_in() {
        for size in 1..100 {
            let payload: Vec<u8> = (0..size).collect();
            let mut outbound = Outbound::default();
            outbound.send(&payload).unwrap();
            assert_eq!(outbound.bytes().len() % MIN_BLOCK, 0);
            assert_eq!(plain(outbound.bytes()), Ok(Some(payload)));
            assert_eq!(plain(&outbound.bytes()[..outbound.bytes().len() - 1]), Ok(None));
        }
    }

    #[test]
    fn hostile_016_lengths_before_keys() {
        for length in [0u32, 1, 4] {
            assert_eq!(plain(&length.to_be_bytes()), Err(Misbehaviour::Length.into()), "{length}");
        }
        assert_eq!(plain(&5u32.to_be_bytes()), Err(Misbehaviour::Length.into()), "not a block multiple");
        for length in [35_001u32, 1 << 31, u32::MAX] {
            assert_eq!(plain(&length.to_be_bytes()), Err(Error::TooLarge), "{length}");
        }
        for padding in [0u8, 3, 12, 255] {
            let mut packet = vec![0, 0, 0, 12, padding];
            packet.extend([0; 11]);
            assert_eq!(plain(&packet), Err(Error::Corrupt), "padding {padding}");
        }
        let mut empty = vec![0, 0, 0, 12, 11];
        empty.extend([0; 11]);
        assert_eq!(plain(&empty), Ok(Some(Vec::new())), "an empty payload is the transport's to refuse");
    }
}
