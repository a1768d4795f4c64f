//! Texts that would be code, and machines that would be others.

use std::path::Path;

use mezite_api::ProblemCode;
use mezite_api::join::JoinOutcome;
use mezite_fixtures::Scene;

use crate::plain::{Plain, Style, node, token};
use crate::tokens::{Machine, client, problem};

#[test]
fn hostile_041_no_text_of_the_caller_becomes_shell_code() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Include);
    let trap = scene.scratch.join("trap");
    let code = format!("$(touch {0})`touch {0}`'\"; touch {0}; #", trap.display());
    let address = format!("--address={}", plain.address());
    let before = plain.files();
    for shell in [&["dash"][..], &["busybox", "sh"], &["bash"]] {
        if !["/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(shell[0]).exists()) {
            continue;
        }
        for field in ["name", "address", "token", "probe-login", "sshd-config"] {
            let secret = token(&scene, "env=test");
            let hostile = format!("--{field}={code}");
            let said = plain.script(&scene, shell, Some(&secret), &[&address, "--name=web-1", &hostile]);
            said.assert_code(2);
            let said = plain.script(
                &scene,
                shell,
                Some(&secret),
                &[&address, "--name=web-1", &format!("--{field}=a\nb")],
            );
            said.assert_code(2);
            assert!(!trap.exists(), "{field} {shell:?}");
            assert!(plain.files() == before);
        }
        // A label may be nearly anything, and is what it is.
        let secret = token(&scene, "env=test");
        let value = "$(touch /x)`id`'\"\\ ; # %s";
        let labels = format!("--labels=odd={value}");
        plain.script(&scene, shell, Some(&secret), &[&address, "--name=web-1", &labels]).assert_ok();
        assert_eq!(node(&scene, "web-1").unwrap()["metadata"]["labels"]["odd"], value, "{shell:?}");
        plain.script(&scene, shell, None, &["--remove"]).assert_ok();
        assert!(!trap.exists() && !Path::new("/x").exists());
    }
    for field in ["name", "address", "token", "probe-login", "labels"] {
        let secret = token(&scene, "env=test");
        let said = plain.join(&scene, Some(&secret), &[&format!("--{field}={code}")]);
        said.assert_code(2);
        assert!(!trap.exists() && plain.files() == before, "{field}");
    }
    assert!(node(&scene, "web-1").is_none());
}

#[test]
fn hostile_039_a_token_takes_nobodys_place() {
    let scene = Scene::start();
    let client = client(&scene);
    let refused = |machine: &Machine, name: &str, addr: &str| {
        let secret = token(&scene, "env=test");
        problem(client.join_node(&machine.asks(Some(&secret), name, addr)))
    };
    let own = scene.mezctl.json(&["nodes", "get", "node1"]);
    let (addr, id) = (own["spec"]["addr"].as_str().unwrap(), own["metadata"]["name"].as_str().unwrap());
    scene.mezctl.ok(&["nodes", "add", "--openssh", "--name=db", "--host=db.internal", "--port=22"]);
    let stranger = Machine::new();
    for (name, place) in [
        ("node1", "127.0.0.1:9"),       // the name
        ("NODE1", "127.0.0.1:9"),       // however it is written
        ("node1.test", "127.0.0.1:9"),  // with the cluster
        ("db.internal", "127.0.0.1:9"), // the recorded host of another
        ("other", addr),                // the address
    ] {
        assert_eq!(refused(&stranger, name, place).code, ProblemCode::Conflict, "{name} {place}");
    }
    for name in ["localhost", "LOCALHOST"] {
        // Names of the gateway.
        assert_eq!(refused(&stranger, name, "127.0.0.1:9").field.as_deref(), Some("name"));
    }
    // Keys that are not proved: the machine's own would do, but the other one is somebody else's.
    let secret = token(&scene, "env=test");
    let mut asked = stranger.asks(Some(&secret), "two", "127.0.0.1:9");
    let mut other = Machine::new().asks(Some(&secret), "two", "127.0.0.1:9").host_keys.remove(0);
    other.proof = asked.host_keys[0].proof.clone();
    asked.host_keys.push(other);
    assert_eq!(problem(client.join_node(&asked)).field.as_deref(), Some("host_keys"));
    // A proof for another name, address or token is none.
    let mut asked = stranger.asks(Some(&secret), "two", "127.0.0.1:9");
    asked.name = mezite_api::NodeName::parse("three").unwrap();
    assert_eq!(problem(client.join_node(&asked)).status, 400);
    let mut asked = stranger.asks(Some(&token(&scene, "env=prod")), "two", "127.0.0.1:9");
    asked.token = stranger.asks(Some(&secret), "two", "127.0.0.1:9").token;
    assert_eq!(problem(client.join_node(&asked)).status, 400);
    // None of these has spent the token, nor changed the node.
    assert_eq!(scene.mezctl.json(&["nodes", "get", id])["metadata"]["revision"], own["metadata"]["revision"]);
    client.join_node(&stranger.asks(Some(&secret), "two", "127.0.0.1:9")).unwrap();
}

