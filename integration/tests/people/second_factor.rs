//! The code that roles ask for with each connection, through stock `ssh`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mezite_fixtures::{Finished, Role, Scene, run};
use mezite_integration::hostile::{Answer, HostileClient, any_key};
use mezite_ssh::wire::{Writer as _, msg};

use mezite_integration::person::Person;

/// A person whose role asks for a code with each connection.
fn with_codes<'a>(scene: &'a Scene, options: &[&str]) -> Person<'a> {
    let options = [&["require_session_mfa: totp"], options].concat();
    scene.role(&Role { name: "codes".to_owned(), ..Role::with_options(&options) });
    let added = scene.mezctl.json(&["users", "add", "bob", "--roles=codes"]);
    let mut bob = Person::with_token(scene, "bob", added["setup"]["token"].as_str().unwrap());
    bob.login(&[]).assert_ok();
    bob
}

/// A program that answers each question of `ssh` with the next of these lines, and writes the question down.
fn answers(bob: &Person, codes: &[&str]) -> PathBuf {
    let (program, left) = (bob.home.join("askpass"), bob.home.join("codes"));
    std::fs::write(&left, codes.join("\n") + "\n").unwrap();
    let left = left.display();
    let script = format!("#!/bin/sh\necho \"$1\" >>'{left}.asked'\nhead -n 1 '{left}'\nsed -i 1d '{left}'\n");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

/// `ssh` with these codes at hand.
fn ssh(bob: &Person, codes: &[&str], options: &[&str]) -> Finished {
    let mut ssh: Command = bob.ssh();
    let askpass = answers(bob, codes);
    ssh.args(options).arg("echo in").env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force");
    run(&mut ssh)
}

#[test]
fn a_connection_needs_a_code_that_was_not_used() {
    let scene = Scene::start();
    let mut bob = with_codes(&scene, &[]);
    let used = bob.app.shown();
    let said = ssh(&bob, &[&used, "000000", ""], &[]);
    assert!(said.assert_code(255).err().contains("the code is wrong or was used before"), "{}", said.err());
    let code = bob.app.code();
    // A wrong one first: the next question is answered right.
    let said = ssh(&bob, &[&bob.app.wrong(), &code], &[]);
    assert_eq!(said.assert_ok().out(), "in\n");
    let asked = std::fs::read_to_string(bob.home.join("codes.asked")).unwrap();
    assert_eq!(asked.matches("Code:").count(), 5, "{asked}");
    ssh(&bob, &[&code], &[]).assert_code(255);
    // Without an answer nothing opens, whatever else is tried.
    run(bob.ssh().args(["-o", "BatchMode=yes", "true"])).assert_code(255);
    run(bob.ssh().args(["-o", "PreferredAuthentications=publickey", "true"])).assert_code(255);
    run(bob.ssh().args(["-o", "PreferredAuthentications=keyboard-interactive", "true"])).assert_code(255);
    assert_eq!(scene.mezctl.audit("user.mfa").len(), 1);
    assert_eq!(scene.mezctl.audit("connection.open").len(), 1);
    let reasons = scene.mezctl.audit("auth.fail");
    assert!(reasons.iter().filter(|event| event["reason"] == "code").count() >= 3, "{reasons:#?}");
}

#[test]
fn a_code_holds_for_the_grace_of_the_role_and_the_same_key() {
    let scene = Scene::start();
    let mut bob = with_codes(&scene, &["mfa_grace: 1h"]);
    let code = bob.app.code();
    ssh(&bob, &[&code], &[]).assert_ok();
    run(bob.ssh().args(["-o", "BatchMode=yes", "true"])).assert_ok();
    // Another key is asked again, and a reset ends it.
    bob.login(&[]).assert_ok();
    run(bob.ssh().args(["-o", "BatchMode=yes", "true"])).assert_code(255);
    assert_eq!(scene.mezctl.audit("user.mfa").len(), 1);
}

#[test]
fn who_has_no_app_and_who_is_a_machine_does_not_come_in() {
    let scene = Scene::start();
    let role = Role { name: "codes".to_owned(), ..Role::with_options(&["require_session_mfa: totp"]) };
    scene.role(&role);
    let alice = scene.user("carol", "codes");
    let route = alice.route(mezite_fixtures::Way::Direct, scene.login, "node1");
    let said = run(route.ssh::<&str>(&[]).arg("true"));
    assert!(said.assert_code(255).err().contains("no authenticator app"), "{}", said.err());
    let refused = scene.mezctl.audit("access.refuse").pop().unwrap();
    assert_eq!(refused["reason"], "mfa_not_set_up");
    scene.mezctl.ok(&["bots", "add", "--name=robot", "--roles=codes"]);
    let target = format!("{}@node1", scene.login);
    scene.mezctl.run(&["access", "explain", "robot", &target]).assert_code(3);
    scene.mezctl.run(&["access", "explain", "carol", &target]).assert_code(0);
}

#[test]
fn a_connection_without_a_code_opens_no_session_once_roles_ask_for_one() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    bob.login(&[]).assert_ok();
    let control = scene.scratch.join("control");
    let path = format!("ControlPath={}", control.display());
    let mut master = bob.ssh();
    master.args(["-o", "ControlMaster=yes", "-o", &path, "-N", "-f"]);
    run(&mut master).assert_ok();
    let session = || run(bob.ssh().args(["-o", &path, "echo in"]));
    assert_eq!(session().assert_ok().out(), "in\n");
    let yaml = Role::with_options(&["require_session_mfa: totp"]).yaml();
    let file = scene.scratch.write("stricter.yaml", yaml);
    scene.mezctl.ok(&["roles", "create", "--replace", "-f", file.to_str().unwrap()]);
    let said = session();
    assert_ne!(said.code, Some(0));
    assert_eq!(scene.mezctl.audit("access.refuse").pop().unwrap()["reason"], "mfa");
    run(bob.ssh().args(["-o", &path, "-O", "exit"]));
}

