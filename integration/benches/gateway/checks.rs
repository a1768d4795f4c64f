//! `nodes check --all` over many nodes, and what those notice who connect meanwhile.

use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use mezite_fixtures::{KeyType, generate_key, public_key};
use serde_json::Value;

use crate::connects::connect;
use crate::options::Options;
use crate::stage::{Cipher, Path, Stage};
use crate::statistics::percentile;
use crate::tables::{Goals, Table, coarse};
use crate::yardsticks::{Started, Yardstick};

/// Programs that are nodes; each is many.
const PROGRAMS: usize = 4;
/// Seconds that all of them may take.
const GOAL: f64 = 60.0;

/// Measures and prints.
pub fn run(options: &Options, goals: &mut Goals) {
    let stage = Stage::start(&[Cipher::Default]);
    let _nodes = enrol(&stage, options.nodes);
    connect(stage.ssh(Path::Gateway, Cipher::Default, &[]));
    let alone = connects(&stage, options.connections, &AtomicBool::new(false));
    let over = AtomicBool::new(false);
    let (seconds, beside) = thread::scope(|scope| {
        let beside = scope.spawn(|| connects(&stage, usize::MAX, &over));
        let seconds = check_all(&stage, options.nodes);
        over.store(true, Ordering::Relaxed);
        (seconds, beside.join().expect("connections succeed"))
    });
    print(options.nodes, seconds, &alone, &beside);
    goals.at_most(format!("`nodes check --all`, {} nodes: seconds", options.nodes), GOAL, seconds);
}

/// Makes so many nodes, which are few programs.
fn enrol(stage: &Stage, count: usize) -> Vec<Started> {
    let scene = stage.scene();
    let key = scene.scratch.join("node-key");
    generate_key(&key, KeyType::Ed25519);
    let start = |number| {
        let log = scene.scratch.join(format!("engine-node-{number}.log"));
        Yardstick::Node { key: key.clone() }.start(&log)
    };
    let programs: Vec<Started> = (0..PROGRAMS).map(start).collect();
    let mut documents = String::new();
    for number in 0..count {
        let port = programs[number % PROGRAMS].port();
        let pin = public_key(&key);
        let _ = writeln!(
            documents,
            "---\nkind: node\nmetadata: {{labels: {{bench: checked}}}}\nspec:\n  hostname: node-{number}\n  \
             addr: 127.0.0.1:{port}\n  host_keys: [{pin}]"
        );
    }
    let file = scene.scratch.write("nodes.yaml", documents);
    let file = file.display().to_string();
    scene.mezctl.ok(&["create", "-f", &file]);
    programs
}

/// Seconds that it takes to look at all of them.
fn check_all(stage: &Stage, count: usize) -> f64 {
    let mut check =
        stage.mezctl().command(&["nodes", "check", "--all", "--labels=bench=checked", "--format=json"]);
    let start = Instant::now();
    let said = check.stderr(Stdio::null()).output().expect("mezctl starts");
    let seconds = start.elapsed().as_secs_f64();
    let checked: Vec<Value> = serde_json::from_slice(&said.stdout).expect("a list");
    assert_eq!(checked.iter().filter(|node| node["ok"] == true).count(), count, "every node is well");
    seconds
}

/// Milliseconds of connections, one after the other, until there are enough or it is over.
fn connects(stage: &Stage, most: usize, over: &AtomicBool) -> Vec<f64> {
    let mut walls = Vec::new();
    while walls.len() < most && !over.load(Ordering::Relaxed) {
        walls.push(connect(stage.ssh(Path::Gateway, Cipher::Default, &[])));
    }
    walls
}

fn print(nodes: usize, seconds: f64, alone: &[f64], beside: &[f64]) {
    let title = format!(
        "`nodes check --all`, {nodes} nodes, 64 at once: {seconds:.1} s; connect, `true`, close: milliseconds"
    );
    let mut table = Table::new(&title, &["connections", "p50", "p99", "count"]);
    for (name, walls) in [("without it", alone), ("beside it", beside)] {
        let count = Some(walls.len().to_string());
        table.row(name, &[coarse(percentile(walls, 0.5)), coarse(percentile(walls, 0.99)), count]);
    }
    table.print();
}
