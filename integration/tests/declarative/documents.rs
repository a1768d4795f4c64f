//! `create`, `apply`, `get` and `rm`.

use crate::{ALL, Cluster, KEY};

const NODE: &str =
    "kind: node\nversion: v7\nsub_kind: openssh\nspec: {addr: '10.0.0.7:22', hostname: db-1}\n";

#[test]
fn everything_is_made_shown_and_removed_in_an_order_that_holds() {
    let cluster = Cluster::start();
    let made = cluster.send(&["create"], ALL);
    made.assert_ok();
    let order: Vec<String> =
        made.err().lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(order, ["created role", "created user", "created bot", "created node", "created lock"]);

    let shown = cluster.mezctl.list(&["get", "node/openssh-node"]);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["metadata"]["name"], "a100fdd0-52db-4eca-a7ab-c3afa7a1564a");
    assert_eq!(shown[0]["metadata"]["labels"]["norway"], "no");
    assert_eq!(shown[0]["metadata"]["labels"]["exponent"], "1e3");
    assert_eq!(shown[0]["spec"]["host_keys"][0], KEY);
    let alice = cluster.mezctl.json(&["users", "get", "alice"]);
    assert_eq!(alice["logins"], serde_json::json!(["root", "ubuntu"]));
    assert_eq!(alice["traits"], serde_json::json!({"team": ["dba", "web"]}));
    let bot = cluster.mezctl.json(&["bots", "show", "deploy"]);
    assert_eq!((&bot["ttl"], &bot["token"]), (&"30m".into(), &serde_json::Value::Null), "no token is made");
    let table = cluster.mezctl.ok(&["get", "all"]);
    for word in ["# role", "host-certifier", "alice", "deploy", "openssh-node", "user mallory"] {
        assert!(table.contains(word), "{word}: {table}");
    }

    let again = cluster.send(&["apply"], ALL);
    assert_eq!(again.assert_ok().err().matches("unchanged ").count(), 5, "{}", again.err());
    let removed = cluster.send(&["rm"], ALL);
    removed.assert_ok();
    assert!(removed.err().starts_with("removed lock") && removed.err().contains("removed role"));
    assert_eq!(cluster.mezctl.list(&["get", "users", "bots", "nodes", "locks"]).len(), 0);
    cluster.send(&["rm"], ALL).assert_code(4);
}

#[test]
fn what_exists_is_a_conflict_and_force_or_apply_replaces_it() {
    let cluster = Cluster::start();
    cluster.send(&["create"], NODE).assert_ok();
    let events = cluster.events();
    let both = format!("kind: role\nmetadata: {{name: new}}\n---\n{NODE}");
    let refused = cluster.send(&["create"], &both);
    assert!(refused.assert_code(5).err().contains("line 3: node db-1 exists already"), "{}", refused.err());
    assert_eq!(cluster.events(), events, "nothing is made where one is refused");

    let id = cluster.mezctl.list(&["get", "node/db-1"])[0]["metadata"]["name"].clone();
    let changed = format!("{NODE}metadata: {{labels: {{env: prod}}}}\n");
    for verb in [&["create", "--force"][..], &["apply"]] {
        let text = if verb.len() == 2 { changed.clone() } else { changed.replace("db-1", "DB-1") };
        let said = cluster.send(verb, &text);
        assert!(said.assert_ok().err().starts_with("replaced node"), "{}", said.err());
    }
    let node = &cluster.mezctl.list(&["get", "node/db-1"])[0];
    assert_eq!((&node["metadata"]["name"], &node["spec"]["hostname"]), (&id, &"DB-1".into()));
    // The UUID says which node it is: so it can be renamed.
    let renamed =
        changed.replace("labels", &format!("name: {}, labels", id.as_str().unwrap())).replace("db-1", "web");
    cluster.send(&["apply"], &renamed).assert_ok();
    cluster.mezctl.run(&["get", "node/db-1"]).assert_code(4);
    assert_eq!(cluster.mezctl.list(&["nodes", "ls"]).len(), 1);
    // Pinned keys are replaced with an event of their own.
    cluster
        .send(&["apply"], &renamed.replace("hostname: web", &format!("hostname: web, host_keys: [{KEY}]")))
        .assert_ok();
    assert_eq!(cluster.mezctl.audit("node.hostkey.rotate").len(), 1);
    assert_eq!(cluster.mezctl.json(&["audit", "verify"])["fault"], serde_json::Value::Null);
}

