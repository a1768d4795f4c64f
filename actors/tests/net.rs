//! Sockets on loopback.
#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use mezite_actors::net::{TcpListener, TcpStream, UnixListener, UnixStream, resolve};
use mezite_actors::{run, spawn};

const LONG: Duration = Duration::from_hours(1);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(loopback()).unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap(), LONG);
    let (client, accepted) = join(connecting, listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0)
}

#[test]
fn both_ends_know_their_addresses() {
    run(async {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = join(TcpStream::connect(address, LONG), listener.accept()).await;
        let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
        assert_eq!((client.peer_addr().unwrap(), server.local_addr().unwrap()), (address, address));
        assert_eq!((client.local_addr().unwrap(), server.peer_addr().unwrap()), (peer, peer));
    });
}

#[test]
fn bytes_pass_both_ways_at_once() {
    run(async {
        let (client, server) = pair().await;
        let echo = spawn("echo", async move { futures_util::io::copy(&server, &mut &server).await });
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let writing = async {
            (&client).write_all(&sent).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        let mut received = Vec::new();
        let mut reader = &client;
        let ((), read) = join(writing, reader.read_to_end(&mut received)).await;
        // The echo has ended its side by dropping its socket.
        assert_eq!((read.unwrap(), received == sent), (sent.len(), true));
        assert_eq!(echo.await.unwrap().unwrap(), 1_000_000);
    });
}

#[test]
fn closing_ends_what_the_peer_reads() {
    run(async {
        let (mut client, mut server) = pair().await;
        client.close().await.unwrap();
        let mut received = Vec::new();
        assert_eq!(server.read_to_end(&mut received).await.unwrap(), 0);
        server.write_all(b"still open").await.unwrap();
        let mut buf = [0; 10];
        client.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"still open");
    });
}

#[test]
fn a_clone_is_the_same_connection() {
    run(async {
        let (client, server) = pair().await;
        let mut reader = server.clone();
        let reading = spawn("reader", async move {
            let mut buf = [0; 2];
            reader.read_exact(&mut buf).await.map(|()| buf)
        });
        client.clone().write_all(b"hi").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), *b"hi");
        // Still open: only a clone was dropped.
        (&server).write_all(b"x").await.unwrap();
    });
}

#[test]
fn reading_without_data_waits() {
    run(async {
        let (client, mut server) = pair().await;
        let first = poll_fn(|cx| {
            let polled = Pin::new(&mut server).poll_read(cx, &mut [0; 8]);
            Poll::Ready(polled.is_pending())
        });
        assert!(first.await);
        (&client).write_all(b"now").await.unwrap();
        let mut buf = [0; 3];
        server.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"now");
    });
}

#[test]
fn a_closed_port_refuses() {
    run(async {
        let address = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
        let error = TcpStream::connect(address, LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn connecting_ends_at_the_deadline() {
    run(async {
        // A listener whose queue is full answers nothing: 0 waiting connections, and one is taken.
        let listener = std::net::TcpListener::bind(loopback()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let _taken = TcpStream::connect(address, LONG).await.unwrap();
        let error = TcpStream::connect(address, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_port_in_use_is_an_error() {
    run(async {
        let listener = TcpListener::bind(loopback()).unwrap();
        let error = TcpListener::bind(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn names_and_literals_have_addresses() {
    run(async {
        assert_eq!(resolve("192.0.2.7", 22).await.unwrap(), ["192.0.2.7:22".parse().unwrap()]);
        assert_eq!(resolve("2001:db8::7", 22).await.unwrap(), ["[2001:db8::7]:22".parse().unwrap()]);
        let local = resolve("localhost", 3023).await.unwrap();
        assert!(!local.is_empty());
        assert!(local.iter().all(|address| address.ip().is_loopback() && address.port() == 3023));
        assert!(resolve("", 22).await.is_err());
        assert!(resolve("nul\0byte", 22).await.is_err());
    });
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_unix_socket_is_its_owners_and_knows_the_peer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        let (client, server) = join(UnixStream::connect(&path), listener.accept()).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        let own = rustix::process::geteuid().as_raw();
        assert_eq!((client.peer_uid().unwrap(), server.peer_uid().unwrap()), (own, own));
        (&client).write_all(b"hello").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut received = String::new();
        (&server).read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "hello");
    });
}

#[test]
fn an_abandoned_unix_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    run(async {
        drop(UnixListener::bind(&path).unwrap());
        let listener = UnixListener::bind(&path).unwrap();
        let (client, server) = join(UnixStream::connect(&path), listener.accept()).await;
        assert!(client.is_ok() && server.is_ok());
    });
}

#[test]
fn a_unix_socket_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    run(async {
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        // The attempt was a connection that ended at once; the next one is ours.
        drop(listener.accept().await.unwrap());
        let (client, server) = join(UnixStream::connect(&path), listener.accept()).await;
        assert!(client.is_ok() && server.is_ok());
    });
}

#[test]
fn a_file_is_never_taken_for_an_abandoned_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    let absent = folder.path().join("absent/sock");
    assert_eq!(UnixListener::bind(&absent).unwrap_err().kind(), ErrorKind::NotFound);
    let long = folder.path().join("n".repeat(200));
    assert!(UnixListener::bind(&long).is_err());
}
