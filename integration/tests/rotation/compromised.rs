//! A key in wrong hands: everything that rests on it ends at once.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mezite_fixtures::{Scene, eventually, run};
use mezite_integration::{Master, assert_one_event, assert_refused};

use crate::{keys, pull, status};

fn replace(scene: &Scene, ca: &str) -> mezite_fixtures::Finished {
    let done = scene.mezctl.run(&["ca", "rotate", &format!("--type={ca}"), "--compromised"]);
    done.assert_ok();
    done
}

#[track_caller]
fn assert_cut(scene: &Scene, live: &Master) {
    assert_one_event(scene, "connection.close", &[("reason", "ca_key")]);
    eventually("the end of the connection", || {
        (run(live.ssh(&[]).arg("true")).code != Some(0)).then_some(())
    });
}

#[test]
fn what_a_stolen_user_ca_key_has_signed_is_refused_and_cut_at_once() {
    let scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let first = keys(&scene, "user");
    // Also in the middle of a rotation: the key that was prepared lay in the same place.
    crate::step(&scene, "user", "prepare");
    let done = replace(&scene, "user");
    assert!(done.out().contains("connections cut"), "{}", done.out());
    for part in ["everybody: 'msh login' again", "bots: renew by themselves", "user alice:"] {
        assert!(done.err().contains(part), "'{part}' is not in: {}", done.err());
    }
    assert_cut(&scene, &live);
    let now = keys(&scene, "user");
    assert!(now.len() == 1 && now != first, "{now:?}");
    assert_refused(&scene.ssh("true"), &["access refused: your certificate"]);
    let bob = scene.user("bob", "dev");
    run(bob.route(mezite_fixtures::Way::Direct, scene.login, "node1").ssh::<&str>(&[]).arg("true"))
        .assert_ok();
    let event = assert_one_event(&scene, "ca.rotate", &[("step", "compromised")]);
    assert_eq!(event["given_up"].as_array().unwrap().len(), 2);
    assert_eq!(status(&scene, "user")["phase"], "standby");
}

#[test]
fn legs_by_a_stolen_openssh_ca_key_are_cut_and_nodes_need_the_new_one() {
    let mut scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let done = replace(&scene, "openssh");
    assert!(done.err().contains("every node, now: replace the keys"), "{}", done.err());
    assert!(done.err().contains("note: node1 was not seen to trust the new key"), "{}", done.err());
    assert_cut(&scene, &live);
    assert_refused(&scene.ssh("true"), &["node1 refused login"]);
    pull(&mut scene, "openssh");
    scene.ssh("true").assert_ok();
}

#[test]
fn a_stolen_host_ca_key_is_shown_to_nobody_any_more() {
    let scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let done = replace(&scene, "host");
    assert!(done.err().contains("take the old @cert-authority line out"), "{}", done.err());
    scene.ssh("true").assert_code(255);
    let fresh = scene.scratch.write("fresh", crate::fetch(&scene, "/v1/ca/known_hosts"));
    let file = format!("UserKnownHostsFile={}", fresh.display());
    run(scene.route().ssh(&["-o", &file]).arg("true")).assert_ok();
    // The node is pinned, and the client has proved itself to us: nothing here rests on the Host CA.
    run(live.ssh(&[]).arg("true")).assert_ok();
}

/// A way to the node that is shut: tells of each connection, and passes nothing before it is told to.
fn turnpike(node: SocketAddr) -> (u16, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((arrived, arrivals), (open, opened)) = (channel(), channel());
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            arrived.send(()).ok();
            if opened.recv().is_err() {
                return;
            }
            let far = TcpStream::connect(node).unwrap();
            let ends = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
            for (from, to) in ends {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || io::copy(&mut from, &mut to).ok());
            }
        }
    });
    (port, arrivals, open)
}

#[test]
fn hostile_095_a_connection_that_is_on_its_way_when_the_key_is_given_up_is_cut() {
    let scene = Scene::start();
    let (port, arrivals, open) = turnpike(scene.sshd.address());
    scene.mezctl.ok(&["nodes", "update", "node1", &format!("--port={port}")]);
    let mut ssh = scene.route().ssh::<&str>(&[]);
    let mut ssh = scene.run_beside("ssh", ssh.args(["sleep", "60"]));
    // The certificate was believed; the node has not answered yet.
    arrivals.recv().unwrap();
    scene.mezctl.ok(&["ca", "rotate", "--type=user", "--compromised"]);
    open.send(()).unwrap();
    assert!(!ssh.wait().success());
    assert!(ssh.log().contains("a certificate authority of this cluster was replaced"), "{}", ssh.log());
    assert_one_event(&scene, "connection.close", &[("reason", "ca_key")]);
}
