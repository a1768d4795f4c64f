//! Tokens for nodes: rows 73 to 75.

use mezite_api::client::{Client, ClientError, Trust};
use mezite_api::join::{JoinOutcome, NodeJoin, NodeJoined, ProvenHostKey};
use mezite_api::{HostKey, Labels, NodeAddress, NodeName, Problem};
use mezite_ca::{Statement, Token};
use mezite_fixtures::{Scene, eventually};
use rand_core::OsRng;
use ssh_key::{Algorithm, PrivateKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::plain::{node, token};

/// A machine that has nothing but host keys.
pub struct Machine(pub Vec<PrivateKey>);

impl Machine {
    pub fn new() -> Self {
        Self(vec![PrivateKey::random(&mut OsRng, Algorithm::Ed25519).unwrap()])
    }

    pub fn asks(&self, secret: Option<&str>, name: &str, addr: &str) -> NodeJoin {
        let text = secret.map(|secret| secret.split('.').next().unwrap().to_owned());
        let digest = text.as_deref().and_then(|text| Token::parse(text).ok()).map(|token| token.digest());
        let request = Uuid::new_v4();
        let id = request.to_string();
        let statement = Statement::NodeJoin { request: &id, token: digest.as_ref(), name, addr };
        let proven = |key: &PrivateKey| ProvenHostKey {
            key: HostKey::from_key_data(key.public_key().key_data().clone()).unwrap(),
            proof: statement.sign(key).unwrap(),
        };
        NodeJoin {
            token: text.map(|text| Zeroizing::new(text).into()),
            name: NodeName::parse(name).unwrap(),
            addr: NodeAddress::parse(addr).unwrap(),
            labels: Labels::new(),
            host_keys: self.0.iter().map(proven).collect(),
            request,
            host_certificates: false,
        }
    }
}

pub fn client(scene: &Scene) -> Client {
    let pin = scene.mezctl.json(&["status"])["ca_pin"].as_str().unwrap().parse().unwrap();
    let server = format!("localhost:{}", scene.gateway.https().port()).parse().unwrap();
    Client::https(&server, Trust::Pin(pin), None).unwrap()
}

#[track_caller]
pub fn problem(answer: Result<NodeJoined, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Refused(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn tokens_of_every_kind_are_listed_and_never_the_secret() {
    let scene = Scene::start();
    let secret = token(&scene, "env=test,role=x");
    scene.mezctl.ok(&["bots", "add", "--name=b", "--roles=dev"]);
    let listed = scene.mezctl.list(&["tokens", "ls"]);
    let types: Vec<_> = listed.iter().map(|token| token["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["user", "node", "bot"]);
    assert_eq!(listed[0]["subject"], "alice");
    assert_eq!(listed[1]["labels"]["env"], "test");
    assert_eq!(listed[2]["subject"], "b");
    let text = scene.mezctl.ok(&["tokens", "ls"]);
    let part = secret.split('.').next().unwrap().rsplit('-').next().unwrap();
    assert!(!text.contains(part) && !scene.mezctl.ok(&["tokens", "ls", "--format=json"]).contains(part));
    let id = listed[1]["id"].as_str().unwrap();
    scene.mezctl.ok(&["tokens", "rm", id]);
    scene.mezctl.run(&["tokens", "rm", id]).assert_code(4);
    let said = scene.mezctl.run(&["tokens", "rm", &secret]);
    assert!(!said.assert_code(2).err().contains(part));
    assert_eq!(scene.mezctl.audit("token.delete").len(), 1);
    let refused = problem(client(&scene).join_node(&Machine::new().asks(Some(&secret), "n", "127.0.0.1:1")));
    assert_eq!(refused.status, 401);
    assert!(!scene.mezctl.ok(&["audit", "ls", "--format=json"]).contains(part));
}

#[test]
fn hostile_073_a_node_token_is_used_once_and_every_wrong_one_is_refused_alike() {
    let scene = Scene::start();
    let client = client(&scene);
    let secret = token(&scene, "env=test");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let join = |n: usize| {
            let (client, secret) = (&client, &secret);
            move || {
                client.join_node(&Machine::new().asks(
                    Some(secret),
                    &format!("n{n}"),
                    &format!("127.0.0.1:{}", n + 1),
                ))
            }
        };
        let all: Vec<_> = (0..20).map(|n| scope.spawn(join(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let mut seen: Vec<_> = answers.into_iter().filter(Result::is_err).map(problem).collect();
    let late = scene.mezctl.json(&["tokens", "add", "--type=node", "--ttl=1s"]);
    eventually("the end of a token", || {
        let listed = scene.mezctl.list(&["tokens", "ls"]);
        listed.iter().any(|token| token["id"] == late["id"] && token["state"] == "expired").then_some(())
    });
    let bot = scene.mezctl.json(&["bots", "add", "--name=b", "--roles=dev"]);
    let unknown = "tok-node-0123456789ABCDEFGHabcd".to_owned();
    for wrong in [late["token"].as_str(), bot["token"].as_str(), Some(&unknown), None] {
        // Also for a name that is taken: who has no token learns nothing of names.
        for name in ["new", "node1"] {
            seen.push(problem(client.join_node(&Machine::new().asks(wrong, name, "127.0.0.1:99"))));
        }
    }
    let mut blank = Machine::new().asks(Some(&unknown), "new", "127.0.0.1:99");
    blank.token = Some(Zeroizing::new(format!("{unknown} ")).into());
    seen.push(problem(client.join_node(&blank)));
    assert!(seen.iter().all(|one| one.status == 401 && *one == seen[0]), "{seen:#?}");
    assert_eq!(scene.mezctl.audit("token.refuse").len(), seen.len());
    assert_eq!(scene.mezctl.list(&["nodes", "ls"]).len(), 2);
}

#[test]
fn hostile_075_a_lost_answer_is_given_again_and_a_thief_gets_none() {
    let scene = Scene::start();
    let client = client(&scene);
    let secret = token(&scene, "env=test");
    let machine = Machine::new();
    let asked = machine.asks(Some(&secret), "lost", "127.0.0.1:7");
    let first = client.join_node(&asked).unwrap();
    let again = client.join_node(&asked).unwrap();
    assert_eq!((first.outcome, again.outcome), (JoinOutcome::Created, JoinOutcome::Created));
    assert_eq!(first.node_id, again.node_id);
    let later = client.join_node(&machine.asks(Some(&secret), "lost", "127.0.0.1:7")).unwrap();
    assert_eq!(later.outcome, JoinOutcome::Unchanged);
    let thief = problem(client.join_node(&Machine::new().asks(Some(&secret), "lost", "127.0.0.1:7")));
    assert_eq!(thief.status, 401);
    assert_eq!(scene.mezctl.audit("node.join").len(), 1);
    assert_eq!(node(&scene, "lost").unwrap()["spec"]["host_keys"].as_array().unwrap().len(), 1);
}