/// The answer to the question for a code.
fn info_response(answers: &[&str]) -> Vec<u8> {
    let mut response = vec![msg::USERAUTH_INFO_RESPONSE];
    response.u32(u32::try_from(answers.len()).unwrap());
    for answer in answers {
        response.string(answer);
    }
    response
}

/// A question has the number of `PK_OK`.
fn is_question(answer: &Answer) -> bool {
    matches!(answer, Answer::KeyTaken(_))
}

#[test]
fn what_a_client_says_out_of_order_opens_nothing() {
    let scene = Scene::start();
    let mut bob = with_codes(&scene, &[]);
    let key = any_key();
    let public = scene.scratch.write("own.pub", key.public_key().to_openssh().unwrap());
    let certificate = scene.scratch.join("own-cert.pub");
    let mut sign = scene.mezctl.command(&["auth", "sign", "--user=bob"]);
    run(sign.arg("--key").arg(&public).arg("--out").arg(&certificate)).assert_ok();
    let line = std::fs::read_to_string(certificate).unwrap();
    let certificate = STANDARD.decode(line.split_whitespace().nth(1).unwrap()).unwrap();
    let user = format!("{}@node1", scene.login);
    let half = || Answer::Failure("keyboard-interactive".to_owned(), true);
    let ask = |client: &mut HostileClient, user: &str| {
        let mut body = Vec::new();
        body.string("").string("");
        client.request(user.as_bytes(), "ssh-connection", "keyboard-interactive", &body);
        client.answer()
    };
    let code = bob.app.code();

    // A code before the certificate, and an answer to no question.
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert!(ask(&mut client, &user).is_refusal());
    client.send(&info_response(&[&code]));
    assert!(client.answer().is_refusal());
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert_eq!(client.authenticate(&user, &certificate, &key), half());
    client.send(&info_response(&[&code]));
    assert!(client.answer().is_refusal());
    // More answers than questions, and another user in between.
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert_eq!(client.authenticate(&user, &certificate, &key), half());
    assert!(is_question(&ask(&mut client, &user)));
    client.send(&info_response(&[&code, &code]));
    assert!(client.answer().is_refusal());
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert_eq!(client.authenticate(&user, &certificate, &key), half());
    assert!(ask(&mut client, "root@node1-other").is_refusal());
    // The certificate again and again is no way in, and ends.
    let mut client = HostileClient::connect(scene.gateway.ssh());
    let answers: Vec<_> = (0..20).map(|_| client.authenticate(&user, &certificate, &key)).collect();
    assert!(
        answers.iter().all(|answer| *answer != Answer::Success) && answers[19].is_refusal(),
        "{answers:?}"
    );
    assert!(scene.mezctl.audit("connection.open").is_empty());
    // In order it is one.
    let mut client = HostileClient::connect(scene.gateway.ssh());
    assert_eq!(client.authenticate(&user, &certificate, &key), half());
    assert!(is_question(&ask(&mut client, &user)));
    client.send(&info_response(&[&code]));
    assert_eq!(client.answer(), Answer::Success);
    assert_eq!(client.exec("echo in").output, b"in\n");
}
