//! From `users add` to the first login, and everything that a set-up token does not do.

use mezite_api::client::ClientError;
use mezite_api::person::{SetupBegin, SetupConfirm};
use mezite_api::{Problem, ProblemCode};
use mezite_fixtures::{Scene, eventually, run};
use serde_json::Value;
use uuid::Uuid;

use mezite_integration::person::{
    App, PASSWORD, Person, add, client, home, proxy, refused, reset, secret, set_up,
};

#[test]
fn a_person_sets_up_logs_in_connects_and_logs_out() {
    let mut scene = Scene::start();
    let line = scene.mezctl.ok(&["users", "add", "bob", "--roles=dev"]);
    let words: Vec<_> = line.split_whitespace().collect();
    let ["msh", "setup", "--proxy", place, "--token", token] = words[..] else { panic!("{line}") };
    assert_eq!(place, proxy(&scene));
    let mut bob = Person::with_token(&scene, "bob", token);
    // The pin of the token is kept: nothing else says whom to believe.
    let said = bob.login(&["--ttl=30m"]);
    assert!(said.assert_ok().err().contains("logged in as bob (roles: dev) at test"), "{}", said.err());
    assert_eq!(run(bob.ssh().arg("echo hello")).assert_ok().out(), "hello\n");
    let status = bob.msh.run(&["status", "--format=json"]);
    let status: Value = serde_json::from_str(&status.assert_ok().out()).unwrap();
    assert_eq!(
        (&status["user"], &status["cluster"], &status["expired"]),
        (&"bob".into(), &"test".into(), &false.into())
    );
    assert_eq!(status["logins"], serde_json::json!([scene.login]));
    assert_eq!(status["key"], "file");
    bob.msh.run(&["logout"]).assert_ok();
    assert!(!bob.folder().exists());
    bob.msh.run(&["status"]).assert_code(4);
    run(bob.ssh().arg("true")).assert_code(255);
    for kind in ["user.setup.begin", "user.setup", "user.login"] {
        let events = scene.mezctl.audit(kind);
        assert_eq!((events.len(), &events[0]["subject"]), (1, &"bob".into()), "{kind}");
    }
    let issued = scene.mezctl.audit("cert.issue").pop().unwrap();
    assert_eq!((&issued["actor"], &issued["source"]), (&"bob".into(), &"127.0.0.1".into()));
    scene.assert_alive();
}

#[test]
fn a_set_up_for_a_script_keeps_the_secret_in_a_file() {
    let scene = Scene::start();
    let token = add(&scene, "bob");
    let (home, msh) = home(&scene, "bob");
    let (password, secret) = (home.join("password"), home.join("secret"));
    let file = scene.scratch.write("bob-token", &token);
    let mut command =
        msh.command(&["setup", "--proxy", &proxy(&scene), "--token", &format!("@{}", file.display())]);
    command.arg("--password-file").arg(password).arg("--otp-secret-out").arg(&secret);
    run(&mut command).assert_ok();
    assert_eq!(App::new(&std::fs::read_to_string(&secret).unwrap()).shown().len(), 6);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&secret).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

/// A set-up by hand.
struct Hand {
    token: String,
    request: Uuid,
}

impl Hand {
    fn new(token: &str) -> Self {
        Self { token: token.split('.').next().unwrap().to_owned(), request: Uuid::new_v4() }
    }

    fn begin(&self, scene: &Scene, password: &str) -> Result<App, Problem> {
        let request =
            SetupBegin { token: secret(&self.token), password: secret(password), request: self.request };
        problem(client(scene).begin_setup(&request)).map(|begun| App::new(begun.secret.expose()))
    }

    fn confirm(&self, scene: &Scene, code: &str) -> Result<(), Problem> {
        let request = SetupConfirm { token: secret(&self.token), request: self.request, code: secret(code) };
        problem(client(scene).confirm_setup(&request)).map(drop)
    }
}

fn problem<T>(answer: Result<T, ClientError>) -> Result<T, Problem> {
    answer.map_err(|error| match error {
        ClientError::Refused(problem) => problem,
        other => panic!("{other}"),
    })
}

#[test]
fn nothing_is_in_force_before_the_first_code() {
    let scene = Scene::start();
    let hand = Hand::new(&add(&scene, "bob"));
    let mut app = hand.begin(&scene, PASSWORD).unwrap();
    let request = mezite_integration::person::asks("bob", PASSWORD, &app.code());
    assert_eq!(refused(client(&scene).login(&request)).status, 401);
    let wrong = hand.confirm(&scene, &app.wrong()).unwrap_err();
    assert_eq!(wrong.code, ProblemCode::Unauthenticated);
    // Whoever begins it anew makes the first one worthless: it cannot be confirmed any more.
    let other = Hand { request: Uuid::new_v4(), ..Hand::new(&hand.token) };
    other.begin(&scene, "another password").unwrap();
    assert_eq!(hand.confirm(&scene, &app.shown()).unwrap_err().code, ProblemCode::Conflict);
    // The same request keeps its secret, as often as it is sent.
    let mut first = hand.begin(&scene, PASSWORD).unwrap();
    let mut again = hand.begin(&scene, PASSWORD).unwrap();
    assert_eq!(first.code(), again.code());
    hand.confirm(&scene, &first.shown()).unwrap();
    client(&scene).login(&mezite_integration::person::asks("bob", PASSWORD, &first.code())).unwrap();
    // Its code was used up by the set-up.
    assert_eq!(
        refused(client(&scene).login(&mezite_integration::person::asks("bob", PASSWORD, &again.shown())))
            .status,
        401
    );
}

