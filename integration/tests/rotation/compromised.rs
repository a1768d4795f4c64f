//! A key in wrong hands: everything that rests on it ends at once.

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
