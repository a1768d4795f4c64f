//! Rows 73 and 74: tokens are used once, by whom they are for, and seen by nobody else.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use mezite_api::ProblemCode;
use mezite_fixtures::{
    GatewayOptions, Running, Scene, SceneOptions, eventually, program, run, run_with_input,
};
use uuid::Uuid;

use crate::holder::{Holder, client, problem};
use mezite_integration::bot::{BOT, Identity, add, add_bot, rotate};

#[test]
fn hostile_073_a_token_is_used_once_however_many_try() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> =
            (0..50).map(|_| scope.spawn(|| Holder::new().join(&scene, &token, Uuid::new_v4()))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (joined, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(joined.len(), 1);
    let bodies: Vec<_> = refused.into_iter().map(problem).collect();
    assert!(bodies.iter().all(|body| body.status == 401 && *body == bodies[0]), "{bodies:#?}");
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 1);
    assert_eq!(scene.mezctl.audit("token.use").len(), 1);
    assert_eq!(scene.mezctl.audit("token.refuse").len(), 49);
}

#[test]
fn hostile_073_every_wrong_token_is_refused_alike() {
    let scene = Scene::start();
    let old = add_bot(&scene);
    let token = rotate(&scene);
    let late = add_other(&scene, "late", "1s");
    let gone = add_other(&scene, "gone", "1h");
    scene.mezctl.ok(&["bots", "rm", "gone"]);
    eventually("the end of a token", || {
        let bot = scene.mezctl.json(&["bots", "show", "late"]);
        (bot["token"]["state"] == "expired").then_some(())
    });
    // The case of the first letter of the secret is another one.
    let (head, tail) = token.split_at("tok-bot-".len());
    let swapped: String = tail
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let swapped = format!("{head}{}", swapped.split('.').next().unwrap());
    let mut seen = Vec::new();
    for wrong in [&old, &late, &gone, &swapped, &token.replacen("tok-bot-", "tok-node-", 1)] {
        seen.push(problem(Holder::new().join(&scene, wrong, Uuid::new_v4())));
    }
    for blank in [format!(" {token}"), format!("{token} "), "tok-bot-".to_owned(), String::new()] {
        let mut asked = Holder::new().asks(&token, Uuid::new_v4());
        asked.token = zeroize::Zeroizing::new(blank).into();
        seen.push(problem(client(&scene, None).join(&asked)));
    }
    assert!(seen.iter().all(|one| one.status == 401 && *one == seen[0]), "{seen:#?}");
    let reasons: Vec<_> = scene.mezctl.audit("token.refuse");
    assert_eq!(reasons.len(), seen.len());
    for reason in ["unknown", "expired", "malformed"] {
        assert!(reasons.iter().any(|event| event["reason"] == reason), "{reason}: {reasons:#?}");
    }
    // The store has none of them, and the true bot is not held up.
    for part in [token.split('.').next().unwrap(), old.split('.').next().unwrap()] {
        let found = run(Command::new("grep").args(["-rlF", part]).arg(scene.gateway.data()));
        assert_eq!(found.out(), "", "a token lies in the gateway's folder");
    }
    Holder::new().join(&scene, &token, Uuid::new_v4()).unwrap();
}

fn add_other(scene: &Scene, name: &str, ttl: &str) -> String {
    let (name, ttl) = (format!("--name={name}"), format!("--token-ttl={ttl}"));
    let added = scene.mezctl.json(&["bots", "add", &name, "--roles=dev", &ttl]);
    added["token"].as_str().unwrap().to_owned()
}

#[test]
fn hostile_073_who_guesses_is_told_to_stop_and_holds_up_nobody() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let (holder, client) = (Holder::new(), client(&scene, None));
    let wrong = "tok-bot-0123456789ABCDEFGHabcd";
    let asked = holder.asks(wrong, Uuid::new_v4());
    let answers: Vec<_> = (0..110).map(|_| problem(client.join(&asked)).code).collect();
    assert!(answers[..100].iter().all(|code| *code == ProblemCode::Unauthenticated));
    assert!(answers[100..].iter().all(|code| *code == ProblemCode::Throttled));
    assert_eq!(scene.mezctl.audit("token.refuse").len(), 100);
    assert_eq!(scene.mezctl.audit("token.throttle").len(), 1);
    holder.join(&scene, &token, Uuid::new_v4()).unwrap();
}

