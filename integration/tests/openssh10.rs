//! What OpenSSH 10 brings and Debian 12's does not: ML-KEM, `ping@openssh.com`, penalties. Skipped, saying so, where it is
//! not there (`tools/openssh10.sh`).

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};

use mezite_fixtures::{OpenSsh10, Role, Scene, SceneOptions, SshdOptions, Way, account, eventually, run};
use mezite_integration::hostile::{Answer, Certificate, HostileClient, StolenKeys, Transport, any_key};
use mezite_integration::{assert_one_event, text};

/// The usual scene with OpenSSH 10 on both sides; none where there is no OpenSSH 10.
fn scene() -> Option<Scene> {
    let openssh = OpenSsh10::find()?;
    let sshd = SshdOptions { openssh: Some(openssh.clone()), ..SshdOptions::default() };
    let mut scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
    scene.client = scene.client.by(openssh.ssh());
    Some(scene)
}

#[test]
fn both_legs_agree_on_ml_kem_by_default() {
    let Some(mut scene) = scene() else { return };
    let said = scene.ssh("echo ten; exit 7");
    said.assert_code(7);
    assert_eq!(said.out(), "ten\n");
    let event = assert_one_event(&scene, "connection.close", &[("outcome", "ok")]);
    for leg in ["client", "node"] {
        let algorithms = text(&event, &format!("{leg}_algorithms"));
        assert!(algorithms.starts_with("mlkem768x25519-sha256 "), "{leg}: {algorithms}");
        let version = text(&event, &format!("{leg}_version"));
        assert!(version.contains("OpenSSH_10."), "{leg}: {version}");
    }
    scene.assert_alive();
}

#[test]
fn rekeys_by_ml_kem_under_load_lose_nothing() {
    let Some(scene) = scene() else { return };
    let options = ["-o", "RekeyLimit=1M", "-o", "KexAlgorithms=mlkem768x25519-sha256"];
    let said = run(scene.route().ssh(&options).arg("head -c 20000000 /dev/zero"));
    let output = &said.assert_ok().stdout;
    assert!(output.len() == 20_000_000 && output.iter().all(|byte| *byte == 0), "{} bytes", output.len());
}

#[test]
fn keystrokes_are_hidden_by_pings_that_the_gateway_answers() {
    let Some(mut scene) = scene() else { return };
    if !account::has_pty() {
        eprintln!("SKIPPED: the local sshd cannot give a pty");
        return;
    }
    let mut shell =
        scene.run_beside("shell", scene.route().ssh(&["-tt", "-vvv"]).arg("stty -echo; echo up; cat"));
    eventually("the terminal", || shell.line().contains("up").then_some(()));
    for _ in 0..5 {
        shell.say(b"k\n");
        assert_eq!(shell.line().trim_end(), "k");
    }
    // Chaff is pings; ssh says how many when it ends. An answer that it does not expect would be UNIMPLEMENTED.
    let log = eventually("chaff among the keystrokes", || {
        Some(shell.log()).filter(|log| log.contains("chaff packets sent)"))
    });
    assert!(log.contains("kex_ext_info_check_ver: ping@openssh.com=<0>"), "{log}");
    assert!(!log.contains("(0 chaff packets sent)") && !log.contains("UNIMPLEMENTED"), "{log}");
    assert!(shell.is_running());
    drop(shell);
    scene.assert_alive();
}

/// The first line for who comes straight to the node from another address of this machine, many times without a login.
fn knock_from_elsewhere(scene: &Scene) -> String {
    let knock = || Transport::connect_from([127, 0, 0, 2].into(), scene.sshd.address());
    (0..20).for_each(|_| drop(knock()));
    let mut line = String::new();
    // It may be closed without a line.
    let _ = BufReader::new(knock().stream()).read_line(&mut line);
    line
}

#[test]
fn hostile_032_failing_logins_of_one_user_do_not_shut_out_the_others_from_a_node_with_penalties() {
    let Some(mut scene) = scene() else { return };
    let keys = StolenKeys::take(&mut scene);
    let guesses = ["nosuch1", "nosuch2", "nosuch3", "nosuch4", "nosuch5"];
    let logins = guesses.into_iter().chain([scene.login]).map(ToOwned::to_owned).collect();
    scene.role(&Role { name: "guess".to_owned(), logins, ..Role::default() });
    scene.mezctl.ok(&["users", "add", "mallory", "--roles", "guess"]);
    let other = scene.user("bob", "guess").route(Way::Direct, scene.login, "node1");
    let subject = any_key();
    let blob = Certificate::of("mallory", &subject, &keys.user).signed(&keys.user);
    let gateway = scene.gateway.ssh();
    for round in 0..10 {
        // Twenty a round, several at once.
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (subject, blob) = (&subject, &blob);
                scope.spawn(move || {
                    for number in 0..5 {
                        let login = guesses[(lane + number) % guesses.len()];
                        let answer = HostileClient::connect(gateway).authenticate(
                            format!("{login}@node1"),
                            blob,
                            subject,
                        );
                        assert!(answer.is_refusal(), "{round}: {login}: {answer:?}");
                    }
                });
            }
        });
        if round % 3 == 0 {
            run(other.ssh::<&str>(&[]).arg("true")).assert_ok();
        }
    }
    run(other.ssh::<&str>(&[]).arg("true")).assert_ok();
    let mallory =
        HostileClient::connect(gateway).authenticate(format!("{}@node1", scene.login), &blob, &subject);
    assert_eq!(mallory, Answer::Success, "what is no guess is not braked");
    assert!(scene.sshd.count("penalise: ipv4: new 127.0.0.1/32") > 0, "{}", scene.sshd.log());
    assert_eq!(scene.sshd.count("drop connection"), 0, "{}", scene.sshd.log());
    // The penalties are real: who goes there directly is shut out soon.
    eventually("a penalty", || {
        knock_from_elsewhere(&scene).contains("Not allowed at this time").then_some(())
    });
    run(other.ssh::<&str>(&[]).arg("true")).assert_ok();
    scene.assert_alive();
}