#[test]
fn a_set_up_whose_answer_was_lost_is_confirmed_again() {
    let scene = Scene::start();
    let hand = Hand::new(&add(&scene, "bob"));
    let mut app = hand.begin(&scene, PASSWORD).unwrap();
    let code = app.code();
    hand.confirm(&scene, &code).unwrap();
    hand.confirm(&scene, &code).unwrap();
    let thief = Hand { request: Uuid::new_v4(), ..Hand::new(&hand.token) };
    assert_eq!(thief.confirm(&scene, &app.code()).unwrap_err().status, 401);
    assert_eq!(thief.begin(&scene, "another password").unwrap_err().status, 401);
    assert_eq!(scene.mezctl.audit("user.setup").len(), 1);
    assert_eq!(scene.mezctl.audit("token.use").len(), 1);
}

#[test]
fn hostile_073_a_set_up_token_is_used_once_in_time_and_as_the_last_one() {
    let scene = Scene::start();
    let used = add(&scene, "bob");
    let bob = Person::with_token(&scene, "bob", &used);
    let old = add(&scene, "carol");
    reset(&scene, "carol");
    let late = scene.mezctl.json(&["users", "add", "dora", "--roles=dev", "--token-ttl=1s"]);
    let late = late["setup"]["token"].as_str().unwrap().to_owned();
    let gone = add(&scene, "eve");
    scene.mezctl.ok(&["users", "rm", "eve"]);
    add(&scene, "eve");
    // Refused with the text of a wrong password until it is late.
    eventually("the end of a token", || {
        let problem = Hand::new(&late).begin(&scene, "short").unwrap_err();
        (problem.status == 401).then_some(())
    });
    let mut texts = Vec::new();
    for token in [&used, &old, &late, &gone, &"tok-user-0123456789ABCDEFGHabcd".to_owned()] {
        texts.push(Hand::new(token).begin(&scene, PASSWORD).unwrap_err());
    }
    assert!(texts.iter().all(|text| text.status == 401 && *text == texts[0]), "{texts:#?}");
    let said = set_up(&scene, &bob.msh, &used, |_| panic!("a secret for a used token"));
    said.assert_code(3);
    let bot = scene.mezctl.json(&["bots", "add", "--name=robot", "--roles=dev"]);
    set_up(&scene, &bob.msh, bot["token"].as_str().unwrap(), |_| panic!("a bot")).assert_code(2);
}

#[test]
fn passwords_have_a_length_and_are_not_the_name() {
    let scene = Scene::start();
    let hand = Hand::new(&add(&scene, "longname"));
    for password in ["short", "LongName", &"x".repeat(1025)] {
        let problem = hand.begin(&scene, password).unwrap_err();
        assert_eq!((problem.status, problem.field.as_deref()), (400, Some("password")));
    }
    hand.begin(&scene, "12345678").unwrap();
}

#[test]
fn a_reset_makes_everything_void_at_once() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    bob.login(&[]).assert_ok();
    let token = reset(&scene, "bob");
    bob.login(&[]).assert_code(3);
    let event = scene.mezctl.audit("user.reset").pop().unwrap();
    assert_eq!((&event["subject"], &event["had_password"]), (&"bob".into(), &true.into()));
    let mut bob = Person::with_token(&scene, "bob", &token);
    bob.login(&[]).assert_ok();
    scene.mezctl.run(&["users", "reset", "nobody"]).assert_code(4);
    scene.mezctl.ok(&["bots", "add", "--name=robot", "--roles=dev"]);
    scene.mezctl.run(&["users", "reset", "robot"]).assert_code(2);
}

#[test]
fn a_lock_ends_a_set_up_that_has_begun() {
    let scene = Scene::start();
    let hand = Hand::new(&add(&scene, "bob"));
    let mut app = hand.begin(&scene, PASSWORD).unwrap();
    scene.mezctl.ok(&["locks", "add", "--user=bob", "--message=called in"]);
    let locked = hand.confirm(&scene, &app.code()).unwrap_err();
    assert_eq!(locked.code, ProblemCode::Locked);
    assert!(locked.detail.contains("called in"), "{locked}");
    assert_eq!(hand.begin(&scene, PASSWORD).unwrap_err().code, ProblemCode::Locked);
    assert_eq!(scene.mezctl.audit("user.setup").len(), 0);
}
