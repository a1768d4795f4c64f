//! The OpenSSH CA: nodes that fetch its keys again, and nodes that do not.

use mezite_fixtures::{Scene, run};
use mezite_integration::{Master, assert_one_event, assert_refused};

use crate::{assert_conflict, check, keys, pull, rotate, status, step};

#[test]
fn hostile_095_a_node_that_fetches_the_keys_again_works_through_every_phase() {
    let mut scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let lives = || {
        run(live.ssh(&[]).arg("true")).assert_ok();
    };
    let first = keys(&scene, "openssh");
    step(&scene, "openssh", "prepare");
    let published = keys(&scene, "openssh");
    assert_eq!((published.len(), &published[..1]), (2, &first[..]), "the one that signs comes first");
    scene.ssh("true").assert_ok();
    // Nobody has looked, and then the node was seen not to follow.
    assert_conflict(
        &rotate(&scene, "openssh", "activate", &[]),
        &["node1 (not looked at", "nodes check --all"],
    );
    check(&scene);
    assert_eq!(status(&scene, "openssh")["nodes"]["refuse"], 1);
    let refused = rotate(&scene, "openssh", "activate", &[]);
    assert_conflict(&refused, &["activate would cut off 1 node: node1 (does not trust the new key)"]);
    pull(&mut scene, "openssh");
    check(&scene);
    assert_eq!(status(&scene, "openssh")["nodes"]["follow"], 1);
    step(&scene, "openssh", "activate");
    assert_eq!(keys(&scene, "openssh"), [published[1].clone(), first[0].clone()]);
    let new = status(&scene, "openssh")["active"]["fingerprint"].as_str().unwrap().to_owned();
    let signed_by_new = |scene: &Scene| scene.sshd.count(&format!("CA ED25519 {new}"));
    let before = signed_by_new(&scene);
    scene.ssh("true").assert_ok();
    assert!(signed_by_new(&scene) > before, "{}", scene.sshd.log());
    lives();
    step(&scene, "openssh", "finish");
    assert_eq!(keys(&scene, "openssh"), [published[1].clone()]);
    scene.ssh("true").assert_ok();
    pull(&mut scene, "openssh");
    scene.ssh("true").assert_ok();
    lives();
    let event = assert_one_event(&scene, "ca.rotate", &[("step", "finish"), ("ca", "openssh")]);
    assert_eq!((&event["phase"], event["given_up"].as_array().unwrap().len()), (&"standby".into(), 1));
}

#[test]
fn hostile_095_a_node_goes_on_working_after_a_roll_back() {
    let mut scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    let first = keys(&scene, "openssh");
    for activated in [false, true] {
        step(&scene, "openssh", "prepare");
        pull(&mut scene, "openssh");
        check(&scene);
        if activated {
            step(&scene, "openssh", "activate");
            scene.ssh("true").assert_ok();
        }
        step(&scene, "openssh", "rollback");
        assert_eq!(keys(&scene, "openssh"), first);
        scene.ssh("true").assert_ok();
        run(live.ssh(&[]).arg("true")).assert_ok();
    }
    pull(&mut scene, "openssh");
    scene.ssh("true").assert_ok();
}

#[test]
fn hostile_095_a_node_that_does_not_fetch_them_falls_away_only_by_force() {
    let mut scene = Scene::start();
    let live = Master::open(&scene, scene.route());
    step(&scene, "openssh", "prepare");
    check(&scene);
    let forced = rotate(&scene, "openssh", "activate", &["--force"]);
    forced.assert_ok();
    assert!(forced.err().contains("node1 was not seen to trust the new key"), "{}", forced.err());
    let event = assert_one_event(&scene, "ca.rotate", &[("step", "activate")]);
    assert_eq!((&event["forced"], &event["lost_nodes"][0]), (&true.into(), &"node1".into()));
    assert_refused(&scene.ssh("true"), &["node1 refused login", "does not trust the cluster's CA"]);
    run(live.ssh(&[]).arg("true")).assert_ok();
    assert_conflict(&rotate(&scene, "openssh", "finish", &[]), &["finish would cut off 1 node: node1"]);
    rotate(&scene, "openssh", "finish", &["--force"]).assert_ok();
    // It is cut off, not lost: it fetches the key and is there again.
    pull(&mut scene, "openssh");
    scene.ssh("true").assert_ok();
    run(live.ssh(&[]).arg("true")).assert_ok();
}

#[test]
fn a_node_of_which_no_login_is_known_is_named_and_holds_nobody_up() {
    let scene = Scene::start();
    step(&scene, "openssh", "prepare");
    scene.mezctl.ok(&["nodes", "check", "--all"]);
    let shown = scene.mezctl.run(&["ca", "status", "--type=openssh"]);
    shown.assert_ok();
    assert!(shown.err().contains("node node1: not known: no login is known there"), "{}", shown.err());
    let done = step(&scene, "openssh", "activate");
    assert!(done.err().contains("note: node1: not known: no login is known there"), "{}", done.err());
}
