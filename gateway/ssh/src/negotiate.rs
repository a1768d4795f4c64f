//! KEXINIT and the choice of algorithms (RFC 4253 section 7.1, OpenSSH PROTOCOL 1.9 for strict key exchange).

use crate::cipher::{self, Cipher, Mac};
use crate::error::{Error, Misbehaviour};
use crate::kex::{self, Method};
use crate::random;
use crate::wire::{Reader, Writer, bounded_text, msg};

/// Most names in a list that is looked at.
const MAX_NAMES: usize = 200;

const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";
const STRICT_SERVER: &str = "kex-strict-s-v00@openssh.com";
const EXT_INFO_CLIENT: &str = "ext-info-c";

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We dialled.
    Client,
    /// We were dialled.
    Server,
}

/// What we are ready to use, each list in order of preference.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Key exchange methods.
    pub kex: Vec<&'static str>,
    /// Host key (signature) algorithms.
    pub host_keys: Vec<&'static str>,
    /// Ciphers, for both directions.
    pub ciphers: Vec<&'static str>,
    /// MACs, for ciphers that need one, for both directions.
    pub macs: Vec<&'static str>,
}

impl Proposal {
    /// Everything that we have, with the ciphers in the order that suits this processor.
    pub fn new(host_keys: Vec<&'static str>) -> Self {
        let mut ciphers: Vec<_> = cipher::CIPHERS.iter().map(|c| c.name).collect();
        let fast = |name: &str| name.contains("gcm") == cipher::hardware_aes();
        // Stable: GCM first where AES is in hardware, ChaCha20 first elsewhere, counter mode always last.
        ciphers.sort_by_key(|name| (name.contains("-ctr"), !fast(name)));
        Self {
            kex: kex::METHODS.iter().map(|m| m.name).collect(),
            host_keys,
            ciphers,
            macs: cipher::MACS.iter().map(|m| m.name).collect(),
        }
    }

    /// The list for a client that we have already heard: what is slow here is left out where it takes the fast ones.
    /// `strict`: both sides reset their sequence numbers, as the first KEXINITs have settled.
    #[must_use]
    pub fn narrowed_for(mut self, client: &KexInit, strict: bool) -> Self {
        if !strict {
            self.ciphers.retain(|name| !is_weak_without_strict(name));
        }
        if cipher::hardware_aes() && client.ciphers_in.iter().any(|name| name.contains("gcm")) {
            let gcm: Vec<_> = self.ciphers.iter().copied().filter(|name| name.contains("gcm")).collect();
            if !gcm.is_empty() {
                self.ciphers = gcm;
            }
        }
        self
    }

    /// Our KEXINIT payload. The markers for strict key exchange and extensions go into the first one only.
    pub fn encode(&self, side: Side, first: bool) -> Result<Vec<u8>, Error> {
        let mut cookie = [0; 16];
        random::fill(&mut cookie).map_err(|_| Error::Crypto)?;
        let mut kex = self.kex.clone();
        match (side, first) {
            (Side::Client, true) => kex.extend([EXT_INFO_CLIENT, STRICT_CLIENT]),
            (Side::Server, true) => kex.push(STRICT_SERVER),
            (_, false) => {}
        }
        let mut out = Vec::with_capacity(1024);
        out.u8(msg::KEXINIT).raw(&cookie);
        out.string(kex.join(",")).string(self.host_keys.join(","));
        for list in [&self.ciphers, &self.macs] {
            let names = list.join(",");
            out.string(&names).string(&names);
        }
        out.string("none").string("none").string("").string("").bool(false).u32(0);
        Ok(out)
    }
}

/// The prefix-truncation attack (CVE-2023-48795) works on these when sequence numbers are not reset.
fn is_weak_without_strict(cipher: &str) -> bool {
    cipher.starts_with("chacha20-poly1305")
}

