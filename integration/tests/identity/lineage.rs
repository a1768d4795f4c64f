//! Rows 75, 76 and 78: lost answers, copies, and renewals that ask for more.

use std::thread;

use mezite_api::ProblemCode;
use mezite_api::bot::TokenRotate;
use mezite_api::client::ClientError;
use mezite_fixtures::{Role, Running, Scene, eventually, run};
use uuid::Uuid;

use crate::holder::{Holder, assert_refused};
use mezite_integration::bot::{BOT, Identity, add, add_bot, rotate};

fn mismatches(scene: &Scene) -> usize {
    scene.mezctl.audit("bot.generation.mismatch").len()
}

#[test]
fn hostile_075_a_lost_answer_is_given_again_to_the_same_key_only() {
    let mut scene = Scene::start();
    let token = add_bot(&scene);
    let (holder, thief, request) = (Holder::new(), Holder::new(), Uuid::new_v4());
    let first = holder.join(&scene, &token, request).unwrap();
    scene.gateway.kill9();
    scene.gateway.start_again();
    let again = holder.join(&scene, &token, request).unwrap();
    assert_eq!((again.instance, again.generation), (first.instance, 1));
    assert_eq!(again.certificate, first.certificate);
    assert_refused(thief.join(&scene, &token, request), ProblemCode::Unauthenticated);
    assert_refused(thief.join(&scene, &token, Uuid::new_v4()), ProblemCode::Unauthenticated);
    assert_refused(holder.join(&scene, &token, Uuid::new_v4()), ProblemCode::Unauthenticated);
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 1);
    assert_eq!(scene.mezctl.audit("token.refuse").len(), 3);
    // Once the pair was used the answer is not given any more.
    holder.acknowledge(&scene, &first).unwrap();
    assert_refused(holder.join(&scene, &token, request), ProblemCode::Unauthenticated);
    let said = Identity::new(&scene, "late").once(&token);
    assert!(said.assert_code(3).err().contains("Ask for a new one"), "{}", said.err());
}

#[test]
fn hostile_076_a_stolen_copy_that_renews_first_is_found_by_the_true_bot() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let other = Identity::joined(&scene, "other", &rotate(&scene));
    let copy = identity.stolen("copy");
    copy.renew().assert_ok();
    let mut live = beside(&scene, &copy);
    let said = identity.renew();
    assert!(said.assert_code(5).err().contains("in two hands"), "{}", said.err());
    assert_locked(&scene, &identity, &mut live);
    copy.renew().assert_code(5);
    other.renew().assert_ok();
    other.ssh("true").assert_ok();
}

#[test]
fn hostile_076_a_stolen_copy_that_renews_second_is_found() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let other = Identity::joined(&scene, "other", &rotate(&scene));
    let copy = identity.stolen("copy");
    identity.renew().assert_ok();
    let mut live = beside(&scene, &identity);
    copy.renew().assert_code(5);
    assert_locked(&scene, &identity, &mut live);
    identity.renew().assert_code(5);
    other.renew().assert_ok();
    // An administrator lets it in again; the true one goes on, the copy is found once more.
    scene.mezctl.ok(&["bots", "unlock", BOT, "--instance", &identity.instance()]);
    identity.renew().assert_ok();
    copy.renew().assert_code(5);
    // A new token is a new lineage.
    let fresh = Identity::joined(&scene, "fresh", &rotate(&scene));
    fresh.ssh("true").assert_ok();
}

#[test]
fn what_lives_of_a_bot_ends_when_it_is_revoked_locked_or_removed() {
    let scene = Scene::start();
    let first = Identity::joined(&scene, "first", &add_bot(&scene));
    let mut live = beside(&scene, &first);
    let token = scene.mezctl.json(&["bots", "rotate-token", BOT, "--revoke"]);
    assert!(!live.wait().success(), "revoked");
    let second = Identity::joined(&scene, "second", token["token"].as_str().unwrap());
    let mut live = beside(&scene, &second);
    scene.mezctl.ok(&["bots", "lock", BOT]);
    assert!(!live.wait().success(), "locked");
    scene.mezctl.ok(&["bots", "unlock", BOT]);
    let mut live = beside(&scene, &second);
    scene.mezctl.ok(&["bots", "rm", BOT]);
    assert!(!live.wait().success(), "removed");
}

