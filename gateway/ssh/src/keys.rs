//! The exchange hash and the keys that follow from it (RFC 4253 sections 7.2 and 8).

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use crate::cipher::{OpeningKey, SealingKey};
use crate::error::Error;
use crate::kex::SharedSecret;
use crate::negotiate::{Direction, Side};
use crate::packet::Keys;
use crate::wire::Writer;

/// An exchange hash; the first of a connection is its session identifier.
pub type ExchangeHash = [u8; 32];

/// Everything that the hash covers, in its order.
pub struct Transcript<'a> {
    /// The client's identification line.
    pub client_line: &'a [u8],
    /// The server's identification line.
    pub server_line: &'a [u8],
    /// The client's KEXINIT payload.
    pub client_init: &'a [u8],
    /// The server's KEXINIT payload.
    pub server_init: &'a [u8],
    /// The server's host key or certificate.
    pub host_key: &'a [u8],
    /// The client's public value, encoded as on the wire with its length.
    pub client_public: &'a [u8],
    /// The server's public value, encoded as on the wire with its length.
    pub server_public: &'a [u8],
}

impl Transcript<'_> {
    /// H, over the transcript and the shared secret.
    pub fn hash(&self, secret: &SharedSecret) -> ExchangeHash {
        let mut head = Vec::with_capacity(4096);
        for part in [self.client_line, self.server_line, self.client_init, self.server_init, self.host_key] {
            head.string(part);
        }
        let mut context = Context::new(&SHA256);
        context.update(&head);
        context.update(self.client_public);
        context.update(self.server_public);
        context.update(secret.as_wire());
        digest(context)
    }
}

fn digest(context: Context) -> ExchangeHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Derives keys of any length from one exchange.
pub struct KeySource<'a> {
    /// K
    pub secret: &'a SharedSecret,
    /// H
    pub hash: &'a ExchangeHash,
    /// The hash of the first exchange.
    pub session_id: &'a ExchangeHash,
}

impl KeySource<'_> {
    fn derive(&self, letter: u8, length: usize) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(length + 32));
        while key.len() < length {
            let mut context = Context::new(&SHA256);
            context.update(self.secret.as_wire());
            context.update(self.hash);
            if key.is_empty() {
                context.update(&[letter]);
                context.update(self.session_id);
            } else {
                context.update(&key);
            }
            key.extend_from_slice(&digest(context));
        }
        key.truncate(length);
        key
    }

    fn material(&self, direction: &Direction, sender: Side) -> Material {
        let letters = match sender {
            Side::Client => [b'A', b'C', b'E'],
            Side::Server => [b'B', b'D', b'F'],
        };
        Material {
            iv: self.derive(letters[0], direction.cipher.iv_len),
            key: self.derive(letters[1], direction.cipher.key_len),
            mac: self.derive(letters[2], direction.mac.map_or(0, |mac| mac.key_len)),
        }
    }

    /// The cipher for what `sender` sends to us.
    pub fn opening(&self, direction: &Direction, sender: Side) -> Result<Keys<dyn OpeningKey>, Error> {
        let m = self.material(direction, sender);
        let mac = direction.mac.map(|mac| (mac, m.mac.as_slice()));
        let key = direction.cipher.opening(&m.key, &m.iv, mac).map_err(|_| Error::Crypto)?;
        Ok(Keys { key, block: direction.cipher.block_len, tag: direction.cipher.tag_len(direction.mac) })
    }

    /// The cipher for what we, the `sender`, send.
    pub fn sealing(&self, direction: &Direction, sender: Side) -> Result<Keys<dyn SealingKey>, Error> {
        let m = self.material(direction, sender);
        let mac = direction.mac.map(|mac| (mac, m.mac.as_slice()));
        let key = direction.cipher.sealing(&m.key, &m.iv, mac).map_err(|_| Error::Crypto)?;
        Ok(Keys { key, block: direction.cipher.block_len, tag: direction.cipher.tag_len(direction.mac) })
    }
}

struct Material {
    iv: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    mac: Zeroizing<Vec<u8>>,
}
