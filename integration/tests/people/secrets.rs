//! Row 74 for people: tokens, passwords, codes and their secret are nowhere but where they belong.

use std::fs;
use std::process::{Command, Stdio};

use mezite_fixtures::{GatewayOptions, Running, Scene, SceneOptions, eventually, run};

use mezite_integration::person::{PASSWORD, Person, add, home, proxy};

#[test]
fn hostile_074_what_people_prove_themselves_with_is_seen_by_nobody() {
    let environment = vec![("MEZITE_LOG".to_owned(), "trace".to_owned())];
    let gateway = GatewayOptions { environment, ..GatewayOptions::default() };
    let mut scene = Scene::with(SceneOptions { gateway, ..SceneOptions::default() });
    let token = add(&scene, "bob");
    let mut bob = Person::with_token(&scene, "bob", &token);
    let secret = scene.scratch.join("secret");
    bob.login(&[]).assert_ok();
    bob.login_with(&bob.app.wrong(), &[]).assert_code(3);
    let other = add(&scene, "carol");
    let (carol, msh) = home(&scene, "carol");
    let mut command = msh.command(&["setup", "--proxy", &proxy(&scene)]);
    command.arg(format!("--token=@{}", scene.scratch.write("other", &other).display()));
    command.arg("--password-file").arg(carol.join("password")).arg("--otp-secret-out").arg(&secret);
    run(&mut command).assert_ok();
    let kept = fs::read_to_string(&secret).unwrap().trim().to_owned();
    scene.gateway.restart();
    let audit = scene.mezctl.ok(&["audit", "ls", "--format", "json"]);
    for hidden in [bare(&token), bare(&other), PASSWORD, &kept] {
        assert!(!audit.contains(hidden) && !scene.gateway.log().contains(hidden), "{hidden}");
        let found = run(Command::new("grep").args(["-rlaF", hidden]).arg(scene.gateway.data()));
        assert_eq!(found.out(), "", "{hidden} lies in the gateway's folder");
    }
    let found = run(Command::new("grep").args(["-rlaF", "argon2id"]).arg(scene.gateway.data()));
    assert_eq!(found.out(), "", "hashes lie open");
}

#[test]
fn hostile_074_a_set_up_token_leaves_the_command_line() {
    let scene = Scene::start();
    let token = add(&scene, "bob");
    let (home, msh) = home(&scene, "bob");
    let mut command = msh.command(&["setup", "--proxy", &proxy(&scene), "--token", &token]);
    command.arg("--password-file").arg(home.join("password"));
    // It waits for a code.
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let log = scene.scratch.join("setup.log");
    let running = Running::start_piped(&mut command, &log);
    eventually("the secret to be shown", || running.log().contains("otpauth://").then_some(()));
    let line = fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.contains("setup") && !line.contains(bare(&token)), "{line}");
    assert!(running.log().contains("others can see a token"), "{}", running.log());
    assert!(!running.log().contains(bare(&token)), "{}", running.log());
}

/// The part of a token that nobody may see.
fn bare(token: &str) -> &str {
    token.split('.').next().unwrap().rsplit('-').next().unwrap()
}
