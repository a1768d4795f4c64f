//! The SSH transport of both roles, blocking and without any check: curve25519 and AES-256-GCM.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use mezite_ssh::cipher::{self, OpeningKey, SealingKey};
use mezite_ssh::kex::{self, Initiator, SharedSecret};
use mezite_ssh::wire::{Reader, Writer as _, msg};
use rustix::net;
use sha2::{Digest as _, Sha256};

use super::HostKey;

const METHOD: &str = "curve25519-sha256";
const CIPHER: &str = "aes256-gcm@openssh.com";
const TAG: usize = 16;
/// A peer that says nothing for so long will say nothing more.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a KEXINIT proposes.
#[derive(Clone, Debug)]
pub struct KexInit {
    /// Key exchange methods.
    pub methods: String,
    /// Host key algorithms.
    pub host_keys: String,
    /// Ciphers of both directions.
    pub ciphers: String,
}

impl KexInit {
    /// What [`Transport`] can do.
    pub fn new(host_keys: &str) -> Self {
        let methods = format!("{METHOD},kex-strict-c-v00@openssh.com,kex-strict-s-v00@openssh.com");
        Self { methods, host_keys: host_keys.to_owned(), ciphers: CIPHER.to_owned() }
    }

    /// The message.
    pub fn payload(&self) -> Vec<u8> {
        let mut out = vec![msg::KEXINIT];
        out.raw(&[7; 16]).string(&self.methods).string(&self.host_keys);
        out.string(&self.ciphers).string(&self.ciphers);
        for list in ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "none", "none", "", ""]
        {
            out.string(list);
        }
        out.bool(false).u32(0);
        out
    }
}

/// One SSH connection.
pub struct Transport {
    stream: TcpStream,
    is_client: bool,
    our_line: Vec<u8>,
    their_line: Vec<u8>,
    our_init: Vec<u8>,
    their_init: Vec<u8>,
    sealing: Option<Box<dyn SealingKey>>,
    opening: Option<Box<dyn OpeningKey>>,
    session_id: Option<[u8; 32]>,
    heard: Vec<Vec<u8>>,
}

