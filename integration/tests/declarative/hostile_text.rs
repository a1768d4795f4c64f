//! Row 84: text that a terminal or an eye would take for something else.

use std::process::Command;

use mezite_fixtures::{Finished, program, run};

use crate::Cluster;

/// What stands in descriptions, messages and traits: ESC, C1, CR, newline, tab, bidi, and much of it.
fn hostile() -> String {
    format!("x\u{1b}[31mred\u{9b}2J\r\n\t\u{202e}evil\u{2066}\u{200b}\u{7f}\u{8}{}", "w".repeat(10_000))
}

/// `mezctl` at a terminal, as `script` makes one.
fn at_terminal(cluster: &Cluster, arguments: &[&str]) -> Finished {
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let socket = cluster.mezctl.socket();
    let line =
        format!("{} --socket {} {}", program("mezctl").display(), socket.display(), arguments.join(" "));
    run(Command::new("script").args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1").env("TERM", "xterm"))
}

/// Whether what is shown holds nothing but text and newlines.
#[track_caller]
fn assert_plain(label: &str, shown: &str) {
    let deceptive = |character: char| mezite_api::is_deceptive(character) && character != '\n';
    let found = shown.chars().find(|character| deceptive(*character));
    assert_eq!(found, None, "{label}: {shown:.400}");
}

fn cluster() -> Cluster {
    let cluster = Cluster::start();
    let text = serde_json::to_string(&hostile()).unwrap();
    let message = serde_json::to_string(&hostile().chars().take(100).collect::<String>()).unwrap();
    let documents = format!(
        "{{\"kind\": \"role\", \"metadata\": {{\"name\": \"dev\", \"description\": {}}}}}\n---\n\
         {{\"kind\": \"user\", \"metadata\": {{\"name\": \"alice\"}}, \"spec\": {{\"roles\": [\"dev\"], \
         \"traits\": {{\"t\": [\"a\u{202e}b\u{2066}\"]}}}}}}\n---\n\
         {{\"kind\": \"lock\", \"metadata\": {{\"name\": \"5da56852-2adb-4540-a37c-80790203f6a9\"}}, \
         \"spec\": {{\"target\": {{\"user\": \"mallory\"}}, \"message\": {}}}}}\n",
        mezite_api::escape_json(&text),
        mezite_api::escape_json(&message)
    );
    cluster.send(&["create"], &documents).assert_ok();
    cluster
}

#[test]
fn hostile_084_one_thing_is_one_line_at_a_terminal_and_in_a_pipe() {
    let cluster = cluster();
    for (arguments, lines) in [
        (&["roles", "ls"][..], 1 + 3),
        (&["locks", "ls"], 1 + 1),
        (&["users", "ls"], 1 + 1),
        (&["get", "role/dev", "--format=text"], 1 + 1),
        (&["get", "locks"], 1 + 1),
        (&["get", "user/alice", "--format=text"], 1 + 1),
        (&["audit", "ls", "--type", "lock.create"], 1 + 1),
    ] {
        let piped = cluster.mezctl.ok(arguments);
        assert_plain("piped", &piped);
        assert_eq!(piped.lines().count(), lines, "{arguments:?}: {piped}");
        let shown = at_terminal(&cluster, arguments);
        // The terminal itself makes a newline of two bytes.
        let shown = shown.assert_ok().out().replace("\r\n", "\n");
        assert_plain("terminal", &shown);
        assert_eq!(shown.lines().count(), lines, "{arguments:?}: {shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 2_000), "{arguments:?}");
    }
}

#[test]
fn hostile_084_documents_are_whole_and_escaped_at_a_terminal_and_in_a_pipe() {
    let cluster = cluster();
    for name in [
        &["get", "role/dev"][..],
        &["get", "all"],
        &["roles", "get", "dev"],
        &["locks", "ls"],
        &["audit", "ls"],
    ] {
        for format in ["json", "yaml"] {
            let arguments = [name, &["--format", format]].concat();
            let piped = cluster.mezctl.ok(&arguments);
            assert_plain(&format!("{arguments:?}"), &piped);
            let shown = at_terminal(&cluster, &arguments).assert_ok().out().replace("\r\n", "\n");
            assert_eq!(shown, piped, "{arguments:?}");
        }
        serde_json::from_str::<serde_json::Value>(
            &cluster.mezctl.ok(&[name, &["--format", "json"]].concat()),
        )
        .unwrap();
    }
    let role = &cluster.mezctl.list(&["get", "role/dev"])[0];
    assert_eq!(role["metadata"]["description"], hostile());
    assert_plain("export", &cluster.mezctl.ok(&["export"]));
    let exported = cluster.mezctl.ok(&["export"]);
    assert_eq!(cluster.send(&["apply"], &exported).assert_ok().err().matches("unchanged").count(), 3);
}

#[test]
fn hostile_084_errors_repeat_nothing_that_a_terminal_obeys() {
    let cluster = Cluster::start();
    let text = hostile();
    let key = serde_json::to_string(&text).unwrap();
    let file = format!("kind: user\nmetadata: {{name: a}}\nspec: {{{}: 1}}\n", mezite_api::escape_json(&key));
    for said in [
        cluster.send(&["apply"], &file),
        cluster.send(&["apply"], &format!("kind: {}\n", mezite_api::escape_json(&key))),
        cluster.mezctl.run(&["apply", "-f", "a\u{1b}[31m\u{9b}\u{202e}b"]),
        cluster.mezctl.run(&["get", "node/a\u{1b}[31m\u{202e}"]),
        cluster.mezctl.run(&["rm", "user/a\u{1b}[31m\u{202e}"]),
        cluster.mezctl.run(&["users", "get", "a\r\n\u{9b}31m"]),
    ] {
        assert_ne!(said.code, Some(0));
        assert_plain("error", &said.err());
        assert!(said.err().lines().count() <= 2, "{}", said.err());
    }
    let mistaken = cluster.mezctl.run(&["no\u{1b}[31m\u{9b}\u{202e}des"]);
    assert_plain("usage", &mistaken.assert_code(2).err());
}

#[test]
fn hostile_084_completion_knows_no_names_and_is_text() {
    let cluster = cluster();
    for shell in ["bash", "zsh", "fish"] {
        let script = cluster.mezctl.ok(&["completion", shell]);
        let plain = script
            .chars()
            .all(|character| !mezite_api::is_deceptive(character) || "\n\t".contains(character));
        assert!(plain && script.contains("rotate-host-key") && !script.contains("mallory"), "{shell}");
    }
    let script = cluster.scratch.write("completion", cluster.mezctl.ok(&["completion", "bash"]));
    run(Command::new("bash").arg("-n").arg(script)).assert_ok();
}