/// A peer's KEXINIT, decoded.
#[derive(Debug, Clone)]
pub struct KexInit {
    /// The whole payload, as it enters the exchange hash.
    pub payload: Vec<u8>,
    kex: Vec<String>,
    host_keys: Vec<String>,
    /// Client to server.
    ciphers_in: Vec<String>,
    /// Server to client.
    ciphers_out: Vec<String>,
    macs_in: Vec<String>,
    macs_out: Vec<String>,
    compression: [Vec<String>; 2],
    guess_follows: bool,
    /// The peer's marker for strict key exchange stands in it.
    pub strict: bool,
    /// The peer wants `EXT_INFO`.
    pub ext_info: bool,
}

impl KexInit {
    /// Decodes the payload that `peer` sent.
    pub fn decode(payload: &[u8], peer: Side) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        reader.u8()?;
        reader.bytes(16)?;
        let kex = names(&mut reader)?;
        let marker = if peer == Side::Client { STRICT_CLIENT } else { STRICT_SERVER };
        let init = Self {
            payload: payload.to_vec(),
            strict: kex.iter().any(|name| name == marker),
            ext_info: peer == Side::Client && kex.iter().any(|name| name == EXT_INFO_CLIENT),
            kex,
            host_keys: names(&mut reader)?,
            ciphers_in: names(&mut reader)?,
            ciphers_out: names(&mut reader)?,
            macs_in: names(&mut reader)?,
            macs_out: names(&mut reader)?,
            compression: [names(&mut reader)?, names(&mut reader)?],
            guess_follows: {
                names(&mut reader)?;
                names(&mut reader)?;
                reader.bool()?
            },
        };
        reader.u32()?;
        reader.end()?;
        Ok(init)
    }

    /// Host key algorithms.
    pub fn host_keys(&self) -> &[String] {
        &self.host_keys
    }
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, Misbehaviour> {
    let list = reader.string()?;
    let list = std::str::from_utf8(list).map_err(|_| Misbehaviour::Malformed)?;
    let names: Vec<_> =
        list.split(',').filter(|n| !n.is_empty()).take(MAX_NAMES + 1).map(ToOwned::to_owned).collect();
    if names.len() > MAX_NAMES { Err(Misbehaviour::Malformed) } else { Ok(names) }
}

/// The outcome for one direction.
#[derive(Debug, Clone, Copy)]
pub struct Direction {
    /// Cipher.
    pub cipher: &'static Cipher,
    /// MAC, only for ciphers that do not authenticate.
    pub mac: Option<&'static Mac>,
}

/// The outcome of a negotiation.
#[derive(Debug, Clone, Copy)]
pub struct Chosen {
    /// Key exchange method.
    pub method: &'static Method,
    /// Host key (signature) algorithm.
    pub host_key: &'static str,
    /// What the client sends with.
    pub client_to_server: Direction,
    /// What the server sends with.
    pub server_to_client: Direction,
    /// The peer has guessed wrong: its next key exchange packet is to be skipped.
    pub skip_guess: bool,
}

