//! Rows 77, 81 and 83: time that jumps, gateways that are away, full disks, signals, and two at one place.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::SignedDuration;
use mezite_fixtures::{GatewayOptions, Scene, SceneOptions, eventually, program, run};
use mezite_identity::{
    Admission, DEFAULT_KEY_LIFETIME, Daemon, Event, HOOK_LIMIT, Hook, IdentityError, JoinToken, KeyType,
    Names, Record, Settings,
};
use rustix::process::Signal;

use crate::clock::{MovedClock, Watcher};
use mezite_integration::bot::{BOT, Identity, add, add_bot, names, rotate};

/// The settings of an identity whose daemon runs in the test itself.
pub fn settings(identity: &Identity<'_>, token: Option<&str>) -> Settings {
    Settings {
        auth_server: format!("localhost:{}", identity.scene.gateway.https().port()).parse().unwrap(),
        admission: token.map(|token| Admission::Token(JoinToken::parse(token).unwrap())),
        ca_pin: None,
        destination: identity.folder.clone(),
        renewal_interval: None,
        key_type: KeyType::Ecdsa,
        key_lifetime: DEFAULT_KEY_LIFETIME,
        on_renew: None,
        hook_limit: HOOK_LIMIT,
        names: Names::Links,
        program: program("mezd"),
    }
}

fn once(settings: &Settings, clock: &MovedClock, hook: Hook) -> Result<Record, IdentityError> {
    Daemon::new(settings, clock, channel(), hook)?.once()
}

fn keep(settings: &Settings, clock: &MovedClock) -> Result<(), IdentityError> {
    Daemon::new(settings, clock, channel(), Hook::default())?.keep()
}

fn nobody() -> Watcher {
    Box::new(|_, _| None)
}

#[test]
fn hostile_081_a_clock_ten_minutes_off_changes_nothing() {
    let scene = Scene::start();
    let mut token = add_bot(&scene);
    for minutes in [-10, 10, -24 * 60, 24 * 60] {
        let identity = Identity::new(&scene, &format!("off{minutes}"));
        let clock = MovedClock::new(SignedDuration::from_mins(minutes), nobody());
        let record = once(&settings(&identity, Some(&token)), &clock, Hook::default()).unwrap();
        assert!((record.clock_offset + minutes * 60).abs() <= 2, "{record:?}");
        // The life counts from when it was given out, and the next one is due in a third of it.
        let now = mezite_identity::Clock::now(&clock);
        assert!(!record.is_expired(now) && record.lifetime() > Duration::from_secs(3590), "{record:?}");
        let due = record.renew_at.duration_since(now).as_secs();
        assert!((1080..=1320).contains(&due), "{due}");
        identity.ssh("true").assert_ok();
        assert_eq!(once(&settings(&identity, None), &clock, Hook::default()).unwrap().generation, 2);
        token = rotate(&scene);
    }
}

#[test]
fn hostile_081_it_renews_at_once_after_a_long_sleep_and_when_the_clock_jumps() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    // A machine that sleeps for two hours, and one whose clock is set back for a day.
    for jump in [2, -24, 24] {
        let before = identity.generation();
        let folder = identity.folder.clone();
        let mut jumped = false;
        let clock = MovedClock::new(
            SignedDuration::ZERO,
            Box::new(move |hands, _| {
                if !jumped {
                    jumped = true;
                    hands.offset += SignedDuration::from_hours(jump);
                    // Asleep: time has passed too.
                    if jump == 2 {
                        hands.passed += Duration::from_hours(2);
                    }
                    return None;
                }
                let text = fs::read(folder.join("identity.json")).unwrap();
                let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
                (record["generation"].as_u64().unwrap() > before).then_some(Event::Stop)
            }),
        );
        keep(&settings(&identity, None), &clock).unwrap();
        assert_eq!(identity.generation(), before + 1, "{jump}");
        let waited: Duration = clock.waits().iter().sum();
        assert!(waited < Duration::from_hours(2), "{jump}: {:?}", clock.waits());
    }
    identity.ssh("true").assert_ok();
}