/// A session that lives.
fn beside(scene: &Scene, identity: &Identity<'_>) -> Running {
    let mut ssh = std::process::Command::new("ssh");
    ssh.arg("-F").arg(identity.folder.join("ssh_config"));
    ssh.arg(format!("{}@node1", scene.login)).arg("echo in; sleep 600");
    let mut live = scene.run_beside("live", &mut ssh);
    assert_eq!(live.line(), "in");
    live
}

#[track_caller]
fn assert_locked(scene: &Scene, identity: &Identity<'_>, live: &mut Running) {
    assert!(!live.wait().success(), "what lives of it is cut");
    assert_eq!(identity.known()["locked"], true);
    assert_eq!(mismatches(scene), 1);
    let event = &scene.mezctl.audit("bot.generation.mismatch")[0];
    for field in ["source", "other_source"] {
        assert_eq!(event[field], "127.0.0.1", "{event}");
    }
    assert_eq!(event["instance"], identity.instance().as_str());
    let said = identity.ssh("true");
    assert!(said.assert_code(255).err().contains("locked"), "{}", said.err());
}

#[test]
fn hostile_076_two_that_renew_from_one_state_at_once_are_found() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let holder = Holder::new();
    let first = holder.join(&scene, &token, Uuid::new_v4()).unwrap();
    holder.acknowledge(&scene, &first).unwrap();
    let answers: Vec<_> = thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| holder.renew(&scene, &first))).collect();
        both.into_iter().map(|one| one.join().unwrap().unwrap()).collect()
    });
    // Both have a second generation; one of them was replaced, and says so by its use.
    assert!(answers.iter().all(|answer| answer.generation == 2));
    let used: Vec<_> = answers.iter().map(|answer| holder.acknowledge(&scene, answer)).collect();
    assert!(used.iter().any(Result::is_err), "{used:?}");
    assert_eq!(mismatches(&scene), 1);
    assert!(answers.iter().all(|answer| holder.renew(&scene, answer).is_err()));
}

#[test]
fn hostile_076_old_requests_and_old_certificates_do_not_go_unseen() {
    let scene = Scene::start();
    let holder = Holder::new();
    let first = holder.join(&scene, &add_bot(&scene), Uuid::new_v4()).unwrap();
    let request = Uuid::new_v4();
    let second = holder.renew_for(&scene, &first, &holder, request).unwrap();
    // The same request again has the same answer, while it was not used.
    let again = holder.renew_for(&scene, &first, &holder, request).unwrap();
    assert_eq!(again.certificate, second.certificate);
    // A proof for another generation, instance or request is none.
    let mut later = second.clone();
    later.generation = 7;
    let client = holder.client(&scene, &second);
    assert_refused(client.renew(&holder.asks_again(&later, Uuid::new_v4())), ProblemCode::Invalid);
    let mut elsewhere = second.clone();
    elsewhere.instance = Uuid::new_v4();
    assert_refused(client.renew(&holder.asks_again(&elsewhere, Uuid::new_v4())), ProblemCode::Invalid);
    let thief = Holder::new();
    let mut stolen = holder.asks_again(&second, Uuid::new_v4());
    stolen.proof = thief.asks_again(&second, stolen.request).proof;
    assert_refused(client.renew(&stolen), ProblemCode::Invalid);
    assert_eq!(mismatches(&scene), 0);
    // Without a certificate nothing happens to anybody.
    let nobody = crate::holder::client(&scene, None);
    assert_refused(nobody.renew(&holder.asks_again(&first, Uuid::new_v4())), ProblemCode::Unauthenticated);
    assert_refused(nobody.acknowledge(), ProblemCode::Unauthenticated);
    assert_eq!(mismatches(&scene), 0);
    holder.acknowledge(&scene, &second).unwrap();
    // The old one is used to renew: there are two holders.
    assert_refused(holder.renew(&scene, &first), ProblemCode::Locked);
    assert_eq!(mismatches(&scene), 1);
}

#[test]
fn hostile_077_an_answer_that_was_never_used_can_be_asked_for_again_with_any_key() {
    let scene = Scene::start();
    let holder = Holder::new();
    let first = holder.join(&scene, &add_bot(&scene), Uuid::new_v4()).unwrap();
    for _ in 0..3 {
        let other = Holder::new();
        let lost = holder.renew_for(&scene, &first, &other, Uuid::new_v4()).unwrap();
        assert_eq!(lost.generation, 2);
    }
    let second = holder.renew(&scene, &first).unwrap();
    assert_eq!(second.generation, 2);
    assert_eq!(mismatches(&scene), 0);
    // The old pair has worked all the time, up to the first use of the new one.
    holder.acknowledge(&scene, &first).unwrap();
    holder.acknowledge(&scene, &second).unwrap();
}