/// Chooses as RFC 4253 section 7.1 says: the first of the client's names that the server has.
///
/// `strict` tells whether both sides reset their sequence numbers; without it nothing is chosen that needs it.
pub fn choose(ours: &Proposal, theirs: &KexInit, side: Side, strict: bool) -> Result<Chosen, Error> {
    let pick = |what, ours: &[&'static str], theirs: &[String]| pick(what, ours, theirs, side);
    let kex = pick("key exchange method", &ours.kex, &theirs.kex)?;
    let host_key = pick("host key algorithm", &ours.host_keys, &theirs.host_keys)?;
    let direction = |ciphers: &[String], macs: &[String]| -> Result<Direction, Error> {
        let name = pick("cipher", &ours.ciphers, ciphers)?;
        if !strict && is_weak_without_strict(name) {
            return Err(incompatible("cipher", ciphers));
        }
        let cipher = cipher::by_name(name).ok_or(Error::Crypto)?;
        let mac = if cipher.aead { None } else { cipher::mac_by_name(pick("MAC", &ours.macs, macs)?) };
        Ok(Direction { cipher, mac })
    };
    for list in &theirs.compression {
        pick("compression", &["none"], list)?;
    }
    let first = |ours: &[&'static str], theirs: &[String]| {
        ours.first().copied() == theirs.first().map(String::as_str)
    };
    Ok(Chosen {
        method: kex::by_name(kex).ok_or(Error::Crypto)?,
        host_key,
        client_to_server: direction(&theirs.ciphers_in, &theirs.macs_in)?,
        server_to_client: direction(&theirs.ciphers_out, &theirs.macs_out)?,
        skip_guess: theirs.guess_follows
            && !(first(&ours.kex, &theirs.kex) && first(&ours.host_keys, &theirs.host_keys)),
    })
}

fn pick(
    what: &'static str,
    ours: &[&'static str],
    theirs: &[String],
    side: Side,
) -> Result<&'static str, Error> {
    let found = match side {
        Side::Client => ours.iter().find(|name| theirs.iter().any(|t| t == *name)),
        Side::Server => theirs.iter().find_map(|t| ours.iter().find(|name| *name == t)),
    };
    found.copied().ok_or_else(|| incompatible(what, theirs))
}

fn incompatible(what: &'static str, theirs: &[String]) -> Error {
    Error::Incompatible { what, theirs: bounded_text(theirs.join(",").as_bytes(), 200) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        Proposal::new(vec!["ssh-ed25519"])
    }

    fn decoded(proposal: &Proposal, side: Side, first: bool) -> KexInit {
        KexInit::decode(&proposal.encode(side, first).unwrap(), side).unwrap()
    }

    #[test]
    fn the_clients_order_decides() {
        let mut client = proposal();
        client.ciphers = vec!["aes128-ctr", "aes256-gcm@openssh.com"];
        client.macs = vec!["hmac-sha2-512-etm@openssh.com"];
        let chosen = choose(&proposal(), &decoded(&client, Side::Client, true), Side::Server, true).unwrap();
        assert_eq!(chosen.client_to_server.cipher.name, "aes128-ctr");
        assert_eq!(chosen.server_to_client.mac.unwrap().name, "hmac-sha2-512-etm@openssh.com");
    }

    #[test]
    fn hostile_014_weak_ciphers_need_strict_key_exchange() {
        let mut client = proposal();
        client.ciphers = vec!["chacha20-poly1305@openssh.com"];
        let theirs = decoded(&client, Side::Client, false);
        assert!(!theirs.strict, "the marker stands in the first KEXINIT only");
        let refused = choose(&proposal(), &theirs, Side::Server, false);
        assert!(matches!(refused, Err(Error::Incompatible { what: "cipher", .. })));
        assert!(choose(&proposal(), &theirs, Side::Server, true).is_ok());
        let narrowed = proposal().narrowed_for(&theirs, false);
        assert!(!narrowed.ciphers.iter().any(|c| c.starts_with("chacha")));
    }

    #[test]
    fn hostile_060_compression_is_not_offered() {
        let payload = proposal().encode(Side::Server, true).unwrap();
        assert!(!payload.windows(4).any(|w| w == b"zlib"));
        let mut theirs = decoded(&proposal(), Side::Client, true);
        theirs.compression[0] = vec!["zlib@openssh.com".into()];
        let refused = choose(&proposal(), &theirs, Side::Server, true);
        assert!(matches!(refused, Err(Error::Incompatible { what: "compression", .. })));
    }

    #[test]
    fn hostile_061_kexinit_with_too_many_names() {
        let mut payload = vec![msg::KEXINIT];
        payload.raw(&[0; 16]).string("a,".repeat(100_000));
        for _ in 0..9 {
            payload.string("");
        }
        payload.bool(false).u32(0);
        assert_eq!(KexInit::decode(&payload, Side::Client).err(), Some(Misbehaviour::Malformed.into()));
    }

    #[test]
    fn a_wrong_guess_is_skipped_and_a_right_one_used() {
        let mut theirs = decoded(&proposal(), Side::Client, true);
        theirs.guess_follows = true;
        assert!(!choose(&proposal(), &theirs, Side::Server, true).unwrap().skip_guess);
        theirs.kex.insert(0, "sntrup761x25519-sha512@openssh.com".into());
        assert!(choose(&proposal(), &theirs, Side::Server, true).unwrap().skip_guess);
    }
}