#[test]
fn hostile_077_an_hour_without_a_gateway_is_waited_out() {
    let mut scene = Scene::start();
    let token = add_bot(&scene);
    let (start, settings) = {
        let identity = Identity::joined(&scene, "certs", &token);
        (identity.generation(), settings(&identity, None))
    };
    scene.gateway.kill9();
    // The renewal is due after twenty minutes; an hour of failures follows.
    let end = Duration::from_mins(85);
    let watcher: Watcher = Box::new(move |_, passed| (passed >= end).then_some(Event::Stop));
    let clock = MovedClock::new(SignedDuration::ZERO, watcher);
    keep(&settings, &clock).unwrap();
    let waits = clock.waits();
    let pauses: Vec<u64> = waits.iter().skip(1).map(Duration::as_secs).collect();
    assert!(pauses.len() > 12, "{waits:?}");
    assert!(pauses.iter().all(|pause| *pause <= 330), "they end at five minutes: {waits:?}");
    assert!(pauses[..4].iter().sum::<u64>() < 20, "the first ones are short: {waits:?}");
    scene.gateway.start_again();
    let identity = Identity::new(&scene, "certs");
    assert_eq!(identity.generation(), start, "the old pair stays where it is");
    identity.ssh("true").assert_ok();
    // Whoever has waited so long renews as soon as somebody answers.
    let folder = identity.folder.clone();
    let watcher: Watcher = Box::new(move |_, _| {
        let text = fs::read(folder.join("identity.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
        (record["generation"].as_u64().unwrap() > start).then_some(Event::Stop)
    });
    let late = MovedClock::new(SignedDuration::from_mins(85), watcher);
    keep(&settings, &late).unwrap();
    assert_eq!(identity.generation(), start + 1);
}

#[test]
fn hostile_081_an_expired_identity_is_renewed_within_the_window_and_not_after_it() {
    let arguments = vec!["--recovery-window=2s".to_owned()];
    let gateway = GatewayOptions { arguments, ..GatewayOptions::default() };
    let scene = Scene::with(SceneOptions { gateway, ..SceneOptions::default() });
    let identity = Identity::joined(&scene, "certs", &add(&scene, &["--ttl=2s"]));
    let status = || {
        let mut status = Command::new(program("mezd"));
        run(status.args(["identity", "status"]).arg(format!("--destination={}", identity.folder.display())))
    };
    status().assert_ok();
    eventually("the end of the certificates", || (status().code == Some(1)).then_some(()));
    identity.renew().assert_ok();
    status().assert_ok();
    // Beyond the window only a token helps, and the message says so.
    let said = eventually("the end of the window", || {
        let clock = MovedClock::new(SignedDuration::ZERO, nobody());
        let mut quiet = settings(&identity, None);
        quiet.renewal_interval = None;
        let refused = once(&quiet, &clock, Hook::default());
        match refused {
            Err(error @ (IdentityError::NotRenewed(_) | IdentityError::NoIdentity(_))) => Some(error),
            Ok(_) => {
                // It was renewed in time: wait for the end of that one, and of the window behind it.
                std::thread::sleep(Duration::from_millis(4500));
                None
            }
            Err(_) => None,
        }
    });
    assert_eq!(said.exit_code(), 1);
    let said = identity.renew();
    assert!(said.assert_code(1).err().contains("not renew"), "{}", said.err());
    identity.once(&rotate(&scene)).assert_ok();
}

#[test]
fn hostile_081_an_interval_beyond_the_life_is_refused_before_the_token_is_used() {
    let scene = Scene::start();
    let token = add(&scene, &["--ttl=30m"]);
    let identity = Identity::new(&scene, "certs");
    let file = scene.scratch.write("token", &token);
    let argument = format!("--join-token=@{}", file.display());
    for interval in ["30m", "1h"] {
        let said =
            run(&mut identity.start(&["--one-shot", &argument, &format!("--renewal-interval={interval}")]));
        assert!(said.assert_code(2).err().contains("shorter than the certificates live"), "{}", said.err());
    }
    run(&mut identity.start(&["--one-shot", &argument, "--renewal-interval=29m"])).assert_ok();
    let said = run(&mut identity.start(&["--renewal-interval=45m"]));
    assert!(said.assert_code(2).err().contains("shorter than the certificates live"), "{}", said.err());
}

#[test]
fn hostile_077_a_full_disk_leaves_the_old_pair_and_locks_nobody() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    for kind in
        [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied]
    {
        let before = identity.generation();
        let hook = Hook::new(move |step| {
            let fails = step.starts_with("write ssh_key-cert") || step.starts_with("create ssh_key-cert");
            if fails { Err(kind.into()) } else { Ok(()) }
        });
        let clock = MovedClock::new(SignedDuration::ZERO, nobody());
        let error = once(&settings(&identity, None), &clock, hook).unwrap_err();
        assert!(matches!(error, IdentityError::File { .. }), "{error}");
        // It has tried with pauses, the old pair works, and N+1 was given out again and again.
        assert_eq!(clock.waits().len(), 4);
        assert_eq!(identity.generation(), before);
        identity.ssh("true").assert_ok();
        identity.renew().assert_ok();
        assert_eq!(identity.generation(), before + 1);
    }
    assert!(scene.mezctl.audit("bot.generation.mismatch").is_empty());
}

#[test]
fn hostile_083_two_at_one_place_are_one_too_many() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let pid_file = scene.scratch.join("pid");
    let mut daemon = identity.daemon(&[format!("--pid-file={}", pid_file.display())]);
    let pid =
        eventually("the pid file", || fs::read_to_string(&pid_file).ok().filter(|pid| pid.ends_with('\n')));
    assert_eq!(pid.trim(), daemon.pid().to_string());
    for arguments in [&["--one-shot"][..], &[]] {
        let said = run(&mut identity.start(arguments));
        let place = format!("in use by process {}", daemon.pid());
        assert!(said.assert_code(1).err().contains(&place), "{}", said.err());
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert!(!pid_file.exists());
    identity.renew().assert_ok();
}

#[test]
fn signals_renew_report_and_stop() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let told = scene.scratch.join("told");
    let hook = format!("--on-renew=echo \"$MEZITE_DESTINATION\" >> {}", told.display());
    let mut daemon = identity.daemon(&[hook]);
    eventually("the lock", || {
        let lock = fs::read_to_string(identity.folder.join("lock")).unwrap_or_default();
        (lock.trim() == daemon.pid().to_string()).then_some(())
    });
    daemon.signal(Signal::HUP);
    identity.until_generation(2);
    eventually("the hook", || fs::read_to_string(&told).is_ok_and(|text| !text.is_empty()).then_some(()));
    daemon.signal(Signal::USR1);
    eventually("the report", || daemon.log().contains("INFO status bot=").then_some(()));
    daemon.signal(Signal::INT);
    assert!(daemon.wait().success());
}

