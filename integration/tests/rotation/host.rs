//! The Host CA: what clients believe the gateway by.

use std::path::Path;

use mezite_fixtures::{Finished, KeyType, Scene, public_key_path, run};
use mezite_integration::{Master, assert_one_event};

use crate::{assert_conflict, check, fetch, rotate, status, step};

/// Connects by the lines of this file alone.
fn by(scene: &Scene, known_hosts: &Path) -> Finished {
    let file = format!("UserKnownHostsFile={}", known_hosts.display());
    run(scene.route().ssh(&["-o", &file]).arg("true"))
}

#[test]
fn hostile_095_old_and_new_known_hosts_in_each_phase() {
    let scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let save = |name: &str| scene.scratch.write(name, fetch(&scene, "/v1/ca/known_hosts"));
    let standby = save("standby");
    by(&scene, &standby).assert_ok();
    step(&scene, "host", "prepare");
    let prepared = save("prepared");
    assert_eq!(std::fs::read_to_string(&prepared).unwrap().lines().count(), 2);
    for file in [&standby, &prepared] {
        by(&scene, file).assert_ok();
    }
    step(&scene, "host", "activate");
    let activated = save("activated");
    for file in [&prepared, &activated] {
        by(&scene, file).assert_ok();
    }
    // Who has not fetched them again by now does not believe the gateway, and sends it nothing.
    let stale = by(&scene, &standby);
    stale.assert_code(255);
    assert!(stale.err().contains("Host key verification failed"), "{}", stale.err());
    step(&scene, "host", "rollback");
    for file in [&standby, &prepared, &activated] {
        by(&scene, file).assert_ok();
    }
    step(&scene, "host", "prepare");
    let again = save("again");
    step(&scene, "host", "activate");
    step(&scene, "host", "finish");
    by(&scene, &again).assert_ok();
    by(&scene, &save("finished")).assert_ok();
    for file in [&standby, &prepared, &activated] {
        by(&scene, file).assert_code(255);
    }
    run(live.ssh(&[]).arg("true")).assert_ok();
    assert_eq!(status(&scene, "host")["phase"], "standby");
}

/// Gives the node a host certificate by the key that signs now.
fn certify(scene: &mut Scene) {
    let key = public_key_path(&scene.sshd.host_key_path(KeyType::Ed25519));
    let out = scene.scratch.join("node1-host");
    let mut sign = scene.mezctl.command(&["auth", "sign", "--host=node1", "--format=openssh"]);
    run(sign.arg("--key").arg(key).arg("--out").arg(&out)).assert_ok();
    scene.sshd.configure(&[&format!("HostCertificate {}", out.display())]);
}

#[test]
fn hostile_095_a_node_that_is_believed_for_its_host_certificate_is_not_lost() {
    let mut scene = Scene::start();
    certify(&mut scene);
    let (port, mezctl) = (format!("--port={}", scene.sshd.port()), scene.mezctl.clone());
    mezctl.ok(&["nodes", "rm", "node1"]);
    mezctl.ok(&["nodes", "add", "--openssh", "--name=node1", "--host=127.0.0.1", &port, "--labels=env=test"]);
    scene.ssh("true").assert_ok();
    step(&scene, "host", "prepare");
    step(&scene, "host", "activate");
    let fresh = scene.scratch.write("fresh", fetch(&scene, "/v1/ca/known_hosts"));
    by(&scene, &fresh).assert_ok();
    assert_conflict(&rotate(&scene, "host", "finish", &[]), &["node1 (not looked at"]);
    check(&scene);
    let refused = rotate(&scene, "host", "finish", &[]);
    assert_conflict(&refused, &["node1 (does not trust the new key)", "Give them new host certificates"]);
    certify(&mut scene);
    check(&scene);
    step(&scene, "host", "finish");
    by(&scene, &fresh).assert_ok();
    // In wrong hands: a connection that believed a node for the old key ends, whoever the node is.
    let file = format!("UserKnownHostsFile={}", fresh.display());
    let live = Master::open_with(&scene, scene.route(), &["-o", &file]);
    run(live.ssh(&[]).arg("true")).assert_ok();
    scene.mezctl.ok(&["ca", "rotate", "--type=host", "--compromised"]);
    assert_one_event(&scene, "connection.close", &[("reason", "ca_key")]);
    let fresh = scene.scratch.write("fresher", fetch(&scene, "/v1/ca/known_hosts"));
    by(&scene, &fresh).assert_code(255);
    certify(&mut scene);
    by(&scene, &fresh).assert_ok();
}
