//! Revoked certificates: refused by the gateway by every door, cut where they live, and refused by an sshd that has the
//! list.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mezite_fixtures::{
    Client, Finished, Identity, Running, Scene, SceneOptions, Trust, Way, program, public_key_path, run,
};
use mezite_integration::bot::{Identity as BotIdentity, add_bot, rotate};
use mezite_integration::hostile::{Answered, tls_config, try_tls};
use mezite_integration::{assert_one_event, assert_refused, text};
use serde_json::Value;

const REFUSED: &str = "access refused: your certificate was revoked. Log in again with 'msh login'";
const CUT: &str = "mezite: disconnected: your certificate was revoked.";

/// The number of the certificate that a user was issued last.
fn last_serial(scene: &Scene, user: &str) -> String {
    let issued = scene.mezctl.audit("cert.issue");
    let last = issued.iter().rfind(|event| event["subject"] == user).unwrap();
    last["serial"].as_u64().unwrap().to_string()
}

/// A shell that answers.
fn shell(scene: &Scene, client: &Client, way: Way, name: &str) -> Running {
    let route = client.route(way, scene.login, "node1");
    let mut shell = scene.run_beside(name, &mut route.ssh::<&str>(&[]));
    assert_up(&mut shell);
    shell
}

fn assert_up(shell: &mut Running) {
    shell.say(b"echo up\n");
    assert_eq!(shell.line(), "up");
}

#[track_caller]
fn assert_cut(mut shell: Running) {
    assert_eq!(shell.wait().code(), Some(255));
    assert!(shell.log().contains(CUT), "{}", shell.log());
}

fn ssh(scene: &Scene, client: &Client, way: Way) -> Finished {
    run(client.route(way, scene.login, "node1").ssh::<&str>(&[]).arg("true"))
}

/// Another certificate for a key that is there, and a client with it.
fn signed_again(scene: &Scene, user: &str, key: &Path, name: &str) -> Client {
    let certificate = scene.scratch.join(format!("{name}-cert.pub"));
    let mut command = scene.mezctl.command(&["auth", "sign", "--user", user, "--ttl=1h"]);
    run(command.arg("--key").arg(public_key_path(key)).arg("--out").arg(&certificate)).assert_ok();
    let identity = Identity { key: key.to_owned(), certificate: Some(certificate) };
    Client::new(&scene.scratch, name, &scene.gateway, &identity)
}

/// Credentials for SSH and the API, and how to use them.
fn credentials(scene: &Scene, user: &str) -> PathBuf {
    let prefix = scene.scratch.join(format!("tls-{user}"));
    let out = prefix.display().to_string();
    scene.mezctl.ok(&["auth", "sign", "--user", user, "--format=tls", "--out", &out]);
    prefix
}

fn remote(scene: &Scene, identity: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program("mezctl"));
    command.env_clear().arg("--server").arg(format!("localhost:{}", scene.gateway.https().port()));
    run(command.arg("--identity").arg(identity).args(arguments))
}

