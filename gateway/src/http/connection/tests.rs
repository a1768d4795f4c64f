//! One connection, from the client's side, over a real socket.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mezite_actors::net::{TcpListener, TcpStream};
use mezite_actors::{Task, run, spawn};

use super::*;
use crate::http::app::Answer;
use crate::http::head::BODY_MAX;
use crate::http::route::Route;

/// Long enough for anything that must happen, so that only what must not happen waits for it.
const PLENTY: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_millis(50);

/// Answers with what it was asked, and counts.
#[derive(Default)]
struct Echo {
    asked: AtomicUsize,
}

async fn echo(echo: Arc<Echo>, request: Request) -> Answer {
    echo.asked.fetch_add(1, Ordering::SeqCst);
    Ok(Response::ok("text/plain", [request.path.as_bytes(), b" ", &request.body].concat()))
}

async fn file(_: Arc<Echo>, request: Request) -> Answer {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'x'; 300_000]).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let more = request.query.get("more").map_or(0, |more| more.parse().unwrap());
    Ok(Response { body: Body::File { file, len: 300_000 + more }, ..Response::ok("x/y", "") })
}

/// A connection that is served, and the client's end of it.
struct Scene {
    client: TcpStream,
    end: Task<End<TcpStream>>,
    echo: Arc<Echo>,
    served: Served,
    drain: Latch,
}

impl Scene {
    async fn new(time: Duration, tunnels: bool) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap(), PLENTY).await.unwrap();
        let (stream, source) = listener.accept().await.unwrap();
        let (echo, served, drain) = (Arc::new(Echo::default()), Served::default(), Latch::new());
        let mut app = App::new();
        for route in [Route::get("/echo/:word", "Echoes"), Route::post("/echo/:word", "Echoes")] {
            app.route(route, &echo, self::echo);
        }
        app.route(Route::get("/file", "Gives a file"), &echo, file);
        let connection = Connection::new(stream, Caller::Public(source), drain.clone());
        let (deadline, noted) = (Instant::now() + time, served.clone());
        let end = async move { connection.serve(&app, deadline, &noted, tunnels).await };
        Self { client, end: spawn("server", end), echo, served, drain }
    }

    /// Sends, and reads until the server closes.
    async fn exchange(&mut self, bytes: &[u8]) -> String {
        // The server may close before it has read everything.
        let _ = self.client.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = self.client.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn asked(&self) -> usize {
        self.echo.asked.load(Ordering::SeqCst)
    }

    /// Whether the server's side has ended by closing.
    async fn has_closed(self) -> bool {
        matches!(self.end.await, Ok(End::Closed))
    }
}

const CLOSE: &str = "Host: a\r\nConnection: close\r\n\r\n";

#[test]
fn requests_are_answered_in_order_on_one_connection() {
    run(async {
        let mut scene = Scene::new(PLENTY, true).await;
        let two = format!(
            "POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none\
             GET /echo/b HTTP/1.1\r\n{CLOSE}"
        );
        let answer = scene.exchange(two.as_bytes()).await;
        let bodies: Vec<_> = answer.split("\r\n\r\n").skip(1).collect();
        assert!(bodies[0].starts_with("/echo/a one") && bodies[1] == "/echo/b ", "{answer}");
        assert!(scene.served.is_set());
        assert!(scene.has_closed().await);
    });
}

#[test]
fn answers_say_that_they_are_not_to_be_kept() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let answer = scene.exchange(format!("GET /echo/a HTTP/1.1\r\n{CLOSE}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nCache-Control: no-store\r\n"), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    });
}

#[test]
fn hostile_009_who_says_nothing_or_not_enough_is_closed_at_the_deadline() {
    for beginning in [
        "",
        "G",
        "CONN",
        "GET /echo/a HTTP/1.1\r\nHost: a\r\n",
        "POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234",
    ] {
        run(async {
            let mut scene = Scene::new(SOON, true).await;
            let answer = scene.exchange(beginning.as_bytes()).await;
            assert_eq!((answer.as_str(), scene.asked()), ("", 0), "{beginning}");
            assert!(!scene.served.is_set());
            assert!(scene.has_closed().await, "{beginning}");
        });
    }
}

