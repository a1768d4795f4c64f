//! Logging in: who gets in, who does not, and that the difference cannot be seen.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use mezite_api::ProblemCode;
use mezite_fixtures::{Role, Scene, program, run};
use uuid::Uuid;

use mezite_integration::person::{PASSWORD, Person, add, asks, client, home, proxy, refused};

#[test]
fn whatever_is_wrong_reads_the_same() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let locked = Person::new(&scene, "locked");
    scene.mezctl.ok(&["locks", "add", "--user=locked"]);
    add(&scene, "fresh");
    scene.mezctl.ok(&["bots", "add", "--name=robot", "--roles=dev"]);
    let client = client(&scene);
    let code = bob.app.code();
    client.login(&bob.asks(PASSWORD, &code)).unwrap();
    let right = bob.app.code();
    let wrong = [
        bob.asks("wrong password", &right),
        bob.asks(PASSWORD, &bob.app.wrong()),
        bob.asks(PASSWORD, &code),
        bob.asks("wrong password", &bob.app.wrong()),
        asks("nobody", PASSWORD, &right),
        asks("fresh", PASSWORD, &right),
        asks("robot", PASSWORD, &right),
        locked.asks("wrong password", &locked.app.shown()),
    ];
    let said: Vec<_> = wrong.iter().map(|one| refused(client.login(one))).collect();
    assert!(said.iter().all(|one| one.status == 401 && *one == said[0]), "{said:#?}");
    let events = scene.mezctl.audit("auth.fail");
    let reasons: Vec<_> = events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["password", "code", "code", "password", "unknown_user", "no_password", "bot", "password"]
    );
    assert!(events[4].get("subject").is_none() && events[0]["subject"] == "bob");
    // The right code was not used up by the wrong password.
    client.login(&bob.asks(PASSWORD, &right)).unwrap();
}

#[test]
fn who_is_locked_and_proves_who_they_are_hears_why() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    scene.mezctl.ok(&["locks", "add", "--user=bob", "--message=call 4711"]);
    let said = bob.login(&[]);
    assert!(said.assert_code(3).err().contains("call 4711"), "{}", said.err());
    let mut disabled = Person::new(&scene, "carol");
    scene.mezctl.ok(&["users", "update", "carol", "--disable"]);
    let said = disabled.login(&[]);
    assert!(said.assert_code(3).err().contains("disabled"), "{}", said.err());
    let reasons: Vec<_> = scene.mezctl.audit("cert.refuse");
    assert_eq!((&reasons[0]["reason"], &reasons[1]["reason"]), (&"locked".into(), &"disabled".into()));
    assert!(scene.mezctl.audit("user.login").is_empty());
}

#[test]
fn a_code_is_taken_once_but_by_the_same_request() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let client = client(&scene);
    let code = bob.app.code();
    let request = bob.asks(PASSWORD, &code);
    client.login(&request).unwrap();
    client.login(&request).unwrap();
    let other_request = mezite_api::person::LoginRequest { request: Uuid::new_v4(), ..request.clone() };
    assert_eq!(refused(client.login(&other_request)).status, 401);
    let other_key =
        mezite_api::person::LoginRequest { request: request.request, ..bob.asks(PASSWORD, &bob.app.shown()) };
    assert_eq!(refused(client.login(&other_key)).status, 401);
    // Many at once are as one.
    let code = bob.app.code();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..3).map(|_| scope.spawn(|| client.login(&bob.asks(PASSWORD, &code)).is_ok())).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| **answer).count(), 1, "{answers:?}");
}

#[test]
fn a_code_stays_used_over_a_restart() {
    let mut scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let code = bob.app.code();
    bob.login_with(&code, &[]).assert_ok();
    let request = bob.asks(PASSWORD, &code);
    scene.gateway.kill9();
    scene.gateway.start_again();
    assert_eq!(refused(client(&scene).login(&request)).status, 401);
}

#[test]
fn certificates_live_as_long_as_wanted_and_allowed() {
    let scene = Scene::start();
    scene.role(&Role {
        name: "pinned".to_owned(),
        ..Role::with_options(&["max_session_ttl: 1h", "pin_source_ip: true"])
    });
    let added = scene.mezctl.json(&["users", "add", "bob", "--roles=pinned"]);
    let mut bob = Person::with_token(&scene, "bob", added["setup"]["token"].as_str().unwrap());
    let said = bob.login(&["--ttl=8h"]);
    assert!(said.assert_ok().err().contains("do not allow certificates that long"), "{}", said.err());
    let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(bob.folder().join("ssh_key-cert.pub")))
        .assert_ok()
        .out();
    assert!(shown.contains("source-address 127.0.0.1"), "{shown}");
    assert!(shown.contains("ssh-ed25519-cert-v01@openssh.com"), "{shown}");
    run(bob.ssh().arg("true")).assert_ok();
    let said = bob.login(&["--ttl=30m", "--key-type=ecdsa"]);
    assert!(!said.assert_ok().err().contains("note:"), "{}", said.err());
    run(bob.ssh().arg("true")).assert_ok();
}

