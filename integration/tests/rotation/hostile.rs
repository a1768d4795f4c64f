//! Row 95: steps out of order, two administrators, and a gateway that dies.

use std::process::{Command, Stdio};
use std::time::Duration;

use mezite_fixtures::{Scene, run};
use serde_json::{Value, json};

use crate::{assert_conflict, keys, rotate, status, step};

#[test]
fn hostile_095_a_skipped_phase_is_refused_with_what_is_possible() {
    let scene = Scene::start();
    let first = keys(&scene, "user");
    let only =
        |phase: &str, possible: &str| assert_conflict(&rotate(&scene, "user", phase, &[]), &[possible]);
    for phase in ["activate", "finish", "rollback"] {
        only(phase, "the user CA is not being rotated");
    }
    step(&scene, "user", "prepare");
    only("prepare", "possible is --phase activate or --phase rollback");
    only("finish", "the user CA is in phase prepare: finish is not possible");
    step(&scene, "user", "activate");
    for phase in ["prepare", "activate"] {
        only(phase, "possible is --phase finish or --phase rollback");
    }
    step(&scene, "user", "rollback");
    assert_eq!(keys(&scene, "user"), first);
    // Without a phase, the next one.
    for phase in ["prepare", "activate", "standby"] {
        scene.mezctl.ok(&["ca", "rotate", "--type=user"]);
        assert_eq!(status(&scene, "user")["phase"], phase);
    }
    scene.mezctl.run(&["ca", "rotate", "--type=tls"]).assert_code(2);
    scene.mezctl.run(&["ca", "rotate", "--type=user", "--compromised", "--phase=finish"]).assert_code(2);
    assert_eq!(scene.mezctl.audit("ca.rotate").len(), 6, "what was refused was not done");
}

#[test]
fn hostile_095_of_two_administrators_one_gets_a_conflict() {
    let scene = Scene::start();
    let start = || {
        let mut command = scene.mezctl.command(&["ca", "rotate", "--type=user", "--phase=prepare"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let both = [start(), start()].map(|mut one| one.wait().unwrap().code());
    assert!(both.contains(&Some(0)) && both.contains(&Some(5)), "{both:?}");
    // And where both look first: what was seen is what the step is for.
    let revision = status(&scene, "user")["revision"].clone();
    let ask = |body: Value| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--unix-socket"]).arg(scene.mezctl.socket());
        curl.args(["-o", "/dev/null", "-w", "%{http_code}", "-d", &body.to_string()]);
        run(curl.arg("http://gateway/v1/ca/user/rotate")).out()
    };
    let next = json!({"revision": revision});
    assert_eq!([ask(next.clone()), ask(next.clone())], ["200", "409"]);
    step(&scene, "user", "rollback");
    assert_eq!(ask(next), "409", "no revision comes back");
    assert_eq!(status(&scene, "user")["phase"], "standby");
    assert_eq!(ask(json!({"phase": "sideways"})), "400");
}

#[test]
fn hostile_095_killed_in_each_step_it_has_the_old_keys_or_the_new_ones() {
    let mut scene = Scene::start();
    for round in 0..9 {
        let before = status(&scene, "user");
        let events = scene.mezctl.audit("ca.rotate").len();
        let mut step = scene.mezctl.command(&["ca", "rotate", "--type=user"]);
        let mut step = step.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 * round));
        scene.gateway.kill9();
        step.wait().unwrap();
        scene.gateway.start_again();
        let after = status(&scene, "user");
        let moved = after["revision"] != before["revision"];
        let written = scene.mezctl.audit("ca.rotate").len() - events;
        assert_eq!(written, usize::from(moved), "a step and its event are one");
        let published = keys(&scene, "user").len();
        assert_eq!(published, if after["phase"] == "standby" { 1 } else { 2 }, "{after}");
        let order = ["standby", "prepare", "activate"];
        let place = |status: &Value| order.iter().position(|word| *word == status["phase"]).unwrap();
        assert_eq!(place(&after), (place(&before) + usize::from(moved)) % 3);
        let same = ["active", "further"].map(|key| before.get(key) == after.get(key));
        assert_eq!(same != [true, true], moved, "{before} {after}");
    }
    scene.mezctl.ok(&["audit", "verify"]);
    let bob = scene.user("bob", "dev");
    run(bob.route(mezite_fixtures::Way::Direct, scene.login, "node1").ssh::<&str>(&[]).arg("true"))
        .assert_ok();
}

#[test]
fn hostile_095_steps_need_a_rule_of_their_own() {
    let scene = Scene::start();
    let role = "kind: role\nmetadata: {name: reader}\nspec:\n  allow:\n    rules:\n    - resources: [ca]\n      \
                verbs: [read, create, update]\n";
    let file = scene.scratch.write("reader.yaml", role);
    scene.mezctl.ok(&["roles", "create", "-f", &file.display().to_string()]);
    scene.mezctl.ok(&["users", "add", "ruth", "--roles=reader"]);
    let prefix = scene.scratch.join("ruth").display().to_string();
    scene.mezctl.ok(&["auth", "sign", "--user=ruth", "--format=tls", "--ttl=1h", "--out", &prefix]);
    let by_ruth = |arguments: &[&str]| {
        let mut command = Command::new(mezite_fixtures::program("mezctl"));
        command.arg("--server").arg(format!("localhost:{}", scene.gateway.https().port()));
        run(command.args(["--identity", &prefix]).args(arguments))
    };
    by_ruth(&["ca", "status"]).assert_ok();
    by_ruth(&["ca", "rotate", "--type=user"]).assert_code(3);
    assert_eq!(status(&scene, "user")["phase"], "standby");
}