#[test]
fn a_number_is_refused_by_every_door_and_cut_and_taken_back() {
    let mut scene = Scene::start();
    let bob = scene.user("bob", "dev");
    let serial = last_serial(&scene, "alice");
    let shells = [
        shell(&scene, &scene.client, Way::Direct, "direct"),
        shell(&scene, &scene.client, Way::Jump, "jump"),
    ];
    let mut other = shell(&scene, &bob, Way::Direct, "bob");
    let revoked = scene.mezctl.run(&["certs", "revoke", "--serial", &serial, "--reason", "lost laptop"]);
    assert!(revoked.assert_ok().err().contains(&format!("certificate {serial} of alice")), "{revoked:?}");
    shells.into_iter().for_each(assert_cut);
    for way in Way::ALL {
        let said = ssh(&scene, &scene.client, way);
        said.assert_code(255);
        assert!(said.err().contains(REFUSED), "{way:?}: {}", said.err());
    }
    assert_refused(&scene.ssh("true"), &[REFUSED]);
    let refused = scene.mezctl.audit("cert.refuse");
    assert!(refused.len() >= 5 && refused.iter().all(|event| event["reason"] == "revoked"), "{refused:#?}");
    assert_one_event(&scene, "cert.revoke", &[("subject", "alice"), ("message", "lost laptop")]);
    assert_one_event(&scene, "connection.close", &[("reason", "revoked"), ("way", "direct")]);
    assert_up(&mut other);
    scene.mezctl.run(&["certs", "revoke", "--serial", &serial]).assert_code(5);
    scene.mezctl.run(&["certs", "revoke", "--serial", "0"]).assert_code(2);
    // It holds over a restart, until it is taken back.
    drop(other);
    scene.gateway.restart();
    assert_refused(&scene.ssh("true"), &[REFUSED]);
    let listed = scene.mezctl.list(&["certs", "revoked"]);
    assert_eq!(listed[0]["target"]["serial"].to_string(), serial);
    scene.mezctl.ok(&["certs", "unrevoke", text(&listed[0], "id")]);
    assert_one_event(&scene, "cert.unrevoke", &[("subject", "alice")]);
    scene.assert_alive();
}

#[test]
fn a_key_is_refused_in_whatever_certificate_it_stands() {
    let mut scene = Scene::start();
    let key = public_key_path(&scene.identity.key);
    let live = shell(&scene, &scene.client, Way::Direct, "alice");
    let bad = |content: &str| {
        let file = scene.scratch.write("bad.pub", content);
        let said = scene.mezctl.run(&["certs", "revoke", "--key-file", &file.display().to_string()]);
        said.assert_code(2);
        said.err()
    };
    let private = fs::read_to_string(&scene.identity.key).unwrap();
    let secret = private.lines().nth(2).unwrap().to_owned();
    let said = bad(&private);
    assert!(said.contains("private key") && !said.contains(&secret), "{said}");
    assert!(
        bad(&fs::read_to_string(scene.identity.certificate.as_ref().unwrap()).unwrap())
            .contains("certificate")
    );
    assert!(bad(&scene.mezctl.ok(&["auth", "export", "--type=user"])).contains("rotated, not revoked"));
    bad("ssh-ed25519 AAAA\n");
    bad("");
    assert_eq!(scene.mezctl.list(&["certs", "ls"]).len(), 0);
    scene.mezctl.ok(&["certs", "revoke", "--key-file", &key.display().to_string()]);
    assert_cut(live);
    assert_refused(&scene.ssh("true"), &[REFUSED]);
    let again = signed_again(&scene, "alice", &scene.identity.key, "again");
    assert_refused(&ssh(&scene, &again, Way::Direct), &[REFUSED]);
    let revoked = scene.mezctl.list(&["certs", "revoked"]);
    scene.mezctl.ok(&["certs", "unrevoke", text(&revoked[0], "id")]);
    scene.assert_alive();
}

#[test]
fn a_user_loses_all_certificates_up_to_now_and_logs_in_again() {
    let scene = Scene::start();
    let bob = scene.user("bob", "dev");
    let second = signed_again(&scene, "alice", &scene.identity.key, "second");
    let live =
        [shell(&scene, &scene.client, Way::Direct, "first"), shell(&scene, &second, Way::Connect, "second")];
    let said = scene.mezctl.run(&["certs", "revoke", "--user=alice"]);
    assert!(said.assert_ok().err().contains("2 of them valid"), "{}", said.err());
    live.into_iter().for_each(assert_cut);
    for client in [&scene.client, &second] {
        assert_refused(&ssh(&scene, client, Way::Direct), &[REFUSED]);
    }
    ssh(&scene, &bob, Way::Direct).assert_ok();
    let later = signed_again(&scene, "alice", &scene.identity.key, "later");
    ssh(&scene, &later, Way::Direct).assert_ok();
    scene.mezctl.run(&["certs", "revoke", "--user=nobody"]).assert_code(4);
}

