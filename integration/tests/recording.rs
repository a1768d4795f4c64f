//! Sessions are recorded as the role says, and play back as they were.

// Helpers of tests end a test as tests do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use mezite_fixtures::{Scene, account, eventually, run, run_with_input};
use mezite_integration::{Master, assert_one_event, recordings, text};
use serde_json::Value;

/// The objects of `recordings export --format json`: header, frames, end.
fn frames(scene: &Scene, session: &str) -> Vec<Value> {
    let lines = scene.mezctl.ok(&["recordings", "export", session, "--format", "json"]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn command_is_listed_and_played_back() {
    let scene = Scene::start();
    scene.ssh("echo to stdout; echo to stderr >&2; exit 3").assert_code(3);
    let all = recordings(&scene, 1);
    let one = &all[0];
    for (field, value) in [
        ("user", "alice"),
        ("login", scene.login),
        ("node", "node1"),
        ("kind", "exec"),
        ("state", "complete"),
    ] {
        assert_eq!(text(one, field), value, "{one}");
    }
    assert!(one["bytes"].as_u64().unwrap() > 0 && text(one, "started") < text(one, "ended"), "{one}");

    let session = text(one, "session");
    let played = scene.mezctl.ok(&["recordings", "play", session]);
    assert!(played.contains("to stdout") && played.contains("to stderr"), "{played}");
    let ended = assert_one_event(&scene, "session.end", &[("session", session)]);
    assert!(ended.to_string().contains(session), "{ended}");
    assert_one_event(&scene, "recording.play", &[("session", session)]);
    run(&mut scene.mezctl.command(&["recordings", "play", "00000000-0000-4000-8000-000000000000"]))
        .assert_code(4);
}

#[test]
fn shell_is_recorded_whole_with_its_terminal() {
    if !account::has_pty() {
        eprintln!("not run: sshd of an ordinary user gives no pty on this machine");
        return;
    }
    let scene = Scene::start();
    let said = run_with_input(&mut scene.route().ssh(&["-tt"]), b"echo shown in the shell\nexit\n");
    said.assert_ok();
    let all = recordings(&scene, 1);
    assert_eq!(text(&all[0], "kind"), "shell");
    let session = text(&all[0], "session");
    let played = scene.mezctl.ok(&["recordings", "play", session]);
    assert!(played.contains("shown in the shell"), "{played}");

    let cast = scene.mezctl.ok(&["recordings", "export", session, "--format", "asciicast"]);
    let head: Value = serde_json::from_str(cast.lines().next().unwrap()).unwrap();
    assert_eq!(head["version"], 2);
    assert!(head["width"].is_u64() && head["height"].is_u64(), "{head}");
    let shown: String = cast
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event[1] == "o")
        .map(|event| event[2].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, said.out(), "the recording is what the client saw");
}

#[test]
fn exports_go_to_a_file_and_name_the_session() {
    let scene = Scene::start();
    scene.ssh("printf 'red \\033[31mtext\\033[0m\\n'").assert_ok();
    let all = recordings(&scene, 1);
    let session = text(&all[0], "session");
    let out = scene.scratch.join("export.txt");
    let out_text = out.display().to_string();
    scene.mezctl.ok(&["recordings", "export", session, "--format", "text", "--out", &out_text]);
    assert_eq!(fs::read_to_string(&out).unwrap().lines().next(), Some("red text"));
    let all = frames(&scene, session);
    assert_eq!((&all[0]["type"], &all[all.len() - 1]["state"]), (&"header".into(), &"complete".into()));
    // One to the file, one to stdout.
    assert_eq!(scene.mezctl.audit("recording.export").len(), 2);
}

#[test]
fn each_session_of_a_connection_has_its_own_recording() {
    let scene = Scene::start();
    let master = Master::open(&scene, scene.route());
    for number in 0..3 {
        run(master.ssh(&[]).arg(format!("echo number {number}"))).assert_ok();
    }
    let all = recordings(&scene, 3);
    assert_eq!(all.len(), 3);
    for (number, one) in all.iter().enumerate() {
        let played = scene.mezctl.ok(&["recordings", "play", text(one, "session")]);
        assert!(played.contains(&format!("number {number}")), "{played}");
    }
    let starts = scene.mezctl.audit("session.start");
    assert!(starts.iter().all(|event| event["conn"] == starts[0]["conn"]));
}

#[test]
fn long_output_of_a_command_is_recorded_to_its_limit_and_counted_beyond() {
    let scene = Scene::with_role_options(&["record_exec_limit: 64KiB"]);
    let said = scene.ssh("head -c 5000000 /dev/zero | tr '\\0' x");
    assert_eq!(said.assert_ok().stdout.len(), 5_000_000);
    let all = recordings(&scene, 1);
    let frames = frames(&scene, text(&all[0], "session"));
    let digest = frames.iter().find(|frame| frame["type"] == "exec-digest").unwrap();
    assert_eq!((&digest["total"], &digest["recorded"]), (&5_000_000.into(), &65_536.into()), "{digest}");
}

#[test]
fn recording_that_is_off_leaves_no_file_and_still_an_event() {
    let scene = Scene::with_role_options(&["record_session: 'off'"]);
    scene.ssh("echo unseen").assert_ok();
    eventually("the end of the session in the audit log", || {
        (scene.mezctl.audit("session.end").len() == 1).then_some(())
    });
    assert!(scene.mezctl.list(&["recordings", "ls"]).is_empty());
}

/// The folder of this year's recordings.
fn year(scene: &Scene) -> PathBuf {
    let year = run(Command::new("date").args(["-u", "+%Y"])).assert_ok().out();
    scene.gateway.data().join("recordings").join(year.trim())
}

/// Puts a file where the folder of recordings has to be: nothing can be written there any more, even by root.
fn break_recordings(scene: &Scene) {
    let folder = year(scene);
    if folder.exists() {
        fs::rename(&folder, folder.with_extension("away")).unwrap();
    }
    fs::write(&folder, "").unwrap();
}

fn mend_recordings(scene: &Scene) {
    fs::remove_file(year(scene)).unwrap();
}

#[test]
fn strict_session_does_not_run_where_it_cannot_be_recorded() {
    let mut scene = Scene::start();
    scene.ssh("true").assert_ok();
    break_recordings(&scene);
    let marker = scene.scratch.shared_folder("node").join("ran");
    let said = scene.ssh(&format!("touch {}; echo ran", marker.display()));
    assert!(matches!(said.code, Some(254 | 255)), "{said:?}");
    assert_eq!(said.out(), "");
    assert!(said.err().contains("mezite: "), "{said:?}");
    assert!(!marker.exists(), "the command ran unrecorded");
    assert!(!scene.mezctl.audit("recording.fail").is_empty());

    mend_recordings(&scene);
    eventually("recording to work again", || (scene.ssh("true").code == Some(0)).then_some(()));
    scene.assert_alive();
}

#[test]
fn best_effort_session_runs_where_it_cannot_be_recorded_and_says_so() {
    let scene = Scene::with_role_options(&["record_session: best_effort"]);
    break_recordings(&scene);
    assert_eq!(scene.ssh("echo ran").assert_ok().out(), "ran\n");
    assert!(!scene.mezctl.audit("recording.degraded").is_empty());
}

#[test]
fn nobody_else_reads_the_recordings_on_disk() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::start();
    scene.ssh("echo secret").assert_ok();
    recordings(&scene, 1);
    for name in ["", "recordings", "mezctl.sock"] {
        let path = scene.gateway.data().join(name);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}