#[test]
fn an_expired_login_is_said_to_be_so() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    bob.login(&["--ttl=1s"]).assert_ok();
    mezite_fixtures::eventually("the end of the certificate", || {
        let status = bob.msh.run(&["status"]);
        (status.code == Some(1) && status.out().contains("(expired)")).then_some(())
    });
}

#[test]
fn hostile_082_an_unknown_gateway_is_told_nothing() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let (_, stranger) = home(&scene, "stranger");
    let password = bob.home.join("password").display().to_string();
    let proxy = proxy(&scene);
    let login = ["login", "--proxy", &proxy, "--user=bob", "--password-file", &password, "--otp=000000"];
    let said = stranger.run(&login);
    assert!(said.assert_code(4).err().contains("--ca-pin"), "{}", said.err());
    let other = format!("--ca-pin=sha256:{}", "0".repeat(64));
    bob.login_with("000000", &[&other]).assert_code(4);
    assert!(scene.mezctl.audit("auth.fail").is_empty());
    let pin = format!("--ca-pin={}", scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap());
    bob.msh.run(&["logout", "--all"]).assert_ok();
    bob.login(&[&pin]).assert_ok();
    // It is kept.
    bob.login(&[]).assert_ok();
}

#[test]
fn mezctl_works_with_what_a_login_has_left() {
    let scene = Scene::start();
    let added = scene.mezctl.json(&["users", "add", "root", "--roles=admin"]);
    let mut root = Person::with_token(&scene, "root", added["setup"]["token"].as_str().unwrap());
    root.login(&[]).assert_ok();
    let mezctl = || {
        let mut command = Command::new(program("mezctl"));
        command.env_clear().arg("--server").arg(proxy(&scene)).args(["nodes", "ls", "--format=json"]);
        command
    };
    let listed = run(mezctl().env("HOME", &root.home)).assert_ok().out();
    assert!(listed.contains("node1"), "{listed}");
    let out = root.home.join("elsewhere");
    root.login(&["--out", out.to_str().unwrap()]).assert_ok();
    run(mezctl().arg("--identity").arg(&out)).assert_ok();
    root.msh.run(&["logout"]).assert_ok();
    run(mezctl().env("HOME", &root.home)).assert_code(3);
}

#[test]
fn another_account_of_the_machine_logs_in_for_itself() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let (uid, gid) = (65534, 65534);
    let scene = Scene::start();
    let added = scene.mezctl.json(&["users", "add", "root", "--roles=admin"]);
    let mut person = Person::with_token(&scene, "root", added["setup"]["token"].as_str().unwrap());
    let home = mezite_fixtures::Scratch::new();
    for folder in [home.join("."), scene.scratch.join(".")] {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    let password = home.write("password", PASSWORD);
    let pin = format!("--ca-pin={}", scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap());
    let code = person.app.code();
    let (place, password) = (proxy(&scene), password.display().to_string());
    // The folder with the programs may be closed to others.
    let own = |command: &Command| {
        let theirs = home.join(Path::new(command.get_program()).file_name().unwrap());
        if !theirs.exists() {
            std::fs::copy(command.get_program(), &theirs).unwrap();
        }
        let mut again = Command::new(theirs);
        again.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home.join("."));
        run(again.args(command.get_args()).uid(uid).gid(gid).current_dir("/"))
    };
    let login =
        ["login", "--proxy", &place, "--user=root", "--otp", &code, "--password-file", &password, &pin];
    own(&person.msh.command(&login)).assert_ok();
    let mut mezctl = Command::new(program("mezctl"));
    own(mezctl.args(["--server", &place, "users", "ls"])).assert_ok();
    // At the socket it is nobody.
    own(&scene.mezctl.command(&["users", "ls"])).assert_code(3);
}

#[test]
fn a_proof_that_is_given_must_be_right() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let code = bob.app.code();
    let mut request = bob.asks(PASSWORD, &code);
    request.proof = Some("no signature".to_owned());
    let problem = refused(client(&scene).login(&request));
    assert_eq!((problem.code, problem.field.as_deref()), (ProblemCode::Invalid, Some("proof")));
}