#[test]
fn the_api_refuses_what_was_issued_with_a_revoked_certificate_and_whoever_may_not_revoke() {
    let scene = Scene::start();
    scene.mezctl.ok(&["users", "add", "root", "--roles=admin"]);
    let root = credentials(&scene, "root");
    let root_serial = last_serial(&scene, "root");
    let alice = credentials(&scene, "alice");
    for arguments in [&["certs", "revoke", "--user=root"][..], &["certs", "ls"]] {
        let said = remote(&scene, &alice, arguments);
        assert!(said.assert_code(3).err().contains("no rule for"), "{}", said.err());
    }
    remote(&scene, &root, &["certs", "revoke", "--serial", &root_serial]).assert_ok();
    let said = remote(&scene, &root, &["nodes", "ls"]);
    assert!(said.assert_code(3).err().contains("was revoked; log in again"), "{}", said.err());
    let event = assert_one_event(&scene, "cert.refuse", &[("actor", "root"), ("reason", "revoked")]);
    assert!(text(&event, "source").starts_with("127.0.0.1:"));
    let by = assert_one_event(&scene, "cert.revoke", &[("actor", "root"), ("subject", "root")]);
    assert_eq!(by["serial"].to_string(), root_serial);
}

#[test]
fn a_bot_cannot_renew_what_was_revoked() {
    let scene = Scene::start();
    let bot = BotIdentity::joined(&scene, "certs", &add_bot(&scene));
    bot.ssh("true").assert_ok();
    let serial = last_serial(&scene, mezite_integration::bot::BOT);
    scene.mezctl.ok(&["certs", "revoke", "--serial", &serial]);
    let said = bot.renew();
    assert_ne!(said.code, Some(0));
    assert!(said.err().contains("was revoked"), "{}", said.err());
    assert!(bot.ssh("true").err().contains(REFUSED));
    assert_eq!(last_serial(&scene, mezite_integration::bot::BOT), serial, "nothing was issued");
    let fresh = BotIdentity::joined(&scene, "fresh", &rotate(&scene));
    fresh.ssh("true").assert_ok();
    scene.mezctl.ok(&["certs", "revoke", "--user", mezite_integration::bot::BOT]);
    assert_ne!(fresh.renew().code, Some(0));
}

#[test]
fn hostile_088_the_list_names_what_is_revoked_under_both_keys_while_the_ca_is_rotated() {
    let scene = Scene::start();
    let krl = scene.scratch.join("revoked.krl");
    let certificate = scene.scratch.join("alice-cert.pub");
    scene.mezctl.ok(&["certs", "revoke", "--serial", &last_serial(&scene, "alice")]);
    for (step, keys) in [("prepare", 2), ("activate", 2), ("rollback", 1)] {
        scene.mezctl.ok(&["ca", "rotate", "--type=user", "--phase", step, "--force"]);
        fs::write(&krl, ask(&scene, "GET", "").body).unwrap();
        let listed = keygen(&["-Q".as_ref(), "-l".as_ref(), "-f".as_ref(), &krl]).assert_ok().out();
        assert_eq!(listed.matches("CA key ssh-ed25519").count(), keys, "{step}: {listed}");
        keygen(&["-Q".as_ref(), "-f".as_ref(), &krl, &certificate]).assert_code(1);
        assert_refused(&scene.ssh("true"), &[REFUSED]);
    }
}

/// Asks for the list as anybody may.
fn ask(scene: &Scene, method: &str, fields: &str) -> Answered {
    let request = format!(
        "{method} /v1/ca/revoked.krl HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n"
    );
    let mut stream = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    Answered::read(&mut stream).unwrap()
}

fn keygen(arguments: &[&Path]) -> Finished {
    run(Command::new("ssh-keygen").args(arguments))
}

