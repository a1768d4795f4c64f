//! Joining without a stored secret: pipelines that work as often as they run, and daemons of clusters.

use std::fs;
use std::process::Command;

use jsonwebtoken::Algorithm;
use mezite_fixtures::{Finished, Scene, eventually, program, run};
use mezite_integration::bot::{BOT, Identity};
use mezite_integration::issuer::{Issuer, RUNNER, SigningKey, claims};
use rustix::process::Signal;
use serde_json::Value;

/// The claims that the bot of these tests asks for.
pub const CLAIMS: &str = "--claims=repository=acme/app,ref=refs/heads/main";

/// Adds the bot, which trusts the issuer.
pub fn trust(scene: &Scene, issuer: &Issuer, name: &str, options: &[&str]) -> Finished {
    let (name, url) = (format!("--name={name}"), format!("--issuer={}", issuer.url));
    let ca = format!("--issuer-ca={}", issuer.ca.display());
    let mut all = vec!["bots", "add", &name, "--roles=dev", "--join-method=oidc", &url, &ca];
    all.extend(options);
    scene.mezctl.run(&all)
}

/// Runs a step of the printed workflow as a runner does.
fn step(scene: &Scene, issuer: &Issuer, script: &str, run_name: &str) -> (Finished, std::path::PathBuf) {
    let folder = scene.scratch.join(run_name);
    fs::create_dir_all(&folder).unwrap();
    let programs = program("mezd").parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", script]).env("PATH", path).env("RUNNER_TEMP", &folder);
    shell.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/token?api-version=2.0", issuer.url));
    shell.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNNER).env("CURL_CA_BUNDLE", &issuer.ca);
    (run(&mut shell), folder.join("mezite"))
}

