//! Who tries too often waits, and holds up nobody else.

use mezite_api::ProblemCode;
use mezite_api::client::ClientError;
use mezite_fixtures::{Scene, eventually};

use mezite_integration::person::{PASSWORD, Person, asks, client, refused};

#[test]
fn after_five_failures_a_user_has_to_wait() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let client = client(&scene);
    for _ in 0..5 {
        assert_eq!(refused(client.login(&bob.asks("wrong password", "000000"))).status, 401);
    }
    let right = bob.app.code();
    let said = refused(client.login(&bob.asks(PASSWORD, &right)));
    assert_eq!((said.status, said.code), (429, ProblemCode::Throttled));
    let wait = said.retry_after.unwrap();
    assert!((1..=30).contains(&wait) && said.detail.contains(&format!("wait {wait} s")), "{said}");
    let said = bob.login_with(&right, &[]);
    assert!(said.assert_code(1).err().contains("wait"), "{}", said.err());
    // A name that is nobody's is held up in the same way, and nobody else is.
    for _ in 0..5 {
        assert_eq!(refused(client.login(&asks("nobody", PASSWORD, "000000"))).status, 401);
    }
    assert_eq!(refused(client.login(&asks("nobody", PASSWORD, "000000"))).status, 429);
    let mut carol = Person::new(&scene, "carol");
    carol.login(&[]).assert_ok();
    eventually("the events of those who were not heard", || {
        let events = scene.mezctl.audit("auth.fail");
        (events.iter().filter(|event| event["reason"] == "throttled").count() == 3).then_some(())
    });
    assert_eq!(scene.mezctl.audit("auth.fail").len(), 13);
}

#[test]
fn who_comes_from_where_they_came_last_has_tries_of_their_own() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let client = client(&scene);
    for _ in 0..4 {
        refused(client.login(&bob.asks("wrong password", "000000")));
    }
    bob.login(&[]).assert_ok();
    for _ in 0..4 {
        refused(client.login(&bob.asks("wrong password", "000000")));
    }
    bob.login(&[]).assert_ok();
}

#[test]
fn a_flood_of_logins_starves_nobody_and_fills_no_log() {
    let mut scene = Scene::start();
    let client = client(&scene);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..60)
            .map(|n| {
                let client = &client;
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    for m in 0..5 {
                        match client.login(&asks(&format!("user-{n}-{m}"), PASSWORD, "000000")) {
                            Err(ClientError::Refused(problem)) => statuses.push(problem.status),
                            other => panic!("{other:?}"),
                        }
                    }
                    statuses
                })
            })
            .collect();
        scene.ssh("true").assert_ok();
        scene.mezctl.ok(&["nodes", "ls"]);
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| [401, 429, 503].contains(status)), "{answers:?}");
    let heard = answers.iter().filter(|status| **status == 401).count();
    assert_eq!(heard, 20, "{answers:?}");
    // Twenty that were heard, a hundred that were not, and the sum of the rest.
    assert!(scene.mezctl.audit("auth.fail").len() <= 121);
    scene.assert_alive();
}