#[test]
fn a_hook_that_fails_or_hangs_is_logged_and_changes_nothing() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    for (command, generation) in [("exit 3", 2), ("sleep 600", 3), ("kill -9 $$", 4)] {
        let clock = MovedClock::new(SignedDuration::ZERO, nobody());
        let mut settings = settings(&identity, None);
        settings.on_renew = Some(command.to_owned());
        settings.hook_limit = Duration::from_millis(300);
        assert_eq!(once(&settings, &clock, Hook::default()).unwrap().generation, generation, "{command}");
    }
}

#[test]
fn hostile_083_a_stop_at_any_moment_leaves_whole_files_and_a_true_code() {
    let mut scene = Scene::start();
    let token = add_bot(&scene);
    let identity = Identity::new(&scene, "certs");
    let file = scene.scratch.write("token", &token);
    let argument = format!("--join-token=@{}", file.display());
    let mut command = identity.start(&["--one-shot", &argument]);
    let folder = identity.folder.clone();
    // Nobody answers: it is stopped while it waits for the gateway.
    let status = scene.gateway.stop();
    assert!(status.success());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut daemon = mezite_fixtures::Running::start(&mut command, &folder.with_extension("log"));
    eventually("the first try", || daemon.log().contains("no certificates yet").then_some(()));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
    assert!(!folder.join("identity.json").exists());
    scene.gateway.start_again();
    let identity = Identity::new(&scene, "certs");
    // Stdout closed, no HOME, a clock of the file system in the future.
    let mut command = identity.start(&["--one-shot", &argument]);
    command.env_remove("HOME").stdout(closed());
    run_closed(&mut command);
    identity.ssh("true").assert_ok();
    for name in names(&identity.folder) {
        run(Command::new("touch").args(["-h", "-d", "2099-01-01"]).arg(identity.folder.join(name)))
            .assert_ok();
    }
    identity.renew().assert_ok();
    let status = format!("--destination={}", identity.folder.display());
    let mut shown = Command::new(program("mezd"));
    shown.args(["identity", "status", &status]).stdout(closed()).stderr(Stdio::piped());
    let said = shown.output().unwrap();
    assert!(said.status.success() && !String::from_utf8_lossy(&said.stderr).contains("panicked"), "{said:?}");
    assert_eq!(scene.mezctl.list(&["bots", "instances", BOT]).len(), 1);
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (_, writer) = io::pipe().unwrap();
    writer.into()
}

#[track_caller]
fn run_closed(command: &mut Command) {
    let said = command.stderr(Stdio::piped()).output().unwrap();
    assert!(said.status.success(), "{said:?}");
}
