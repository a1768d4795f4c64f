//! What machine identities cost: renewals a second, joins, memory of an idle `mezd identity`, and ten thousand bots.
//!
//! `cargo build --release -p mezd -p mezctl`, then `cargo bench -p mezite-integration --bench identity -- [--seconds N]`.
//! Never part of the tests.

// A measurement that cannot be made must end.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

mod bot;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mezite_fixtures::{Gateway, Running, Scene, eventually, program, repository};

use bot::{Bot, latencies};

/// Connections that renew side by side.
const BOTS: usize = 32;
/// Joins that are timed one by one.
const JOINS: usize = 300;
/// Ten thousand bots that renew every half hour.
const RENEWALS_A_SECOND: f64 = 10_000.0 / 1800.0;

fn main() {
    if std::env::var_os("MEZITE_BIN_DIR").is_none() {
        let folder = repository().join("target/release");
        // Before any thread runs and any program is started.
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(std::env::args_os().skip(1))
            .env("MEZITE_BIN_DIR", folder)
            .status();
        std::process::exit(status.ok().and_then(|status| status.code()).unwrap_or(1));
    }
    let seconds = std::env::args().skip_while(|argument| argument != "--seconds").nth(1);
    let time = Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(10));
    let scene = Scene::start();
    joins(&scene);
    renewals(&scene, time);
    fleet(&scene, time);
    idle(&scene);
}

/// Token check, two signatures and a commit, one after the other on one connection.
fn joins(scene: &Scene) {
    let tokens: Vec<String> = (0..JOINS).map(|index| Bot::token(scene, &format!("join-{index}"))).collect();
    let mut connection = bot::connect(scene, None);
    let times = tokens.iter().map(|token| {
        let body = bot::join_body(token);
        let start = Instant::now();
        bot::post(&mut connection, "/v1/bots/join", &body);
        start.elapsed()
    });
    println!("join (token check, signing, commit with sync)      {}", latencies(times.collect()));
}

/// As many renewals as the gateway takes, on connections that stand; each is synced to disk in its commit group.
fn renewals(scene: &Scene, time: Duration) {
    let bots: Vec<Bot> = (0..BOTS).map(|index| Bot::join(scene, &format!("renew-{index}"))).collect();
    let (before, stop) = (cpu(&scene.gateway), AtomicBool::new(false));
    let start = Instant::now();
    let times: Vec<Duration> = thread::scope(|scope| {
        let workers: Vec<_> = bots.iter().map(|bot| scope.spawn(|| bot.renew_until(scene, &stop))).collect();
        thread::sleep(time);
        stop.store(true, Ordering::SeqCst);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (took, count) = (start.elapsed().as_secs_f64(), times.len() as f64);
    let spent = cpu(&scene.gateway).saturating_sub(before).as_secs_f64();
    println!("renewals a second, {BOTS} connections (goal: 1000)     {:.0}", count / took);
    println!("renewal                                            {}", latencies(times));
    println!("gateway's processor time for a renewal             {:.2} ms", spent * 1000.0 / count);
}

/// Whole rounds as `mezd identity` makes them: a connection to renew, another one to say that the pair has arrived.
fn fleet(scene: &Scene, time: Duration) {
    let mut bot = Bot::join(scene, "fleet");
    let (before, start) = (cpu(&scene.gateway), Instant::now());
    let mut rounds = 0.0;
    while start.elapsed() < time {
        bot.round(scene);
        rounds += 1.0;
    }
    let spent = cpu(&scene.gateway).saturating_sub(before).as_secs_f64() / rounds;
    println!("gateway's processor time for a round, handshakes too {:.2} ms", spent * 1000.0);
    println!(
        "10,000 bots every 30 min (goal: 5 % of a core)     {:.2} %, from {rounds:.0} rounds",
        spent * RENEWALS_A_SECOND * 100.0
    );
}

/// A daemon that has joined and waits.
fn idle(scene: &Scene) {
    let token = Bot::token(scene, "idle");
    let file = scene.scratch.write("idle-token", token);
    let folder = scene.scratch.join("idle");
    let mut command = std::process::Command::new(program("mezd"));
    command.args(["identity", "start", &format!("--join-token=@{}", file.display())]);
    command.arg(format!("--auth-server=localhost:{}", scene.gateway.https().port()));
    command.arg(format!("--destination={}", folder.display()));
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let daemon = Running::start(&mut command, &scene.scratch.join("idle.log"));
    eventually("certificates", || daemon.log().contains("certificates written").then_some(()));
    let pid = daemon.pid();
    let generations = eventually("the acknowledgement", || {
        let known = scene.mezctl.list(&["bots", "instances", "idle"]);
        (known[0]["generation"] == 1).then_some(known.len())
    });
    assert_eq!(generations, 1);
    let kib = |field: &str| status(pid, field);
    println!(
        "idle mezd identity, RSS (goal: 8 MiB)               {:.1} MiB, of it its own {:.1} MiB",
        kib("VmRSS:") as f64 / 1024.0,
        kib("RssAnon:") as f64 / 1024.0
    );
}

fn status(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Processor time that the gateway has used, in ticks of 10 ms.
fn cpu(gateway: &Gateway) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
