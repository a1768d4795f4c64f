//! Row 71: YAML that is meant to mislead.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mezite_fixtures::run;

use crate::Cluster;

/// Longer than any of these may take; they take milliseconds.
const ANSWER_TIME: Duration = Duration::from_secs(20);

fn bomb() -> String {
    let head = "kind: user\nmetadata: {name: a}\nspec:\n  a: &a [x, x, x, x, x, x, x, x, x]";
    let line = |pair: &[&str]| {
        format!("  {}: &{} [{}]", pair[1], pair[1], vec![format!("*{}", pair[0]); 8].join(", "))
    };
    let lines: Vec<String> = ["a", "b", "c", "d", "e", "f", "g"].windows(2).map(line).collect();
    format!("{head}\n{}\n", lines.join("\n"))
}

#[test]
fn hostile_071_yaml_is_refused_with_its_line_and_nothing_is_sent() {
    let cluster = Cluster::start();
    let events = cluster.events();
    let node = |labels: &str| {
        format!("kind: node\nspec: {{addr: 'a:22', hostname: a}}\nmetadata:\n  labels:\n{labels}")
    };
    let role = "kind: role\nmetadata: {name: a}\nspec:\n  deny: {logins: [root]}\n  deny: {}\n";
    let good = "kind: user\nmetadata: {name: good}\nspec: {roles: []}\n---\n";
    for (label, text, line) in [
        ("alias bomb", bomb(), Some(4)),
        ("alias", node("    a: &x b\n    c: *x\n"), Some(5)),
        ("merge key", node("    <<: {a: b}\n"), Some(5)),
        ("tag", node("    a: !!python/object:os.system x\n"), Some(5)),
        ("custom tag", node("    a: !x y\n"), Some(5)),
        ("label twice", node("    a: b\n    a: c\n"), Some(6)),
        ("deny twice", role.to_owned(), Some(5)),
        ("kind twice", "kind: user\nkind: role\nmetadata: {name: a}\n".to_owned(), Some(2)),
        ("tab", "kind: user\nmetadata:\n\tname: a\n".to_owned(), Some(3)),
        ("no document", "# nothing\n".to_owned(), None),
        ("bad UTF-16", "\u{feff}\u{0}k".to_owned(), Some(1)),
        ("no mapping", "- kind: user\n".to_owned(), Some(1)),
        ("one is bad", format!("{good}kind: user\nmetadata: {{name: b}}\nspec: {{admin: true}}\n"), Some(7)),
        ("twice the same", format!("{good}{}", good.trim_end_matches("---\n")), Some(4)),
        (
            "10 MiB",
            format!("kind: user\nmetadata: {{name: a}}\nspec:\n  roles:\n{}", "  - a\n".repeat(2 << 20)),
            Some(1),
        ),
        ("deep", format!("kind: user\nmetadata: {{name: a}}\nspec: {}", "[".repeat(100_000)), Some(3)),
        ("unterminated", "kind: user\nmetadata: {name: \"a\n".to_owned(), None),
        ("directive", "%YAML 1.1\n---\nkind: user\nmetadata: {name: a}\n".to_owned(), None),
    ] {
        let file = cluster.scratch.write("hostile.yaml", &text).display().to_string();
        for verb in ["create", "apply", "rm"] {
            let begun = Instant::now();
            let said = cluster.mezctl.run(&[verb, "-f", &file]);
            assert!(begun.elapsed() < ANSWER_TIME, "{label}");
            let err = said.assert_code(2).err();
            if let Some(line) = line {
                assert!(err.contains(&format!("line {line}: ")), "{label}: {err}");
            }
            assert!(err.len() < 1000, "{label}: {err}");
            let piped = cluster.send(&[verb], &text);
            piped.assert_code(2);
        }
    }
    assert_eq!(cluster.events(), events, "nothing is sent");
}

#[test]
fn hostile_071_labels_stay_text() {
    let cluster = Cluster::start();
    let values = ["no", "1e3", "0x1f", "2026-01-01", "12:30", "on", "+1", ".5"];
    let labels: Vec<String> =
        values.iter().enumerate().map(|(n, value)| format!("    k{n}: {value}\n")).collect();
    let labels = labels.concat();
    let text = format!("kind: node\nspec: {{addr: 'a:22', hostname: a}}\nmetadata:\n  labels:\n{labels}");
    cluster.send(&["create"], &text).assert_ok();
    let stored = &cluster.mezctl.list(&["get", "node/a"])[0]["metadata"]["labels"];
    for (n, value) in values.iter().enumerate() {
        assert_eq!(stored[format!("k{n}")], *value);
    }
    assert!(cluster.send(&["apply"], &text).err().starts_with("unchanged"));
}

#[test]
fn hostile_071_a_fifo_and_a_folder_hold_nothing_up() {
    let cluster = Cluster::start();
    let fifo = cluster.scratch.join("fifo");
    run(Command::new("mkfifo").arg(&fifo)).assert_ok();
    for path in [fifo.as_path(), cluster.scratch.path(), Path::new("/dev/zero"), Path::new("/missing")] {
        let begun = Instant::now();
        cluster.mezctl.run(&["apply", "-f", &path.display().to_string()]).assert_code(2);
        assert!(begun.elapsed() < ANSWER_TIME, "{}", path.display());
    }
}
