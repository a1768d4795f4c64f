//! Steps that come by themselves.

use mezite_fixtures::{Scene, eventually};

use crate::{check, keys, pull, rotate, status, step};

#[test]
fn with_a_grace_period_the_steps_come_by_themselves() {
    let scene = Scene::start();
    let first = keys(&scene, "user");
    rotate(&scene, "user", "prepare", &["--grace-period=1s"]).assert_ok();
    eventually("the end of the rotation", || {
        let status = status(&scene, "user");
        (status["phase"] == "standby").then_some(())
    });
    assert_ne!(keys(&scene, "user"), first);
    let steps: Vec<_> = scene.mezctl.audit("ca.rotate");
    let words: Vec<_> = steps.iter().map(|event| event["step"].as_str().unwrap()).collect();
    assert_eq!(words, ["prepare", "activate", "finish"]);
    assert_eq!((&steps[1]["actor"], &steps[2]["automatic"]), (&"gateway".into(), &true.into()));
    let finish = rotate(&scene, "user", "finish", &["--grace-period=1s"]);
    finish.assert_code(5);
}

#[test]
fn a_step_that_is_due_waits_for_nodes_and_survives_a_restart() {
    let mut scene = Scene::start();
    rotate(&scene, "openssh", "prepare", &["--grace-period=1s"]).assert_ok();
    let refused = eventually("the refusal", || scene.mezctl.audit("ca.rotate.refuse").pop());
    assert!(refused["reason"].as_str().unwrap().contains("node1"), "{refused}");
    assert_eq!(status(&scene, "openssh")["automatic"]["refused"], true);
    // The next start finds that it is due, and tries again without another word.
    scene.gateway.kill9();
    scene.gateway.start_again();
    assert_eq!(status(&scene, "openssh")["phase"], "prepare");
    pull(&mut scene, "openssh");
    check(&scene);
    scene.gateway.kill9();
    scene.gateway.start_again();
    eventually("the step", || (status(&scene, "openssh")["phase"] != "prepare").then_some(()));
    assert_eq!(scene.mezctl.audit("ca.rotate.refuse").len(), 1);
    scene.ssh("true").assert_ok();
    eventually("the last step", || (status(&scene, "openssh")["phase"] == "standby").then_some(()));
    scene.ssh("true").assert_ok();
}

#[test]
fn a_roll_back_ends_what_would_come_by_itself() {
    let scene = Scene::start();
    rotate(&scene, "host", "prepare", &["--grace-period=1h"]).assert_ok();
    let automatic = status(&scene, "host")["automatic"].clone();
    assert_eq!(automatic["step"], "activate");
    step(&scene, "host", "rollback");
    assert!(status(&scene, "host").get("automatic").is_none());
}
