//! An issuer of id tokens on loopback: discovery and keys over TLS, as GitHub, GitLab and Kubernetes have them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mezite_api::pem;
use mezite_ca::TlsCa;
use mezite_fixtures::Scratch;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use uuid::Uuid;

/// What the runner of a pipeline shows for its id token.
pub const RUNNER: &str = "runner";

/// A private key, with the name that its tokens carry.
#[derive(Clone)]
pub struct SigningKey {
    /// `kid`
    pub id: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// Makes one; `openssl` does.
    pub fn generate(algorithm: Algorithm) -> Self {
        let script = match algorithm {
            Algorithm::ES256 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            Algorithm::ES384 => "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            Algorithm::EdDSA => "openssl genpkey -algorithm ED25519",
            _ => "openssl genrsa 2048",
        };
        let form = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA => {
                "openssl pkcs8 -topk8 -nocrypt -outform DER"
            }
            _ => "openssl rsa -traditional -outform DER",
        };
        let script = format!("{script} | {form}");
        let made = Command::new("sh").args(["-c", &script]).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_der(&made.stdout),
            Algorithm::EdDSA => EncodingKey::from_ed_der(&made.stdout),
            _ => EncodingKey::from_rsa_der(&made.stdout),
        };
        Self { id: Uuid::new_v4().to_string(), algorithm, key }
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = self.id.clone().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// Signs claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).expect("a token")
    }
}

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Honest,
    /// It closes each connection.
    Down,
    /// It takes each connection and says nothing.
    Hangs,
    /// It sends everybody somewhere else.
    Redirects(String),
    /// Its keys have no end.
    Huge,
    /// It says that its keys are there.
    KeysAt(String),
    /// It describes somebody else.
    Other,
}

struct State {
    keys: Vec<SigningKey>,
    manner: Manner,
    asked: Vec<String>,
}

/// A running issuer; it ends with the test.
pub struct Issuer {
    /// `https://localhost:PORT`
    pub url: String,
    /// The file with the CA of its server.
    pub ca: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Starts one with an RSA key.
    pub fn start(scratch: &Scratch) -> Self {
        Self::with_key(scratch, SigningKey::generate(Algorithm::RS256))
    }

    /// Starts one with this key.
    pub fn with_key(scratch: &Scratch, key: SigningKey) -> Self {
        let ca = TlsCa::generate("issuer", jiff::Timestamp::now()).expect("a CA");
        let day = Duration::from_hours(24);
        let own =
            ca.server_certificate(&["localhost".to_owned()], day, SystemTime::now()).expect("a certificate");
        let authority = own.chain.last().map(|certificate| pem(certificate)).expect("a chain");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(own.chain, own.key)
            .expect("TLS");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("https://localhost:{port}");
        let state = State { keys: vec![key], manner: Manner::Honest, asked: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let (config, served, own) = (Arc::new(config), Arc::clone(&state), url.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, state, own) = (Arc::clone(&config), Arc::clone(&served), own.clone());
                thread::spawn(move || serve(stream, config, &state, &own));
            }
        });
        Self { url, ca: scratch.write(&format!("issuer-ca-{port}.pem"), &authority), state }
    }

    /// Answers in another manner from now on.
    pub fn be(&self, manner: Manner) {
        locked(&self.state).manner = manner;
    }

    /// Signs with another key from now on, and shows no other.
    pub fn rotate(&self) {
        let key = SigningKey::generate(self.key().algorithm);
        locked(&self.state).keys = vec![key];
    }

    /// The key that it signs with.
    pub fn key(&self) -> SigningKey {
        locked(&self.state).keys.last().cloned().expect("a key")
    }

    /// What it was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.state).asked.clone()
    }

    /// Signs claims with its key.
    pub fn sign(&self, claims: &Value) -> String {
        self.key().sign(claims)
    }

    /// What it says of a job of `acme/app`, for five minutes.
    pub fn claims(&self) -> Value {
        claims(&self.url)
    }

    /// A token for that job.
    pub fn token(&self) -> String {
        self.sign(&self.claims())
    }
}

/// What the issuer says of a job of `acme/app`, for five minutes.
pub fn claims(issuer: &str) -> Value {
    let now = now();
    json!({
        "iss": issuer, "aud": "mezite", "sub": "repo:acme/app:ref:refs/heads/main", "repository": "acme/app",
        "ref": "refs/heads/main", "run": 7, "iat": now, "nbf": now, "exp": now + 300, "jti": Uuid::new_v4().to_string(),
    })
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

fn locked(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>, own: &str) {
    let manner = locked(state).manner.clone();
    match manner {
        Manner::Down => return,
        Manner::Hangs => {
            locked(state).asked.push("nothing".to_owned());
            // Until whoever asks has gone.
            let mut stream = stream;
            while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {}
            return;
        }
        _ => {}
    }
    let connection = ServerConnection::new(config).expect("TLS");
    let mut stream = StreamOwned::new(connection, stream);
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => asked.extend(&piece[..count]),
            _ => return,
        }
    }
    let asked = String::from_utf8_lossy(&asked).into_owned();
    let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
    locked(state).asked.push(path.clone());
    let answer = answer(&path, &asked, &manner, state, own);
    let _ = stream.write_all(&answer);
    if manner == Manner::Huge && path == "/keys" {
        while stream.write_all(&[b' '; 16 * 1024]).is_ok() {}
    }
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn answer(path: &str, asked: &str, manner: &Manner, state: &Mutex<State>, own: &str) -> Vec<u8> {
    if let Manner::Redirects(place) = manner {
        return format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    }
    let (route, query) = path.split_once('?').unwrap_or((path, ""));
    let document = match route {
        "/.well-known/openid-configuration" => {
            let keys = if let Manner::KeysAt(place) = manner { place.clone() } else { format!("{own}/keys") };
            let issuer = if *manner == Manner::Other { "https://other.example" } else { own };
            json!({"issuer": issuer, "jwks_uri": keys, "response_types_supported": ["id_token"]})
        }
        "/keys" if *manner == Manner::Huge => {
            return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"keys\": [".to_vec();
        }
        "/keys" => {
            let keys: Vec<Value> = locked(state).keys.iter().map(SigningKey::jwk).collect();
            json!({ "keys": keys })
        }
        "/token" if asked.to_ascii_lowercase().contains(&format!("authorization: bearer {RUNNER}\r\n")) => {
            let mut claims = claims(own);
            let audience = query.split('&').find_map(|pair| pair.strip_prefix("audience="));
            claims["aud"] = percent_decoded(audience.unwrap_or_default()).into();
            let key = locked(state).keys.last().cloned().expect("a key");
            json!({ "value": key.sign(&claims) })
        }
        _ => return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    let body = document.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let (code, rest) = part.split_at(2);
        text.push(char::from(u8::from_str_radix(code, 16).expect("a percent code")));
        text + rest
    })
}