impl Transport {
    /// A client's, dialled.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address);
        Self::new(stream.unwrap_or_else(|e| panic!("cannot connect to {address}: {e}")), true)
    }

    /// A client's, dialled from an address of this machine.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let dial = || {
            let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None)?;
            net::bind(&socket, &SocketAddr::new(source, 0))?;
            net::connect(&socket, &address)?;
            Ok::<_, rustix::io::Errno>(TcpStream::from(socket))
        };
        let stream = dial().unwrap_or_else(|e| panic!("cannot connect from {source} to {address}: {e}"));
        Self::new(stream, true)
    }

    /// A server's, accepted.
    pub fn accept(stream: TcpStream) -> Self {
        Self::new(stream, false)
    }

    fn new(stream: TcpStream, is_client: bool) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a read deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write deadline");
        stream.set_nodelay(true).expect("no Nagle");
        Self {
            stream,
            is_client,
            our_line: Vec::new(),
            their_line: Vec::new(),
            our_init: Vec::new(),
            their_init: Vec::new(),
            sealing: None,
            opening: None,
            session_id: None,
            heard: Vec::new(),
        }
    }

    /// Our end of the connection.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    /// The socket itself.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The hash of the first key exchange.
    pub fn session_id(&self) -> [u8; 32] {
        self.session_id.expect("keys were exchanged")
    }

    /// All messages that have been received.
    pub fn heard(&self) -> &[Vec<u8>] {
        &self.heard
    }

    // Bytes

    /// Writes bytes as they are. The peer may have closed: then they are for nobody.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Fills `bytes`; false when the peer has closed before. Ends the test when it does neither.
    fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self.stream.read_exact(bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the peer neither speaks nor closes")
            }
            outcome => outcome.is_ok(),
        }
    }

    /// Reads what comes, without understanding it, until the peer closes. Ends the test when it does not.
    pub fn hear_to_close(&mut self) -> Vec<u8> {
        let (mut heard, mut block) = (Vec::new(), [0; 4096]);
        loop {
            match self.stream.read(&mut block) {
                Ok(count @ 1..) => heard.extend_from_slice(&block[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("the peer does not close")
                }
                // By a FIN or by a reset.
                Ok(0) | Err(_) => return heard,
            }
        }
    }

    /// The same, for nothing.
    pub fn drain(&mut self) {
        self.hear_to_close();
    }

    // Identification

    /// Says our identification line and reads the peer's, passing over other lines; false when the peer has closed.
    pub fn exchange_lines(&mut self) -> bool {
        self.our_line = b"SSH-2.0-hostile".to_vec();
        self.say(b"SSH-2.0-hostile\r\n");
        while !self.their_line.starts_with(b"SSH-") {
            match self.line() {
                Some(line) => self.their_line = line,
                None => return false,
            }
        }
        true
    }

    /// The next line without its end, or `None` when the peer has closed.
    fn line(&mut self) -> Option<Vec<u8>> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\n") {
            self.fill(&mut byte).then_some(())?;
            line.push(byte[0]);
        }
        Some(line.trim_ascii_end().to_vec())
    }

    // Packets

    /// Sends a message as a packet, whatever it is.
    pub fn send(&mut self, payload: &[u8]) {
        let (block, counted, tag) = if self.sealing.is_some() { (16, 0, TAG) } else { (8, 4, 0) };
        let mut padding = block - (counted + 1 + payload.len()) % block;
        if padding < 4 {
            padding += block;
        }
        let mut packet = Vec::new();
        packet.u32(u32::try_from(1 + payload.len() + padding).expect("a packet of less than 4 GiB"));
        packet.u8(u8::try_from(padding).expect("little padding")).raw(payload);
        packet.resize(packet.len() + padding + tag, 0);
        if let Some(key) = &mut self.sealing {
            key.seal(0, &mut packet).expect("AES-GCM seals, and counts packets by itself");
        }
        self.say(&packet);
    }

    /// The next message, or `None` when the peer has closed.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 4];
        self.fill(&mut packet).then_some(())?;
        let length = u32::from_be_bytes(packet[..4].try_into().expect("four bytes")) as usize;
        assert!(length < 1 << 20, "the gateway sends a packet of {length} bytes");
        packet.resize(4 + length + if self.opening.is_some() { TAG } else { 0 }, 0);
        self.fill(&mut packet[4..]).then_some(())?;
        if let Some(key) = &mut self.opening {
            key.open(0, &mut packet).expect("what the gateway sends opens");
        }
        let payload = packet[5..4 + length - usize::from(packet[4])].to_vec();
        self.heard.push(payload.clone());
        Some(payload)
    }

    /// The next message of this number; others are passed over. `None` when the peer has closed.
    pub fn receive_only(&mut self, number: u8) -> Option<Vec<u8>> {
        loop {
            let payload = self.receive()?;
            if payload.first() == Some(&number) {
                return Some(payload);
            }
        }
    }

    // Key exchange

    /// Sends a KEXINIT.
    pub fn propose(&mut self, proposal: &KexInit) {
        self.our_init = proposal.payload();
        self.send(&self.our_init.clone());
    }

    /// Waits for the peer's KEXINIT; false when the peer has closed.
    pub fn hear_proposal(&mut self) -> bool {
        match self.receive_only(msg::KEXINIT) {
            Some(payload) => self.their_init = payload,
            None => return false,
        }
        true
    }

    /// A client's first message of the method.
    pub fn begin(&mut self) -> Initiator {
        let initiator = kex::by_name(METHOD).and_then(|m| m.start().ok()).expect("a curve25519 key");
        let mut message = vec![msg::KEX_INIT];
        message.raw(initiator.public());
        self.send(&message);
        initiator
    }

    /// A client's end of the exchange: takes the server's answer, says NEWKEYS and waits for the server's. The host
    /// key is given back, unchecked. `None` when the peer has closed.
    pub fn finish(&mut self, initiator: Initiator) -> Option<Vec<u8>> {
        let reply = self.receive_only(msg::KEX_REPLY)?;
        let mut reader = Reader::new(reply.get(1..).unwrap_or_default());
        let (host_key, server_public) = (reader.string().ok()?.to_vec(), reader.string().ok()?.to_vec());
        let client_public = initiator.public().to_vec();
        let secret = initiator.finish(&server_public).expect("a public value of curve25519");
        let mut server_field = Vec::new();
        server_field.string(&server_public);
        let hash = self.hash(&host_key, &client_public, &server_field, &secret);
        self.settle(hash, &secret).then_some(host_key)
    }

    /// A server's end of the exchange, as `host_key`; false when the peer has closed.
    pub fn answer(&mut self, host_key: &HostKey) -> bool {
        let Some(message) = self.receive_only(msg::KEX_INIT) else { return false };
        let client_field = message.get(1..).unwrap_or_default().to_vec();
        let client_public = Reader::new(&client_field).string().expect("a public value").to_vec();
        let method = kex::by_name(METHOD).expect("the engine has curve25519");
        let (server_field, secret) = method.respond(&client_public).expect("a public value of curve25519");
        let hash = self.hash(&host_key.blob, &client_field, &server_field, &secret);
        let mut reply = vec![msg::KEX_REPLY];
        reply.string(&host_key.blob).raw(&server_field).string((host_key.sign)(&hash));
        self.send(&reply);
        self.settle(hash, &secret)
    }

    fn hash(&self, host_key: &[u8], client: &[u8], server: &[u8], secret: &SharedSecret) -> [u8; 32] {
        let (ours, theirs) = ((&self.our_line, &self.our_init), (&self.their_line, &self.their_init));
        let (c, s) = if self.is_client { (ours, theirs) } else { (theirs, ours) };
        let mut out = Vec::new();
        out.string(c.0).string(s.0).string(c.1).string(s.1).string(host_key);
        out.raw(client).raw(server).raw(secret.as_wire());
        Sha256::digest(out).into()
    }

    /// NEWKEYS both ways; false when the peer has closed.
    fn settle(&mut self, hash: [u8; 32], secret: &SharedSecret) -> bool {
        let session_id = *self.session_id.get_or_insert(hash);
        let derive = |letter: u8, length: usize| {
            let message = [secret.as_wire(), &hash, &[letter], &session_id].concat();
            Sha256::digest(message)[..length].to_vec()
        };
        let letters = if self.is_client { [b'A', b'C', b'B', b'D'] } else { [b'B', b'D', b'A', b'C'] };
        let cipher = cipher::by_name(CIPHER).expect("the engine has AES-GCM");
        let (iv, key) = (derive(letters[0], cipher.iv_len), derive(letters[1], cipher.key_len));
        self.send(&[msg::NEWKEYS]);
        self.sealing = Some(cipher.sealing(&key, &iv, None).expect("lengths of the cipher"));
        if self.receive_only(msg::NEWKEYS).is_none() {
            return false;
        }
        let (iv, key) = (derive(letters[2], cipher.iv_len), derive(letters[3], cipher.key_len));
        self.opening = Some(cipher.opening(&key, &iv, None).expect("lengths of the cipher"));
        true
    }
}