/// The script of the step of this name.
fn script(workflow: &str, name: &str) -> String {
    let (_, step) = workflow.split_once(&format!("- name: {name}\n")).unwrap();
    let lines = step.lines().skip(1).take_while(|line| line.starts_with("          "));
    lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pipeline_works_twice_without_a_stored_secret() {
    let scene = Scene::start();
    let issuer = Issuer::start(&scene.scratch);
    let audience = "--audience=https://gateway.example.com";
    let printed = trust(&scene, &issuer, BOT, &[audience, CLAIMS]);
    let workflow = printed.assert_ok().out();
    assert!(workflow.contains("id-token: write") && !workflow.contains("tok-bot-"), "{workflow}");
    assert!(workflow.contains("--ca-pin=sha256:"), "{workflow}");
    let script = script(&workflow, "Get certificates");
    for name in ["first", "second"] {
        let (said, folder) = step(&scene, &issuer, &script, name);
        said.assert_ok();
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(folder.join("ssh_config"))
            .arg(format!("{}@node1", scene.login))
            .arg("echo deployed");
        assert_eq!(run(&mut ssh).assert_ok().out(), "deployed\n");
    }
    let instances = scene.mezctl.list(&["bots", "instances", BOT]);
    assert_eq!(instances.len(), 2);
    for instance in &instances {
        assert_eq!(instance["joined_as"]["subject"], "repo:acme/app:ref:refs/heads/main");
        assert_eq!(instance["joined_as"]["claims"]["repository"], "acme/app");
    }
    let joins = scene.mezctl.audit("bot.join");
    assert_eq!(joins.len(), 2);
    for join in &joins {
        assert_eq!((&join["method"], &join["issuer"]), (&"oidc".into(), &issuer.url.clone().into()));
        assert_eq!(join["joined_as"], "repo:acme/app:ref:refs/heads/main");
        assert_eq!(join["claims"]["ref"], "refs/heads/main");
    }
    // What the issuer says is fetched once for both.
    let asked = issuer.asked();
    assert_eq!(asked.iter().filter(|path| *path == "/keys").count(), 1, "{asked:?}");
    let shown = scene.mezctl.ok(&["bots", "show", BOT]);
    assert!(shown.contains(&issuer.url) && shown.contains("repository=acme/app"), "{shown}");
    assert!(scene.mezctl.ok(&["bots", "instances", BOT]).contains("repo:acme/app"));
    // No token lies about.
    let audit = scene.mezctl.ok(&["audit", "ls", "--format", "json"]);
    assert!(!audit.contains("eyJ") && !scene.gateway.log().contains("eyJ"));
    scene.mezctl.run(&["bots", "rotate-token", BOT]).assert_code(2);
}

/// A bot of a cluster whose keys the gateway is given.
fn cluster(scene: &Scene, key: &SigningKey) -> Value {
    let keys = serde_json::json!({ "keys": [key.jwk()] }).to_string();
    let file = format!("--jwks-file={}", scene.scratch.write("jwks.json", keys).display());
    let name = format!("--name={BOT}");
    let subject = "--claims=sub=system:serviceaccount:prod:deployer,kubernetes=true";
    scene.mezctl.json(&[
        "bots",
        "add",
        &name,
        "--roles=dev",
        "--join-method=oidc",
        "--issuer=kubernetes/serviceaccount",
        &file,
        "--audience=mezite",
        subject,
    ])
}

fn service_account(key: &SigningKey) -> String {
    let mut claims = claims("kubernetes/serviceaccount");
    claims["sub"] = "system:serviceaccount:prod:deployer".into();
    claims["aud"] = serde_json::json!(["mezite"]);
    claims["kubernetes"] = true.into();
    key.sign(&claims)
}

#[test]
fn a_daemon_whose_instance_dies_joins_again_with_what_lies_in_the_file() {
    let scene = Scene::start();
    let key = SigningKey::generate(Algorithm::ES256);
    let added = cluster(&scene, &key);
    assert_eq!(added["token"], Value::Null);
    let file = scene.scratch.write("token", service_account(&key));
    let identity = Identity::new(&scene, "certs");
    let pin = format!("--ca-pin={}", added["ca_pin"].as_str().unwrap());
    let place = format!("--id-token-file={}", file.display());
    let running = identity.daemon(&["--join-method=oidc", &pin, &place]);
    identity.until_generation(1);
    identity.ssh("true").assert_ok();
    let first = identity.instance();
    fs::write(&file, format!("{}\n", service_account(&key))).unwrap();
    scene.mezctl.ok(&["bots", "rotate-token", BOT, "--revoke"]);
    running.signal(Signal::HUP);
    eventually("another instance", || {
        let text = fs::read(identity.folder.join("identity.json")).ok()?;
        let record: Value = serde_json::from_slice(&text).ok()?;
        (record["instance"] != first.as_str()).then_some(())
    });
    identity.ssh("true").assert_ok();
    // A locked instance stays shut out, whatever lies in the file.
    fs::write(&file, service_account(&key)).unwrap();
    scene.mezctl.ok(&["locks", "add", "--instance", &identity.instance()]);
    running.signal(Signal::HUP);
    let mut running = running;
    assert_eq!(running.wait().code(), Some(5), "{}", running.log());
}

#[test]
fn a_gateway_is_not_trusted_on_first_use() {
    let scene = Scene::start();
    let key = SigningKey::generate(Algorithm::EdDSA);
    cluster(&scene, &key);
    let file = scene.scratch.write("token", service_account(&key));
    let identity = Identity::new(&scene, "certs");
    let place = format!("--id-token-file={}", file.display());
    let said = run(&mut identity.start(&["--one-shot", "--join-method=oidc", &place]));
    assert!(said.assert_code(4).err().contains("--ca-pin"), "{}", said.err());
    assert!(scene.mezctl.audit("token.refuse").is_empty());
}

#[test]
fn hostile_074_an_id_token_is_seen_by_nobody_on_its_way() {
    let scene = Scene::start();
    let key = SigningKey::generate(Algorithm::ES384);
    let added = cluster(&scene, &key);
    let token = service_account(&key);
    let identity = Identity::new(&scene, "certs");
    let pin = format!("--ca-pin={}", added["ca_pin"].as_str().unwrap());
    let mut command = identity.start(&["--join-method=oidc", &pin, "--id-token-env", "ID_TOKEN"]);
    command.env("ID_TOKEN", &token).env("MEZITE_LOG", "trace");
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let running = mezite_fixtures::Running::start(&mut command, &identity.folder.with_extension("log"));
    identity.until_generation(1);
    for name in ["cmdline", "environ", "fd/0"] {
        let text = fs::read(format!("/proc/{}/{name}", running.pid())).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(&token), "{name} has the token: {text}");
    }
    assert!(!running.log().contains(&token) && !scene.gateway.log().contains(&token));
    drop(running);
    // It was used: the same one is refused, and not repeated.
    let again = Identity::new(&scene, "again");
    let mut command = again.start(&["--one-shot", "--join-method=oidc", &pin, "--id-token-env=ID_TOKEN"]);
    let said = run(command.env("ID_TOKEN", &token));
    assert!(!said.assert_code(3).err().contains("eyJ"), "{}", said.err());
    let mut command = again.start(&["--one-shot", "--join-method=oidc", &pin, "--id-token-env=ID_TOKEN"]);
    let said = run(command.env_remove("ID_TOKEN"));
    assert!(said.assert_code(2).err().contains("ID_TOKEN is not set"), "{}", said.err());
}