#[test]
fn hostile_007_host_certificates_are_for_keys_that_are_proved_at_the_address() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Single);
    let client = client(&scene);
    let secret = token(&scene, "env=test");
    let thief = Machine::new();
    let mut asked = thief.asks(Some(&secret), "thief", &plain.address());
    asked.host_certificates = true;
    let refused = problem(client.join_node(&asked));
    assert_eq!(refused.code, ProblemCode::Unreachable, "{refused}");
    assert!(refused.detail.contains("does not prove the host key"), "{refused}");
    assert!(node(&scene, "thief").is_none());
    assert!(scene.mezctl.audit("token.use").is_empty());
    let issued = scene.mezctl.audit("cert.issue");
    assert!(issued.iter().all(|event| event["kind"] != "host"), "{issued:?}");
}

#[test]
fn hostile_074_a_token_on_the_command_line_is_gone_while_the_join_runs() {
    let scene = Scene::start();
    let plain = Plain::start(&scene, "web", Style::Single);
    let secret = token(&scene, "env=test");
    let part = secret.split('.').next().unwrap().rsplit('-').next().unwrap();
    // A gateway that never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("--server=localhost:{}", listener.local_addr().unwrap().port());
    for by_flag in [true, false] {
        let mut command = std::process::Command::new(mezite_fixtures::program("mezd"));
        command.args(["join", "openssh", "--name=web-1", &server]).arg("--sshd-config").arg(plain.config());
        command.arg(format!("--address={}", plain.address())).stdin(std::process::Stdio::null());
        if by_flag {
            command.arg(format!("--token={secret}"));
        } else {
            command.env("MEZD_JOIN_TOKEN", &secret);
        }
        let running = mezite_fixtures::Running::start(&mut command, &scene.scratch.join("mezd-join.log"));
        let waits = listener.accept().unwrap();
        for name in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{}/{name}", running.pid())).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(part), "{name} has the token");
        }
        assert!(!running.log().contains(part));
        drop(waits);
    }
}

#[test]
fn a_machine_changes_its_own_entry_with_a_new_token() {
    let scene = Scene::start();
    let client = client(&scene);
    let mut machine = Machine::new();
    let (first, second) = (token(&scene, "env=test"), token(&scene, "env=test,role=web"));
    let made = client.join_node(&machine.asks(Some(&first), "m", "127.0.0.1:7")).unwrap();
    machine.0.extend(Machine::new().0);
    let spent = problem(client.join_node(&machine.asks(Some(&first), "m", "127.0.0.1:7")));
    assert_eq!(spent.status, 401, "other keys need a new token");
    let changed = client.join_node(&machine.asks(Some(&second), "m", "127.0.0.1:8")).unwrap();
    assert_eq!((changed.outcome, changed.node_id), (JoinOutcome::Updated, made.node_id));
    let entry = node(&scene, "m").unwrap();
    assert_eq!(entry["spec"]["addr"], "127.0.0.1:8");
    assert_eq!(entry["spec"]["host_keys"].as_array().unwrap().len(), 2);
    assert_eq!(entry["metadata"]["labels"]["role"], "web");
    scene.mezctl.run(&["nodes", "get", "127.0.0.1:7"]).assert_code(5);
}

#[test]
fn only_the_node_itself_has_its_entry_removed_or_looked_at() {
    use mezite_api::join::{NodeConfirm, NodeLeave};
    use mezite_ca::Statement;
    use uuid::Uuid;
    let scene = Scene::start();
    let client = client(&scene);
    let (machine, stranger) = (Machine::new(), Machine::new());
    let secret = token(&scene, "env=test");
    let node_id = client.join_node(&machine.asks(Some(&secret), "m", "127.0.0.1:1")).unwrap().node_id;
    let request = Uuid::new_v4();
    let (id, own) = (request.to_string(), node_id.to_string());
    let leave = Statement::NodeLeave { request: &id, node: &own };
    let confirm = Statement::NodeConfirm { request: &id, node: &own };
    let proven = |machine: &Machine, statement: &Statement<'_>| {
        let key = &machine.0[0];
        mezite_api::join::ProvenHostKey {
            key: mezite_api::HostKey::from_key_data(key.public_key().key_data().clone()).unwrap(),
            proof: statement.sign(key).unwrap(),
        }
    };
    let by = |machine: &Machine, statement: &Statement<'_>| {
        client.leave_node(node_id, &NodeLeave { request, host_key: proven(machine, statement) })
    };
    by(&stranger, &leave).unwrap_err();
    by(&machine, &confirm).unwrap_err();
    let other = Uuid::new_v4().to_string();
    by(&machine, &Statement::NodeLeave { request: &id, node: &other }).unwrap_err();
    let look = |machine: &Machine| {
        client
            .confirm_node(node_id, &NodeConfirm { request, host_key: proven(machine, &confirm), login: None })
    };
    look(&stranger).unwrap_err();
    assert!(!look(&machine).unwrap().status.seen.unwrap().check.unwrap().ok);
    assert!(node(&scene, "m").is_some());
    by(&machine, &leave).unwrap();
    assert!(node(&scene, "m").is_none());
    by(&machine, &leave).unwrap_err();
}