#[test]
fn hostile_078_a_renewal_gives_what_the_roles_say_now_and_nothing_more() {
    let scene = Scene::with_role_options(&["max_session_ttl: 2h"]);
    let holder = Holder::new();
    let token = add(&scene, &["--ttl=30m"]);
    let first = holder.join(&scene, &token, Uuid::new_v4()).unwrap();
    let life = |held: &mezite_api::bot::Credentials| held.valid_before.duration_since(held.now).as_secs();
    assert!((1790..=1800).contains(&life(&first)), "{}", life(&first));
    // Roles, names and lives are not for the bot to choose.
    let client = holder.client(&scene, &first);
    let asked = serde_json::to_value(holder.asks_again(&first, Uuid::new_v4())).unwrap();
    for (field, value) in
        [("roles", "[\"admin\"]"), ("ttl", "\"9h\""), ("name", "\"alice\""), ("generation", "9")]
    {
        let mut more = asked.clone();
        more[field] = serde_json::from_str(value).unwrap();
        let shown = scene.scratch.write("body", more.to_string());
        let said = post(&scene, &shown, "renew");
        assert!(said.contains("\"status\":40"), "{field}: {said}");
    }
    // The role is narrowed: at the next renewal it counts.
    narrow(&scene, &Role::with_options(&["max_session_ttl: 10m", "permit_pty: false"]));
    let second = client.renew(&holder.asks_again(&first, Uuid::new_v4())).unwrap();
    assert!((590..=600).contains(&life(&second)), "{}", life(&second));
    assert!(!shown(&scene, &second.certificate).contains("permit-pty"));
    // The SSH certificate renews nothing, and one instance says nothing about another.
    scene.mezctl.ok(&["bots", "lock", BOT]);
    assert_refused(holder.renew(&scene, &second), ProblemCode::Locked);
    scene.mezctl.ok(&["bots", "unlock", BOT]);
    let third = holder.renew(&scene, &second).unwrap();
    let administration = holder.client(&scene, &third);
    let refused = administration.remove_bot(&BOT.parse().unwrap());
    assert!(matches!(&refused, Err(ClientError::Refused(problem)) if problem.status == 403), "{refused:?}");
    assert!(administration.rotate_token(&BOT.parse().unwrap(), &TokenRotate::default()).is_err());
    scene.mezctl.ok(&["bots", "rm", BOT]);
    assert_refused(holder.renew(&scene, &third), ProblemCode::Forbidden);
    assert!(!scene.mezctl.audit("cert.refuse").is_empty());
}

/// Makes the role again.
fn narrow(scene: &Scene, role: &Role) {
    let file = scene.scratch.write("narrowed.yaml", role.yaml());
    let create = ["roles".as_ref(), "create".as_ref(), "--replace".as_ref(), "-f".as_ref(), file.as_os_str()];
    scene.mezctl.ok(&create);
}

fn shown(scene: &Scene, certificate: &str) -> String {
    let file = scene.scratch.write("shown-cert.pub", certificate);
    run(std::process::Command::new("ssh-keygen").arg("-Lf").arg(file)).assert_ok().out()
}

fn post(scene: &Scene, body: &std::path::Path, what: &str) -> String {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "--cacert"]).arg(scene.gateway.tls_ca());
    curl.arg("--data-binary").arg(format!("@{}", body.display()));
    curl.arg(format!("https://localhost:{}/v1/bots/{what}", scene.gateway.https().port()));
    run(&mut curl).out()
}

#[test]
fn hostile_078_a_certificate_that_is_not_in_use_any_more_opens_nothing() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let late = identity.stolen("late");
    identity.renew().assert_ok();
    // A job that reads its pair late is let in for a minute, for a connection and nothing else.
    late.ssh("true").assert_ok();
    identity.renew().assert_ok();
    let said = late.ssh("true");
    assert!(said.assert_code(255).err().contains("not in use any more"), "{}", said.err());
    eventually("the event", || {
        scene.mezctl.audit("cert.refuse").iter().any(|event| event["reason"] == "generation").then_some(())
    });
    identity.ssh("true").assert_ok();
    // Nor does a certificate that somebody has signed for the bot by hand.
    let key = scene.scratch.join("by-hand");
    mezite_fixtures::generate_key(&key, mezite_fixtures::KeyType::Ed25519);
    let public = format!("--key={}.pub", key.display());
    scene.mezctl.run(&["auth", "sign", &format!("--user={BOT}"), &public]).assert_code(3);
}
