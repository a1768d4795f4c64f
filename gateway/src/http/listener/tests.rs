//! The HTTPS listener with a real TLS client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsConnector;
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use mezite_actors::{Latch, Supervisor, run, spawn};
use mezite_store::{Options, Store};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::*;
use crate::authority::Authority;
use crate::config::{Config, Layer};
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;

const PLENTY: Duration = Duration::from_mins(1);

async fn hello(_: Arc<()>, request: Request) -> Answer {
    Ok(Response::ok(
        "text/plain",
        match request.caller {
            Caller::Public(source) => format!("public {}", source.ip()),
            Caller::Client(client) => format!("{:?} {}", client.certificate.identity, client.source.ip()),
            Caller::Operator(uid) => panic!("uid {uid} over TLS"),
        },
    ))
}

/// A listener with its own CA, and what reaches it.
struct Scene {
    _folder: TempDir,
    https: Https,
    authority: Authority,
    address: SocketAddr,
    listener: Option<TcpListener>,
    tunnels: Arc<std::sync::Mutex<Vec<Tunnel>>>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layer = Layer {
            data_dir: Some(folder.path().to_owned()),
            cluster_name: Some("example".to_owned()),
            public_addr: Some(vec!["localhost".to_owned()]),
            unsealed: Some(true),
            ..Layer::default()
        };
        let store = Store::open(folder.path().join("store"), Options::default()).unwrap();
        let authority = Authority::start(&Supervisor::new(), &store, &Config::check(layer).unwrap()).unwrap();
        let mut app = App::new();
        app.route(Route::get("/hello", "Greets"), &Arc::new(()), hello);
        let tunnels = Arc::<std::sync::Mutex<Vec<Tunnel>>>::default();
        let taken = Arc::clone(&tunnels);
        let connect: ConnectHandler = Arc::new(move |tunnel| {
            taken.lock().unwrap().push(tunnel);
            std::future::ready(()).boxed()
        });
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let https = Https { app, connect: Some(connect), proxies: Arc::default() };
        Self { _folder: folder, https, authority, address, listener: Some(listener), tunnels }
    }

    async fn serve(&mut self) -> Stop {
        let (https, stop) = (self.https.clone(), Stop::default());
        let tls = Tls::new(&self.authority, None).await.unwrap();
        spawn("https", https.serve(self.listener.take().unwrap(), tls, stop.clone())).detach();
        stop
    }

    /// Serves one connection that was accepted so long ago.
    async fn serve_one(&self, ago: Duration) {
        let (stream, source) = self.listener.as_ref().unwrap().accept().await.unwrap();
        let tls = Tls::new(&self.authority, None).await.unwrap();
        let accepted = Instant::now().checked_sub(ago).unwrap();
        let arrived = Arrived { stream, source, accepted };
        self.https.clone().connection(arrived, tls, Served::default(), Latch::new()).await;
    }

    async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.address, PLENTY).await.unwrap()
    }

    async fn client(&self) -> futures_rustls::client::TlsStream<TcpStream> {
        self.client_of(&[]).await.unwrap()
    }

    async fn client_of(
        &self,
        protocols: &[&str],
    ) -> std::io::Result<futures_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.tls_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.plain().await).await
    }
}

async fn get(mut client: futures_rustls::client::TlsStream<TcpStream>) -> String {
    client.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn a_client_that_trusts_the_ca_is_served() {
    run(async {
        let mut scene = Scene::new();
        let stop = scene.serve().await;
        let answer = get(scene.client().await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("127.0.0.1"), "{answer}");
        stop.drain.set();
    });
}

#[test]
fn hostile_009_what_is_no_tls_ends_and_others_are_served() {
    run(async {
        let mut scene = Scene::new();
        let stop = scene.serve().await;
        let waiting: Vec<_> = futures_util::future::join_all((0..300).map(|_| scene.plain())).await;
        for garbage in
            [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"SSH-2.0-x\r\n", &[0; 4096], &[0x16, 3, 1, 0xff, 0xff]]
        {
            let mut client = scene.plain().await;
            let _ = client.write_all(garbage).await;
            if garbage.len() > 5 {
                // An alert at most, and the end.
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer).await;
                assert!(answer.len() < 64 && !answer.starts_with(b"HTTP"), "{answer:?}");
            }
        }
        assert!(get(scene.client().await).await.starts_with("HTTP/1.1 200 OK"));
        drop(waiting);
        stop.drain.set();
    });
}

#[test]
fn hostile_009_the_deadline_counts_from_the_accept_and_covers_the_handshake() {
    for beginning in [[].as_slice(), &[0x16], &[0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3]] {
        run(async {
            let scene = Scene::new();
            let mut client = scene.plain().await;
            client.write_all(beginning).await.unwrap();
            scene.serve_one(REQUEST_TIME.checked_sub(Duration::from_millis(50)).unwrap()).await;
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{answer:?}");
        });
    }
}

#[test]
fn connect_over_tls_goes_to_its_handler() {
    run(async {
        let scene = Scene::new();
        let client = async {
            let mut client = scene.client().await;
            client.write_all(b"CONNECT node:22 HTTP/1.1\r\n\r\n").await.unwrap();
            client
        };
        let (client, ()) = futures_util::future::join(client, scene.serve_one(Duration::ZERO)).await;
        let tunnels = std::mem::take(&mut *scene.tunnels.lock().unwrap());
        assert_eq!(tunnels.len(), 1);
        assert!(tunnels[0].read.starts_with(b"CONNECT node:22"));
        drop(client);
    });
}

#[test]
fn hostile_072_only_http_1_is_offered() {
    run(async {
        let mut scene = Scene::new();
        let stop = scene.serve().await;
        assert!(scene.client_of(&["h2"]).await.is_err());
        let both = scene.client_of(&["h2", "http/1.1"]).await.unwrap();
        assert_eq!(both.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        stop.drain.set();
    });
}
