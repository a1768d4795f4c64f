//! A bot that speaks HTTP by hand, so that a connection can stand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mezite_api::UserKey;
use mezite_api::bot::{Credentials, JoinRequest, RenewRequest};
use mezite_ca::{Statement, Token};
use mezite_fixtures::Scene;
use p256::pkcs8::EncodePrivateKey as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey};
use uuid::Uuid;

/// A TLS connection to the gateway.
pub type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A key and what it is certified with.
pub struct Bot {
    key: PrivateKey,
    held: Credentials,
}

fn key() -> PrivateKey {
    PrivateKey::random(&mut rand_core::OsRng, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }).unwrap()
}

fn public(key: &PrivateKey) -> UserKey {
    UserKey::parse(&key.public_key().to_openssh().unwrap()).unwrap()
}

fn joining(key: &PrivateKey, token: &str) -> Vec<u8> {
    let (token, _) = token.split_once('.').unwrap_or((token, ""));
    let (request, digest) = (Uuid::new_v4(), Token::parse(token).unwrap().digest());
    let id = request.to_string();
    let asked = JoinRequest {
        token: zeroize::Zeroizing::new(token.to_owned()).into(),
        public_key: public(key),
        proof: Statement::Join { request: &id, token: &digest }.sign(key).unwrap(),
        request,
        renewal_interval: None,
    };
    serde_json::to_vec(&asked).unwrap()
}

/// A request to join, with a key that nobody needs again.
pub fn join_body(token: &str) -> Vec<u8> {
    joining(&key(), token)
}

impl Bot {
    /// Adds a bot and gives its token.
    pub fn token(scene: &Scene, name: &str) -> String {
        let added = scene.mezctl.json(&["bots", "add", &format!("--name={name}"), "--roles=dev"]);
        added["token"].as_str().unwrap().to_owned()
    }

    /// One that has joined.
    pub fn join(scene: &Scene, name: &str) -> Self {
        let (key, token) = (key(), Self::token(scene, name));
        let answer = post(&mut connect(scene, None), "/v1/bots/join", &joining(&key, &token));
        let bot = Self { key, held: serde_json::from_slice(&answer).unwrap() };
        post(&mut connect(scene, Some(&bot)), "/v1/bots/ack", b"{}");
        bot
    }

    fn asks(&self) -> Vec<u8> {
        let request = Uuid::new_v4();
        let (id, instance) = (request.to_string(), self.held.instance.to_string());
        let statement =
            Statement::Renew { request: &id, instance: &instance, generation: self.held.generation };
        let proof = statement.sign(&self.key).unwrap();
        serde_json::to_vec(&RenewRequest { public_key: public(&self.key), proof, request }).unwrap()
    }

    /// Renews again and again on one connection; how long each time took.
    pub fn renew_until(&self, scene: &Scene, stop: &AtomicBool) -> Vec<Duration> {
        let mut connection = connect(scene, Some(self));
        let mut times = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let body = self.asks();
            let start = Instant::now();
            post(&mut connection, "/v1/bots/renew", &body);
            times.push(start.elapsed());
        }
        times
    }

    /// Renews, and says that the pair has arrived.
    pub fn round(&mut self, scene: &Scene) {
        let answer = post(&mut connect(scene, Some(self)), "/v1/bots/renew", &self.asks());
        self.held = serde_json::from_slice(&answer).unwrap();
        post(&mut connect(scene, Some(self)), "/v1/bots/ack", b"{}");
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        let KeypairData::Ecdsa(EcdsaKeypair::NistP256 { private, .. }) = self.key.key_data() else {
            panic!("a P-256 key")
        };
        let key = p256::SecretKey::from_slice(private.as_slice()).unwrap();
        PrivateKeyDer::try_from(key.to_pkcs8_der().unwrap().as_bytes().to_vec()).unwrap()
    }
}

/// A connection, with the certificate of a bot or none.
pub fn connect(scene: &Scene, bot: Option<&Bot>) -> Connection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(scene.gateway.tls_ca()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match bot {
        None => config.with_no_client_auth(),
        Some(bot) => {
            let chain = CertificateDer::pem_slice_iter(bot.held.tls_certificate.as_bytes());
            config.with_client_auth_cert(chain.map(Result::unwrap).collect(), bot.private()).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(scene.gateway.https()).unwrap();
    stream.set_nodelay(true).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// Sends a body and gives the whole answer's body, which must be a success.
pub fn post(connection: &mut Connection, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
    connection.flush().unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let count = connection.read(&mut piece).unwrap();
        assert!(count > 0, "the gateway closed the connection");
        answer.extend(&piece[..count]);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 20"), "{}", String::from_utf8_lossy(&answer));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if answer.len() >= end + 4 + length.unwrap_or(0usize) {
            return answer.split_off(end + 4);
        }
    }
}

/// The middle and the end of some times.
pub fn latencies(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    format!("p50 {:.2} ms, p99 {:.2} ms of {}", at(50), at(99), times.len())
}