#[test]
fn a_revision_is_a_precondition() {
    let cluster = Cluster::start();
    cluster.send(&["create"], ALL).assert_ok();
    for name in ["role/host-certifier", "user/alice", "bot/deploy", "node/openssh-node"] {
        let shown = cluster.mezctl.ok(&["get", name, "--format", "json"]);
        let mut document: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let document = &mut document[0];
        assert!(document["metadata"]["revision"].as_u64().unwrap() > 0, "{name}");
        let unchanged = cluster.send(&["apply"], &document.to_string());
        assert!(unchanged.assert_ok().err().contains("unchanged"), "{}", unchanged.err());
        document["metadata"]["revision"] = 1.into();
        let events = cluster.events();
        let refused = cluster.send(&["apply"], &document.to_string());
        assert!(refused.assert_code(5).err().contains("is wanted at revision 1, but"), "{}", refused.err());
        assert_eq!(cluster.events(), events);
    }
}

#[test]
fn an_error_in_the_middle_says_what_was_done_and_what_was_not() {
    let cluster = Cluster::start();
    let text = "kind: role\nmetadata: {name: a}\n---\nkind: user\nmetadata: {name: bob}\nspec: {roles: [missing]}\n---\nkind: node\nspec: {addr: '10.0.0.7:22', hostname: db-1}\n";
    let said = cluster.send(&["apply"], text);
    let err = said.assert_code(2).err();
    assert!(
        err.contains("created role a\n") && err.contains("line 3: user bob: there is no role missing"),
        "{err}"
    );
    assert!(err.contains("1 done before it; 2 not done: user bob, node db-1"), "{err}");
    assert_eq!(cluster.mezctl.list(&["get", "nodes"]).len(), 0);
}

#[test]
fn what_we_do_not_have_is_named_with_its_line() {
    let cluster = Cluster::start();
    let events = cluster.events();
    for (text, line, key) in [
        (
            "kind: node\nsub_kind: teleport\nspec: {addr: 'a:22', hostname: a}\n",
            2,
            "every node here is a machine with its own sshd",
        ),
        (
            "kind: node\nspec:\n  addr: a:22\n  hostname: a\n  public_addr: b\n",
            5,
            "public_addr is for nodes with an agent",
        ),
        ("kind: node\nspec:\n  addr: a\n  hostname: a\n", 3, "addr"),
        (
            "kind: node\nmetadata: {name: not-a-uuid}\nspec: {addr: 'a:22', hostname: a}\n",
            2,
            "must be a UUID, as uuidgen",
        ),
        ("kind: node\nversion: v9\nspec: {addr: 'a:22', hostname: a}\n", 2, "v9"),
        (
            "kind: role\nversion: v5\nmetadata: {name: a}\nspec:\n  allow:\n    app_labels: {a: b}\n",
            6,
            "app_labels",
        ),
        (
            "kind: role\nmetadata: {name: a}\nspec:\n  allow:\n    rules:\n    - resources: [app]\n      verbs: [list]\n",
            6,
            "app",
        ),
        ("kind: user\nmetadata: {name: a}\nspec:\n  roles: []\n  created_by: {}\n", 5, "created_by"),
        ("kind: lock\nmetadata: {name: a}\nspec: {target: {user: a}}\n", 2, "UUID"),
        ("kind: cluster_auth_preference\n", 1, "cluster_auth_preference"),
    ] {
        let said = cluster.send(&["create"], text);
        let err = said.assert_code(2).err();
        assert!(err.contains(&format!("line {line}: ")) && err.contains(key), "{text}\n{err}");
    }
    assert_eq!(cluster.events(), events, "nothing is sent");
}

