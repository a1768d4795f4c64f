//! The User CA: certificates of people and bots, old and new, in every phase.

use mezite_fixtures::{Client, Finished, Identity, KeyType, Scene, Way, generate_key, public_key_path, run};
use mezite_integration::bot::{Identity as Bot, add_bot};
use mezite_integration::{Master, assert_refused};

use crate::{status, step};

/// A client with a certificate of alice's that is signed now.
fn signed_now(scene: &Scene, name: &str) -> Client {
    let (key, certificate) = (scene.scratch.join(name), scene.scratch.join(format!("{name}-cert.pub")));
    generate_key(&key, KeyType::Ed25519);
    let mut command = scene.mezctl.command(&["auth", "sign", "--user=alice", "--ttl=1h"]);
    command.arg("--key").arg(public_key_path(&key)).arg("--out").arg(&certificate);
    run(&mut command).assert_ok();
    Client::new(&scene.scratch, name, &scene.gateway, &Identity { key, certificate: Some(certificate) })
}

fn connect(scene: &Scene, client: &Client) -> Finished {
    run(client.route(Way::Direct, scene.login, "node1").ssh::<&str>(&[]).arg("true"))
}

#[track_caller]
fn assert_untrusted(said: &Finished) {
    assert_refused(said, &["access refused: your certificate", "Log in again"]);
}

#[test]
fn hostile_095_old_and_new_user_certificates_in_each_phase() {
    let scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let old = scene.client.clone();
    step(&scene, "user", "prepare");
    let prepared = signed_now(&scene, "prepared");
    for client in [&old, &prepared] {
        connect(&scene, client).assert_ok();
    }
    step(&scene, "user", "activate");
    let new = signed_now(&scene, "new");
    for client in [&old, &prepared, &new] {
        connect(&scene, client).assert_ok();
    }
    let counted = status(&scene, "user");
    assert_eq!(counted["old_certificates"]["users"], 2, "alice's first and the one of prepare: {counted}");
    assert_eq!(counted["old_certificates"]["named"][0], "user alice");
    // Back: what the new key has signed is named, and refused; everybody else goes on.
    let back = step(&scene, "user", "rollback");
    assert!(back.err().contains("user alice: the certificate is not trusted any more"), "{}", back.err());
    assert!(back.err().contains("1 certificates of people are refused now"), "{}", back.err());
    assert_untrusted(&connect(&scene, &new));
    for client in [&old, &prepared] {
        connect(&scene, client).assert_ok();
    }
    step(&scene, "user", "prepare");
    step(&scene, "user", "activate");
    let newer = signed_now(&scene, "newer");
    let finished = step(&scene, "user", "finish");
    assert!(finished.err().contains("2 certificates of people are refused now"), "{}", finished.err());
    for client in [&old, &prepared, &new] {
        assert_untrusted(&connect(&scene, client));
    }
    connect(&scene, &newer).assert_ok();
    // What lives goes on, sessions and all, though its certificate would not be taken any more.
    run(live.ssh(&[]).arg("true")).assert_ok();
    assert!(scene.mezctl.list(&["locks", "ls"]).is_empty());
}

#[test]
fn hostile_095_bots_renew_through_a_rotation_and_a_sleeper_is_not_locked() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let awake = Bot::joined(&scene, "awake", &token);
    let token = mezite_integration::bot::rotate(&scene);
    let sleeper = Bot::joined(&scene, "sleeper", &token);
    awake.ssh("true").assert_ok();
    sleeper.ssh("true").assert_ok();
    for ca in ["user", "host"] {
        step(&scene, ca, "prepare");
    }
    awake.renew().assert_ok();
    assert_eq!(String::from_utf8(awake.read("known_hosts")).unwrap().lines().count(), 2);
    awake.ssh("true").assert_ok();
    for ca in ["user", "host"] {
        step(&scene, ca, "activate");
    }
    let counted = status(&scene, "user");
    assert_eq!(counted["old_certificates"]["bots"], 2, "{counted}");
    awake.ssh("true").assert_ok();
    awake.renew().assert_ok();
    awake.ssh("true").assert_ok();
    assert_eq!(status(&scene, "user")["old_certificates"]["bots"], 1);
    for ca in ["user", "host"] {
        step(&scene, ca, "finish");
    }
    awake.ssh("true").assert_ok();
    awake.renew().assert_ok();
    awake.ssh("true").assert_ok();
    // It has slept through it all: neither believes the other, nobody is locked, and a renewal makes it good.
    sleeper.ssh("true").assert_code(255);
    assert!(scene.mezctl.list(&["locks", "ls"]).is_empty());
    sleeper.renew().assert_ok();
    sleeper.ssh("true").assert_ok();
}
