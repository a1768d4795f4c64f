//! The client against a socket that answers what each test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::*;
use crate::user::UserAdd;
use crate::{ProblemCode, RoleName, UserName};

/// Answers one request with these bytes, and gives the request.
struct Server {
    folder: tempfile::TempDir,
    thread: JoinHandle<String>,
}

impl Server {
    fn start(answer: impl Into<Vec<u8>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let answer = answer.into();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            let length = request.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<u64>().unwrap())
            });
            (&mut reader).take(length.unwrap_or(0)).read_to_string(&mut request).unwrap();
            // A client that has seen enough may be gone already.
            let _ = reader.into_inner().write_all(&answer);
            request
        });
        Self { folder, thread }
    }

    fn client(&self) -> Client {
        Client::unix(&self.folder.path().join("socket"))
    }

    fn request(self) -> String {
        self.thread.join().unwrap()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_list_is_asked_for_and_read() {
    let server = Server::start(answer("200 OK", "[]"));
    let labels = crate::Labels::parse("env=prod,tier=web").unwrap();
    assert_eq!(server.client().nodes(&labels).unwrap(), []);
    let request = server.request();
    assert!(request.starts_with("GET /v1/nodes?labels=env%3Dprod%2Ctier%3Dweb HTTP/1.1\r\n"), "{request}");
}

#[test]
fn a_body_is_sent_as_json() {
    let problem = crate::Problem::new(ProblemCode::Conflict, "alice exists");
    let server = Server::start(answer("409 Conflict", &serde_json::to_string(&problem).unwrap()));
    let add = UserAdd {
        name: UserName::parse("alice").unwrap(),
        roles: vec![RoleName::parse("dev").unwrap()],
        logins: Vec::new(),
        traits: crate::user::Traits::new(),
        disabled: false,
        token_ttl: None,
    };
    let error = server.client().add_user(&add).unwrap_err();
    assert!(matches!(error, ClientError::Refused(refused) if refused == problem));
    let request = server.request();
    assert!(request.starts_with("POST /v1/users HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(r#"{"name":"alice","roles":["dev"]"#), "{request}");
}

#[test]
fn a_redirect_is_not_followed() {
    let server =
        Server::start("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(server.client().status(), Err(ClientError::Answer(_))));
    drop(server.request());
}

#[test]
fn what_is_no_answer_is_an_error() {
    for bytes in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]"] {
        let server = Server::start(bytes);
        server.client().users().expect_err(bytes);
        server.request();
    }
}

#[test]
fn a_download_is_copied() {
    let server = Server::start(answer("200 OK", "recorded"));
    let mut copy = Vec::new();
    let length = server.client().recording(uuid::Uuid::nil(), Purpose::Play, &mut copy).unwrap();
    assert_eq!((length, copy.as_slice()), (8, b"recorded".as_slice()));
    assert!(
        server.request().starts_with(
            "GET /v1/recordings/00000000-0000-0000-0000-000000000000/file?for=play HTTP/1.1\r\n"
        )
    );
}

#[test]
fn a_missing_socket_is_unreachable() {
    let client = Client::unix(&PathBuf::from("/nonexistent/mezctl.sock"));
    let error = client.status().unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/mezctl.sock"), "{error}");
}