/// RFD 98 of Teleport: there a node without `sub_kind` has an agent. Here no node has.
#[test]
fn a_node_without_a_sub_kind_is_one_of_openssh_and_without_a_name_it_gets_one() {
    let cluster = Cluster::start();
    let document = "kind: node\nmetadata:\n  name: 5da56852-2adb-4540-a37c-80790203f6a9\nspec:\n  addr: 1.2.3.4:22\n  hostname: agentless-node\nversion: v2\n";
    cluster.send(&["create"], document).assert_ok();
    let sub_kind = document.replace("node\nmeta", "node\nsub_kind: openssh\nmeta");
    assert!(cluster.send(&["apply"], &sub_kind).assert_ok().err().starts_with("unchanged node"));
    let nameless = sub_kind
        .replace("metadata:\n  name: 5da56852-2adb-4540-a37c-80790203f6a9\n", "")
        .replace("agentless", "other");
    cluster.send(&["create"], &nameless).assert_ok();
    let nodes = cluster.mezctl.list(&["get", "nodes"]);
    assert!(nodes.iter().all(|node| node["sub_kind"] == "openssh"), "{nodes:?}");
    assert_eq!(nodes[0]["metadata"]["name"], "5da56852-2adb-4540-a37c-80790203f6a9");
    assert_eq!(nodes[1]["metadata"]["name"].as_str().map(str::len), Some(36));
    // What is shown can be made again.
    let shown = cluster.mezctl.ok(&["get", "node/other-node", "node/agentless-node"]);
    assert_eq!(
        cluster.send(&["create", "--force"], &shown).assert_ok().err().matches("unchanged").count(),
        2
    );
}

#[test]
fn a_lock_is_replaced_in_one_step_and_one_that_has_expired_is_left_out() {
    let cluster = Cluster::start();
    let lock = |rest: &str| {
        format!(
            "kind: lock\nmetadata: {{name: 5da56852-2adb-4540-a37c-80790203f6a9}}\nspec: {{target: {{user: mallory}}{rest}}}\n"
        )
    };
    let over = cluster.send(&["apply"], &lock(", expires: 2020-01-01T00:00:00Z"));
    assert!(over.assert_ok().err().contains("has expired"), "{}", over.err());
    cluster.send(&["apply"], &lock("")).assert_ok();
    cluster.send(&["create"], &lock("")).assert_code(5);
    cluster.send(&["apply"], &lock(", message: gone")).assert_ok();
    let locks = cluster.mezctl.list(&["locks", "ls"]);
    assert_eq!((locks.len(), &locks[0]["message"]), (1, &"gone".into()));
    assert_eq!(cluster.mezctl.audit("lock.delete").len(), 1, "the old one has its event");
    cluster.mezctl.ok(&["rm", "lock/5da56852-2adb-4540-a37c-80790203f6a9"]);
}

#[test]
fn what_the_manual_shows_is_taken() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manual/documents.md"));
    let manual = manual.unwrap();
    let documents: Vec<&str> =
        manual.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(documents.len(), 6);
    let cluster = Cluster::start();
    cluster.send(&["create"], &documents.join("---\n")).assert_ok();
    // And every resource and verb that it lists.
    let words = |after: &str| -> Vec<String> {
        let rest = manual.split(after).nth(1).unwrap().split(", and `*`").next().unwrap();
        rest.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (resources, verbs) = (words("Resources: "), words("Verbs: "));
    assert_eq!((resources.len(), verbs.len()), (13, 7));
    let role = format!(
        "kind: role\nmetadata: {{name: all}}\nspec: {{allow: {{rules: [{{resources: {resources:?}, verbs: {verbs:?}}}]}}}}\n"
    );
    cluster.send(&["apply"], &role).assert_ok();
}
