//! Row 82: a token is told to nobody who is not the gateway, and an answer that is not what was asked for is thrown away.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use mezite_api::CaPin;
use mezite_ca::{TlsCa, Token, TokenKind};
use mezite_fixtures::{Finished, Scene, run};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::holder::Holder;
use mezite_integration::bot::{BOT, Identity, add_bot};

/// A token as the gateway with this CA would print it.
fn token_with_pin(ca: &TlsCa) -> String {
    let token = Token::generate(TokenKind::Bot).unwrap();
    format!("{}.{}", *token.secret(), CaPin::of_spki(ca.public_key()).suffix())
}

/// A server with a certificate of a CA of its own: what it is told comes out of the channel.
struct Impostor {
    address: SocketAddr,
    ca: TlsCa,
    told: Receiver<Vec<u8>>,
}

impl Impostor {
    /// One that is called `name` and gives this answer.
    fn start(name: &str, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let ca = TlsCa::generate("test", jiff::Timestamp::now()).unwrap();
        let day = std::time::Duration::from_hours(24);
        let own = ca.server_certificate(&[name.to_owned()], day, std::time::SystemTime::now()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(own.chain, own.key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, told) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let mut asked = Vec::new();
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    asked.extend(&piece[..count]);
                    if is_whole(&asked) {
                        let answer = answer(&asked);
                        let _ = stream.write_all(&answer);
                        let _ = stream.flush();
                        break;
                    }
                }
                let _ = sender.send(asked);
            }
        });
        Self { address, ca, told }
    }
}

fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_none_or(|length: usize| body.len() >= length)
}

fn answered(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ask(identity: &Identity<'_>, server: &str, token: &str) -> Finished {
    let file = identity.folder.with_extension("asked");
    std::fs::write(&file, token).unwrap();
    let mut command = Command::new(mezite_fixtures::program("mezd"));
    command.args(["identity", "start", "--one-shot", &format!("--auth-server={server}")]);
    command.arg(format!("--join-token=@{}", file.display()));
    command.arg(format!("--destination={}", identity.folder.display())).env_remove("MEZITE_CA_PIN");
    run(&mut command)
}

#[test]
fn hostile_082_the_token_is_not_told_to_somebody_else() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let bare = token.split('.').next().unwrap();
    let impostor = Impostor::start("localhost", |_| answered("{}"));
    let port = impostor.address.port();
    let identity = Identity::new(&scene, "certs");
    // Another CA than the pinned one; the pinned one under another name; no pin at all; no TLS at all.
    let gateway = scene.gateway.https().port();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let mut heard = [0; 4096];
        let count = stream.read(&mut heard).unwrap_or(0);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        heard[..count].to_vec()
    });
    let said = ask(&identity, &format!("localhost:{port}"), &token);
    assert!(said.assert_code(4).err().contains("--ca-pin"), "{}", said.err());
    let misnamed = Impostor::start("other.example", |_| answered("{}"));
    let its_own = token_with_pin(&misnamed.ca);
    ask(&identity, &format!("localhost:{}", misnamed.address.port()), &its_own).assert_code(4);
    ask(&identity, &format!("localhost:{gateway}"), bare).assert_code(4);
    let said = ask(&identity, &format!("localhost:{plain_port}"), &token);
    assert_ne!(said.code, Some(0));
    let heard = heard.join().unwrap();
    assert!(!String::from_utf8_lossy(&heard).contains(bare));
    for told in impostor.told.try_iter().chain(misnamed.told.try_iter()) {
        assert!(told.is_empty(), "an impostor was told {told:?}");
    }
    assert!(scene.mezctl.audit("token.use").is_empty());
    // The pin by hand does what the suffix does.
    let pin = scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap().to_owned();
    let file = scene.scratch.write("bare", bare);
    let by_hand =
        ["--one-shot".to_owned(), format!("--join-token=@{}", file.display()), format!("--ca-pin={pin}")];
    let other = format!("--ca-pin=sha256:{}", "00".repeat(32));
    run(&mut identity.start(&[&by_hand[0], &by_hand[1], &other])).assert_code(4);
    run(&mut identity.start(&by_hand)).assert_ok();
}

#[test]
fn hostile_082_answers_that_are_not_what_was_asked_for_are_thrown_away() {
    let scene = Scene::start();
    let good = Holder::new();
    let credentials = good.join(&scene, &add_bot(&scene), uuid::Uuid::new_v4()).unwrap();
    let good_answer = serde_json::to_value(&credentials).unwrap();
    // For another key, which is what any answer of another's is.
    let mut answers = vec![answered(&good_answer.to_string())];
    for (field, value) in [
        ("bot", "alice"),
        ("certificate", "ssh-ed25519 AAAA"),
        (
            "known_hosts",
            "evil ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM//rrPhRsSNpIYAm49H434ndxFOZ4Xf3mQ3o052lX8f",
        ),
        ("ssh", "$(id):22"),
        ("tls_ca", "nothing"),
        ("cluster", ""),
    ] {
        let mut wrong = good_answer.clone();
        wrong[field] = value.into();
        answers.push(answered(&wrong.to_string()));
    }
    answers.push(answered("[]"));
    answers
        .push(b"HTTP/1.1 302 Found\r\nLocation: https://localhost:1/\r\nContent-Length: 0\r\n\r\n".to_vec());
    answers
        .push([&b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"[..], &b"x".repeat(65536)].concat());
    for (index, answer) in answers.into_iter().enumerate() {
        let impostor = Impostor::start("localhost", move |_| answer.clone());
        let token = token_with_pin(&impostor.ca);
        let identity = Identity::new(&scene, &format!("certs{index}"));
        // Trusted, so it is asked; what it says is looked at.
        let clock = crate::clock::MovedClock::new(jiff::SignedDuration::ZERO, Box::new(|_, _| None));
        let mut settings = crate::daemon::settings(&identity, Some(&token));
        settings.auth_server = format!("localhost:{}", impostor.address.port()).parse().unwrap();
        let mut daemon =
            mezite_identity::Daemon::new(&settings, &clock, channel(), mezite_identity::Hook::default())
                .unwrap();
        let error = daemon.once().unwrap_err();
        assert_ne!(error.exit_code(), 0);
        assert!(!identity.folder.join("identity.json").exists(), "answer {index}: {error}");
        assert!(!identity.folder.join("known_hosts").exists(), "answer {index}: {error}");
    }
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 1);
}