#[test]
fn hostile_009_heads_without_end_are_refused_at_their_limit() {
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 20));
    let fields = format!("GET / HTTP/1.1\r\n{}", "X-Y: z\r\n".repeat(10_000));
    for head in [line, fields] {
        run(async {
            let mut scene = Scene::new(PLENTY, true).await;
            let answer = scene.exchange(head.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
            assert!(scene.has_closed().await);
        });
    }
}

#[test]
fn hostile_009_no_more_is_read_than_a_head_may_have() {
    run(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap(), PLENTY).await.unwrap();
        let (stream, source) = listener.accept().await.unwrap();
        let mut connection = Connection::new(stream, Caller::Public(source), Latch::new());
        client.write_all(&vec![b'a'; 64 * 1024]).await.unwrap();
        connection.read_request().await.unwrap_err();
        assert_eq!(connection.buffer.len(), HEAD_MAX);
    });
}

#[test]
fn hostile_066_a_request_behind_a_refused_body_never_runs() {
    let hidden = format!("GET /echo/hidden HTTP/1.1\r\n{CLOSE}");
    let too_long = format!("Content-Length: {}\r\n\r\n", BODY_MAX + 1);
    for (fields, status) in [
        (too_long.as_str(), "413"),
        ("Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400"),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "411"),
        ("Content-Length : 1\r\n\r\nx", "400"),
        ("X: a\r\n Content-Length: 1\r\n\r\nx", "400"),
        ("X: a\nContent-Length: 1\r\n\r\nx", "400"),
        ("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "411"),
    ] {
        run(async {
            let mut scene = Scene::new(PLENTY, false).await;
            let request = format!("POST /echo/a HTTP/1.1\r\nHost: a\r\n{fields}{hidden}");
            let answer = scene.exchange(request.as_bytes()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
            assert_eq!(scene.asked(), 0, "{fields}");
        });
    }
}

#[test]
fn connect_is_handed_over_with_all_that_was_read() {
    run(async {
        let mut scene = Scene::new(PLENTY, true).await;
        let request = b"CONNECT node:22 HTTP/1.1\r\n\r\nSSH-2.0-x\r\n";
        scene.client.write_all(request).await.unwrap();
        let Ok(End::Connect(mut stream, mut read)) = scene.end.await else { panic!("not handed over") };
        drop(scene.client);
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, request);
    });
}

#[test]
fn connect_is_no_method_where_there_are_no_tunnels() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let answer = scene.exchange(b"CONNECT node:22 HTTP/1.1\r\nHost: node:22\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    });
}

#[test]
fn who_waits_for_a_word_before_the_body_gets_it() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let head = "POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
        scene.client.write_all(head.as_bytes()).await.unwrap();
        let mut word = [0; 25];
        scene.client.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
        let answer = scene.exchange(b"hi").await;
        assert!(answer.ends_with("/echo/a hi"), "{answer}");
    });
}

#[test]
fn head_gives_the_head_only() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let answer = scene.exchange(format!("HEAD /echo/a HTTP/1.1\r\n{CLOSE}").as_bytes()).await;
        assert!(answer.contains("Content-Length: 8\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    });
}

#[test]
fn files_are_sent_whole() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let answer = scene.exchange(format!("GET /file HTTP/1.1\r\n{CLOSE}").as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 300000"), "{head}");
        assert_eq!((body.len(), body.trim_start_matches('x')), (300_000, ""));
    });
}

#[test]
fn a_file_that_became_shorter_ends_the_connection() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        let request = format!("GET /file?more=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /echo/a HTTP/1.1\r\n{CLOSE}");
        let answer = scene.exchange(request.as_bytes()).await;
        assert!(answer.contains("Content-Length: 300001"));
        assert_eq!(scene.asked(), 0);
    });
}

#[test]
fn what_is_unknown_is_a_problem() {
    for (line, status) in [("GET /nothing", 404), ("DELETE /echo/a", 405), ("BREW /echo/a", 405)] {
        run(async {
            let mut scene = Scene::new(PLENTY, false).await;
            let answer = scene.exchange(format!("{line} HTTP/1.1\r\n{CLOSE}").as_bytes()).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], status);
        });
    }
}

#[test]
fn an_idle_connection_ends_when_the_gateway_stops() {
    run(async {
        let mut scene = Scene::new(PLENTY, false).await;
        scene.client.write_all(b"GET /echo/a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut begun = [0; 8];
        scene.client.read_exact(&mut begun).await.unwrap();
        scene.drain.set();
        assert!(scene.has_closed().await);
    });
}