/// `ssh` to the node itself, past the gateway.
fn past_the_gateway(scene: &Scene, key: &Path) -> Finished {
    let mut command = Command::new("ssh");
    command.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
    command.args([
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "BatchMode=yes",
    ]);
    command.arg("-p").arg(scene.sshd.port().to_string()).arg("-i").arg(key);
    run(command.arg(format!("{}@127.0.0.1", scene.login)).arg("true"))
}

#[test]
fn hostile_088_the_list_is_public_stable_and_believed_by_openssh() {
    let mut scene = Scene::with(SceneOptions { trust: Trust::User, ..SceneOptions::default() });
    scene.user("bob", "dev");
    scene.user("carol", "dev");
    let path = |name: &str| scene.scratch.join(name);
    let krl = path("revoked.krl");
    let fetch = || fs::write(&krl, ask(&scene, "GET", "").body).unwrap();
    let is_revoked = |certificate: &str| {
        let said = keygen(&["-Q".as_ref(), "-f".as_ref(), &krl, &path(certificate)]);
        assert_eq!(said.out().contains("REVOKED"), said.code != Some(0), "{said:?}");
        said.code != Some(0)
    };
    // An empty list is one.
    fetch();
    keygen(&["-Q".as_ref(), "-l".as_ref(), "-f".as_ref(), &krl]).assert_ok();
    assert!(!is_revoked("alice-cert.pub"));
    let serial = last_serial(&scene, "alice");
    scene.mezctl.ok(&["certs", "revoke", "--serial", &serial]);
    scene.mezctl.ok(&["certs", "revoke", "--key-file", &path("bob.pub").display().to_string()]);
    fetch();
    let listed = keygen(&["-Q".as_ref(), "-l".as_ref(), "-f".as_ref(), &krl]).assert_ok().out();
    assert!(
        listed.contains(&format!("serial: {serial}")) && listed.contains("CA key ssh-ed25519"),
        "{listed}"
    );
    assert!(is_revoked("alice-cert.pub") && is_revoked("bob-cert.pub") && is_revoked("bob.pub"));
    assert!(!is_revoked("alice.pub") && !is_revoked("carol-cert.pub"));
    // A real sshd with the list.
    past_the_gateway(&scene, &path("alice")).assert_ok();
    scene.sshd.configure(&[&format!("RevokedKeys {}", krl.display())]);
    for (user, taken) in [("alice", false), ("bob", false), ("carol", true)] {
        let said = past_the_gateway(&scene, &scene.scratch.join(user));
        assert_eq!(said.code == Some(0), taken, "{user}: {}", said.err());
    }
    // The gateway's own way there is as before, and so is whoever is taken back.
    let all: Vec<Value> = scene.mezctl.list(&["certs", "ls"]);
    for revocation in &all {
        scene.mezctl.ok(&["certs", "unrevoke", text(revocation, "id")]);
    }
    scene.ssh("true").assert_ok();
    scene.mezctl.ok(&["certs", "revoke", "--user=alice"]);
    fs::write(&krl, ask(&scene, "GET", "").body).unwrap();
    for (user, taken) in [("alice", false), ("bob", true)] {
        let said = past_the_gateway(&scene, &scene.scratch.join(user));
        assert_eq!(said.code == Some(0), taken, "{user}: {}", said.err());
    }
    // As any export: the same for everybody, known ones are not sent again, nothing but GET and HEAD.
    let (first, again) = (ask(&scene, "GET", ""), ask(&scene, "GET", "Accept: text/html\r\n"));
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert!(first.head.contains("application/octet-stream"), "{}", first.head);
    let etag = first.head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    assert_eq!(ask(&scene, "GET", &format!("If-None-Match: {etag}\r\n")).status, 304);
    for method in ["OPTIONS", "PUT", "POST", "DELETE", "PATCH", "TRACE"] {
        assert_eq!(ask(&scene, method, "").status, 405, "{method}");
    }
}
