//! The Host CA: what clients believe the gateway by.

use std::path::Path;

use mezite_fixtures::{Finished, Scene, run};
use mezite_integration::Master;

use crate::{fetch, status, step};

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
