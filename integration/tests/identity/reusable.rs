//! Row 123: join tokens for several uses, from where they may be used.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use mezite_api::ProblemCode;
use mezite_api::client::{Client, Server, Trust};
use mezite_fixtures::{GatewayOptions, Scene, SceneOptions};
use mezite_integration::bot::{BOT, add};
use rustix::net;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use uuid::Uuid;

use crate::holder::{Holder, assert_refused, client};

/// The load balancer's address, so to speak.
const BALANCER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HERE: &str = "--source=127.0.0.0/8";

fn reasons(scene: &Scene) -> Vec<String> {
    let events = scene.mezctl.audit("token.refuse");
    events.iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hostile_123_a_reusable_token_makes_so_many_instances_and_no_more() {
    let scene = Scene::start();
    let token = add(&scene, &["--reusable", "--max-uses=3", HERE]);
    let (holder, request) = (Holder::new(), Uuid::new_v4());
    let first = holder.join(&scene, &token, request).unwrap();
    // A lost answer costs no use; another key is not the same request.
    let again = holder.join(&scene, &token, request).unwrap();
    assert_eq!((first.instance, first.certificate), (again.instance, again.certificate));
    assert_refused(Holder::new().join(&scene, &token, request), ProblemCode::Unauthenticated);
    let left = |scene: &Scene| scene.mezctl.json(&["bots", "show", BOT])["token"]["uses_left"].clone();
    assert_eq!(left(&scene), 2);
    assert!(scene.mezctl.ok(&["bots", "show", BOT]).contains("2 uses left"));
    Holder::new().join(&scene, &token, Uuid::new_v4()).unwrap();
    Holder::new().join(&scene, &token, Uuid::new_v4()).unwrap();
    assert_refused(Holder::new().join(&scene, &token, Uuid::new_v4()), ProblemCode::Unauthenticated);
    assert_eq!((left(&scene), reasons(&scene)), (0.into(), vec!["spent".to_owned(); 2]));
    assert_eq!(scene.mezctl.json(&["bots", "show", BOT])["token"]["state"], "spent");
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 3);
    let uses: Vec<_> = scene.mezctl.audit("token.use");
    let uses: Vec<_> = uses.iter().map(|event| event["uses_left"].as_u64().unwrap()).collect();
    assert_eq!(uses, [2, 1, 0]);
    // A new one begins anew, and is for one use unless it is said.
    let rotated = scene.mezctl.json(&["bots", "rotate-token", BOT]);
    assert!(rotated["bot"]["token"]["uses_left"].is_null(), "{rotated}");
    let rotated = scene.mezctl.json(&["bots", "rotate-token", BOT, "--reusable", "--max-uses=2", HERE]);
    assert_eq!(rotated["bot"]["token"]["uses_left"], 2);
    assert_refused(Holder::new().join(&scene, &token, Uuid::new_v4()), ProblemCode::Unauthenticated);
    Holder::new().join(&scene, rotated["token"].as_str().unwrap(), Uuid::new_v4()).unwrap();
}

#[test]
fn hostile_123_the_last_use_is_one_however_many_try() {
    let scene = Scene::start();
    let token = add(&scene, &["--reusable", "--max-uses=2", HERE]);
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> =
            (0..20).map(|_| scope.spawn(|| Holder::new().join(&scene, &token, Uuid::new_v4()))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 2);
    assert_eq!(scene.mezctl.audit("token.use").len(), 2);
}

#[test]
fn hostile_123_a_reusable_token_is_good_where_it_is_meant_to_be() {
    let scene = Scene::start();
    let token = add(&scene, &["--reusable", "--max-uses=3", "--source=10.0.0.0/8,2001:db8::/64"]);
    assert_refused(Holder::new().join(&scene, &token, Uuid::new_v4()), ProblemCode::Unauthenticated);
    assert_eq!(reasons(&scene), ["source"]);
    assert_eq!(scene.mezctl.json(&["bots", "show", BOT])["token"]["uses_left"], 3);
    for wrong in [
        &["--reusable"][..],
        &["--reusable", "--max-uses=3"],
        &["--reusable", HERE],
        &["--max-uses=3", HERE],
        &["--reusable", "--max-uses=0", HERE],
        &["--reusable", "--max-uses=1001", HERE],
        &["--reusable", "--max-uses=3", "--source=0.0.0.0/0"],
        &["--reusable", "--max-uses=3", "--source=here"],
    ] {
        let mut all = vec!["bots", "rotate-token", BOT];
        all.extend(wrong);
        scene.mezctl.run(&all).assert_code(2);
    }
}

/// Takes connections, and passes them on to the gateway from its own address, with a header of who has come.
fn balance(gateway: SocketAddr, client: [u8; 4]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None).unwrap();
            net::bind(&socket, &SocketAddr::new(BALANCER, 0)).unwrap();
            net::connect(&socket, &gateway).unwrap();
            let mut to = TcpStream::from(socket);
            let ports = [12_345u16.to_be_bytes(), gateway.port().to_be_bytes()].concat();
            let body = [&client[..], &[127, 0, 0, 1], &ports].concat();
            let header = [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, 0x11, 0, 12][..], &body].concat();
            io::Write::write_all(&mut to, &header).unwrap();
            let (mut back, mut answers) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut &from, &mut to));
            thread::spawn(move || io::copy(&mut answers, &mut back));
        }
    });
    address
}

#[test]
fn hostile_123_behind_a_balancer_the_source_is_the_real_one() {
    let gateway = GatewayOptions {
        arguments: vec!["--proxy-protocol-from".to_owned(), BALANCER.to_string()],
        ..GatewayOptions::default()
    };
    let scene = Scene::with(SceneOptions { gateway, ..SceneOptions::default() });
    let token = add(&scene, &["--reusable", "--max-uses=3", "--source=10.0.0.0/8"]);
    let ca = CertificateDer::from_pem_file(scene.gateway.tls_ca()).unwrap();
    let through = |client: [u8; 4]| {
        let port = balance(scene.gateway.https(), client).port();
        let server: Server = format!("localhost:{port}").parse().unwrap();
        Client::https(&server, Trust::Ca(vec![ca.clone()]), None).unwrap()
    };
    let asked = Holder::new().asks(&token, Uuid::new_v4());
    through([10, 1, 2, 3]).join(&asked).unwrap();
    let instance = scene.mezctl.list(&["bots", "instances", BOT]).pop().unwrap();
    assert_eq!(instance["joined_from"], "10.1.2.3");
    let asked = Holder::new().asks(&token, Uuid::new_v4());
    assert_refused(through([192, 0, 2, 7]).join(&asked), ProblemCode::Unauthenticated);
    assert_eq!(scene.mezctl.audit("token.refuse").pop().unwrap()["source"], "192.0.2.7");
    // Nobody else may say where they come from, and a balancer must.
    assert_refused(client(&scene, None).join(&asked), ProblemCode::Unauthenticated);
    assert_eq!(scene.mezctl.audit("token.refuse").pop().unwrap()["source"], "127.0.0.1");
}