#[test]
fn hostile_073_names_are_shared_with_users_and_removed_bots_leave_nothing() {
    let scene = Scene::start();
    add_bot(&scene);
    scene.mezctl.run(&["users", "add", BOT, "--roles=dev"]).assert_code(5);
    scene.mezctl.run(&["bots", "add", "--name=alice", "--roles=dev"]).assert_code(5);
    scene.mezctl.run(&["bots", "show", "alice"]).assert_code(4);
    scene.mezctl.run(&["users", "rm", BOT]).assert_code(2);
    let identity = Identity::joined(&scene, "certs", &rotate(&scene));
    identity.ssh("true").assert_ok();
    scene.mezctl.ok(&["bots", "rm", BOT]);
    identity.ssh("true").assert_code(255);
    let said = identity.renew();
    assert!(said.assert_code(1).err().contains("new join token"), "{}", said.err());
    // Another bot of the same name is another one.
    add(&scene, &[]);
    identity.ssh("true").assert_code(255);
    identity.renew().assert_code(1);
}

#[test]
fn hostile_074_a_token_is_seen_by_nobody_on_its_way() {
    let environment = vec![("MEZITE_LOG".to_owned(), "trace".to_owned())];
    let gateway = GatewayOptions { environment, ..GatewayOptions::default() };
    let scene = Scene::with(SceneOptions { gateway, ..SceneOptions::default() });
    // By the command line: a warning, and gone from there while the daemon runs.
    let token = add_bot(&scene);
    let identity = Identity::new(&scene, "argv");
    let mut command = identity.start(&[format!("--join-token={token}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).env("MEZITE_LOG", "trace");
    let running = Running::start(&mut command, &identity.folder.with_extension("log"));
    identity.until_generation(1);
    assert!(running.log().contains("note: others can see a token on the command line"), "{}", running.log());
    let mut secrets = vec![token];
    assert_unseen(&scene, &secrets, &running);
    drop(running);
    // By the environment.
    secrets.push(rotate(&scene));
    let identity = Identity::new(&scene, "environment");
    let mut command = identity.start::<&str>(&[]);
    command.env("MEZD_JOIN_TOKEN", secrets.last().unwrap()).stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(&mut command, &identity.folder.with_extension("log"));
    identity.until_generation(1);
    assert_unseen(&scene, &secrets, &running);
    drop(running);
    // By stdin, and by a file.
    secrets.push(rotate(&scene));
    let identity = Identity::new(&scene, "stdin");
    let mut command = identity.start(&["--one-shot", "--join-token=@-"]);
    run_with_input(&mut command, secrets.last().unwrap().as_bytes()).assert_ok();
    secrets.push(rotate(&scene));
    Identity::joined(&scene, "file", secrets.last().unwrap());
    // And what is refused does not repeat it.
    let last = secrets.last().unwrap().clone();
    let said = Identity::new(&scene, "again").once(&last);
    assert!(!said.assert_code(3).err().contains(secret(&last)), "{}", said.err());
    let said = run(Command::new(program("mezd")).args(["identity", "start", &last]));
    assert!(!said.assert_code(2).err().contains(secret(&last)), "{}", said.err());
    let said = run(Command::new(program("mezd")).args(["identity", "start", "--help"]));
    assert!(said.assert_ok().out().contains("@FILE"));
    let audit = scene.mezctl.ok(&["audit", "ls", "--format", "json"]);
    for token in &secrets {
        assert!(!audit.contains(secret(token)) && !scene.gateway.log().contains(secret(token)));
    }
}

/// The part that nobody may see.
fn secret(token: &str) -> &str {
    token.split('.').next().unwrap().rsplit('-').next().unwrap()
}

#[track_caller]
fn assert_unseen(scene: &Scene, secrets: &[String], running: &Running) {
    let own = std::process::id().to_string();
    for token in secrets {
        let secret = secret(token);
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for name in ["cmdline", "environ"] {
                let text = fs::read(entry.path().join(name)).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                assert!(!text.contains(secret), "/proc/{pid}/{name} has the token: {text}");
            }
        }
        assert!(!running.log().contains(secret), "the log has it");
        assert!(!scene.gateway.log().contains(secret), "the gateway's log has it");
    }
}

#[test]
fn hostile_073_a_stopping_gateway_spends_a_token_at_most_once() {
    let mut scene = Scene::start();
    let token = add_bot(&scene);
    let identity = Identity::new(&scene, "certs");
    let file = scene.scratch.write("token", &token);
    let argument = format!("--join-token=@{}", file.display());
    let (folder, port) = (identity.folder.clone(), scene.gateway.https().port());
    let mut command = Command::new(program("mezd"));
    command.args(["identity", "start", &argument, &format!("--auth-server=localhost:{port}")]);
    command.arg(format!("--destination={}", folder.display())).stdin(Stdio::null()).stdout(Stdio::null());
    let log = folder.with_extension("log");
    scene.gateway.kill9();
    // It knocks at a door that is closed, and goes on until somebody opens.
    let running = Running::start(&mut command, &log);
    eventually("a failed try", || running.log().contains("trying again").then_some(()));
    scene.gateway.start_again();
    eventually("certificates", || folder.join("identity.json").exists().then_some(()));
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 1);
}
