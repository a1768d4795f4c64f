//! Rows 79 and 80: a pair is there whole or not at all, and nothing is written where it should not be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use mezite_fixtures::{Scene, account, run};
use mezite_identity::{Daemon, Hook, Names, SystemClock};
use rustix::process::{Signal, getpid, kill_process};
use ssh_key::{Certificate, PrivateKey};

use crate::daemon::settings;
use mezite_integration::bot::{BOT, Identity, add_bot, rotate};

const STEP: &str = "MEZITE_TEST_STEP";

/// Whether key and certificate of a folder belong together; `None` where there is neither.
fn pair(folder: &Path) -> Option<bool> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    match (read("ssh_key"), read("ssh_key-cert.pub")) {
        (None, None) => None,
        (Some(key), Some(certificate)) => {
            let key = PrivateKey::from_openssh(key).unwrap();
            let certificate = Certificate::from_openssh(&certificate).unwrap();
            Some(certificate.public_key() == key.public_key().key_data())
        }
        _ => Some(false),
    }
}

#[test]
#[ignore = "the process that kills itself at a step"]
fn stopper() {
    let Ok(step) = std::env::var(STEP) else { return };
    let text = std::env::var("MEZITE_TEST_SETTINGS").unwrap();
    let parts: Vec<&str> = text.split('\n').collect();
    let [server, destination, token, names, key_lifetime] = parts[..] else { panic!("{parts:?}") };
    let settings = mezite_identity::Settings {
        auth_server: server.parse().unwrap(),
        admission: (!token.is_empty())
            .then(|| mezite_identity::Admission::Token(mezite_identity::JoinToken::parse(token).unwrap())),
        ca_pin: None,
        destination: destination.into(),
        renewal_interval: None,
        key_type: mezite_identity::KeyType::Ecdsa,
        key_lifetime: Duration::from_secs(key_lifetime.parse().unwrap()),
        on_renew: None,
        hook_limit: mezite_identity::HOOK_LIMIT,
        names: if names == "files" { Names::Files } else { Names::Links },
        program: mezite_fixtures::program("mezd"),
    };
    let (last, count): (usize, _) = (step.parse().unwrap(), AtomicUsize::new(0));
    let hook = Hook::new(move |step| {
        if count.fetch_add(1, Ordering::SeqCst) == last {
            eprintln!("killed at {step}");
            let _ = kill_process(getpid(), Signal::KILL);
        }
        Ok(())
    });
    Daemon::new(&settings, &SystemClock, channel(), hook).unwrap().once().unwrap();
}

/// Joins or renews in a process that is killed at the step; whether it came to its end before.
fn stopped_at(step: usize, identity: &Identity<'_>, token: &str, names: &str, key_lifetime: u64) -> bool {
    let server = format!("localhost:{}", identity.scene.gateway.https().port());
    let settings = [&server, &identity.folder.display().to_string(), token, names, &key_lifetime.to_string()];
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "destination::stopper", "--ignored", "--nocapture"]);
    child.env(STEP, step.to_string()).env("MEZITE_TEST_SETTINGS", settings.join("\n"));
    let said = run(&mut child);
    assert!(said.code.is_none() || said.code == Some(0), "step {step}: {}", said.err());
    said.code == Some(0)
}

#[test]
fn hostile_075_killed_at_each_step_of_a_join_the_next_one_has_the_same_lineage() {
    let scene = Scene::start();
    let mut token = add_bot(&scene);
    for step in 0.. {
        let identity = Identity::new(&scene, &format!("join{step}"));
        let ended = stopped_at(step, &identity, &token, "links", 86400);
        assert_ne!(pair(&identity.folder), Some(false), "step {step}");
        if !ended {
            identity.once(&token).assert_ok();
        }
        assert_eq!(pair(&identity.folder), Some(true), "step {step}");
        let joined = scene.mezctl.list(&["bots", "instances", BOT]).len();
        assert_eq!(joined, step + 1, "step {step}: one token, one lineage");
        if ended {
            assert!(step > 30, "the steps were not counted: {step}");
            break;
        }
        token = rotate(&scene);
    }
    assert!(scene.mezctl.audit("bot.generation.mismatch").is_empty());
}

#[test]
fn hostile_079_killed_at_each_step_of_a_renewal_a_matching_pair_is_there() {
    killed_at_each_step_of_a_renewal("links", 86400);
}

#[test]
fn hostile_079_killed_at_each_step_of_a_renewal_with_a_new_key_a_matching_pair_is_there() {
    killed_at_each_step_of_a_renewal("links", 0);
}

#[test]
fn hostile_079_killed_at_each_step_without_links_the_next_start_mends_it() {
    killed_at_each_step_of_a_renewal("files", 0);
}

fn killed_at_each_step_of_a_renewal(names: &str, key_lifetime: u64) {
    let scene = Scene::start();
    let identity = Identity::new(&scene, "certs");
    assert!(stopped_at(usize::MAX, &identity, &add_bot(&scene), names, key_lifetime));
    for step in 0.. {
        let before = identity.record();
        let ended = stopped_at(step, &identity, "", names, key_lifetime);
        if names == "links" {
            assert_eq!(pair(&identity.folder), Some(true), "step {step}");
            identity.record();
        }
        // Whoever comes next mends what is between two names, and goes on.
        assert!(stopped_at(usize::MAX, &identity, "", names, key_lifetime), "step {step}");
        assert_eq!(pair(&identity.folder), Some(true), "step {step}");
        assert_eq!(identity.record()["instance"], before["instance"]);
        let folders = mezite_integration::bot::names(&identity.folder);
        let pairs = folders.iter().filter(|name| name.starts_with("gen-")).count();
        assert!(pairs <= 2, "step {step}: {folders:?}");
        if ended {
            assert!(step > 25, "the steps were not counted: {step}");
            break;
        }
    }
    identity.ssh("true").assert_ok();
    assert!(scene.mezctl.audit("bot.generation.mismatch").is_empty());
}

#[test]
fn hostile_079_a_reader_has_a_matching_pair_at_every_moment() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let (done, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) || opened.load(Ordering::SeqCst) < 10_000 {
                // One after the other, as ssh does, and by whoever resolves the link once.
                assert_eq!(pair(&identity.folder), Some(true));
                let current = fs::read_link(identity.folder.join("current")).unwrap();
                assert_eq!(pair(&identity.folder.join(current)), Some(true));
                opened.fetch_add(2, Ordering::SeqCst);
            }
        });
        let settings = settings(&identity, None);
        for _ in 0..100 {
            let mut daemon = Daemon::new(&settings, &SystemClock, channel(), Hook::default()).unwrap();
            daemon.once().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(identity.generation(), 101);
}

#[test]
fn hostile_079_a_new_key_comes_with_its_certificate_for_who_resolves_the_link_once() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let current = fs::read_link(identity.folder.join("current")).unwrap();
                // The pair before stays until the next swap.
                if let Some(matching) = pair(&identity.folder.join(current)) {
                    assert!(matching);
                }
            }
        });
        let mut settings = settings(&identity, None);
        settings.key_lifetime = Duration::ZERO;
        for _ in 0..20 {
            let key = identity.read("ssh_key");
            let mut daemon = Daemon::new(&settings, &SystemClock, channel(), Hook::default()).unwrap();
            daemon.once().unwrap();
            assert_ne!(identity.read("ssh_key"), key);
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn hostile_080_a_destination_that_is_not_ours_is_refused_before_the_token_is_used() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let precious = scene.scratch.write("precious", "precious\n");
    let elsewhere = scene.scratch.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let place = |name: &str| {
        let identity = Identity::new(&scene, name);
        fs::create_dir(&identity.folder).unwrap();
        fs::set_permissions(&identity.folder, fs::Permissions::from_mode(0o700)).unwrap();
        identity
    };
    let refused = |identity: &Identity<'_>, named: &Path| {
        let said = identity.once(&token);
        assert!(said.assert_code(2).err().contains(&named.display().to_string()), "{}", said.err());
    };
    let link = Identity::new(&scene, "link");
    symlink(&elsewhere, &link.folder).unwrap();
    refused(&link, &link.folder);
    let file = Identity::new(&scene, "file");
    fs::write(&file.folder, "").unwrap();
    refused(&file, &file.folder);
    for (index, name) in
        ["ssh_key", "ssh_key-cert.pub", "identity.json", "current", "lock", "next"].iter().enumerate()
    {
        let identity = place(&format!("planted{index}"));
        let planted = identity.folder.join(name);
        symlink(&precious, &planted).unwrap();
        refused(&identity, &planted);
        fs::remove_file(&planted).unwrap();
        run(Command::new("mkfifo").arg(&planted)).assert_ok();
        refused(&identity, &planted);
        fs::remove_file(&planted).unwrap();
        fs::hard_link(&precious, &planted).unwrap();
        refused(&identity, &planted);
        fs::remove_file(&planted).unwrap();
        if account::is_root() {
            run(Command::new("mknod").arg(&planted).args(["c", "1", "3"])).assert_ok();
            refused(&identity, &planted);
            fs::remove_file(&planted).unwrap();
        }
    }
    for mode in [0o770, 0o702, 0o1777] {
        let identity = place(&format!("mode{mode:o}"));
        fs::set_permissions(&identity.folder, fs::Permissions::from_mode(mode)).unwrap();
        refused(&identity, &identity.folder);
    }
    if account::is_root() {
        let identity = place("foreign");
        run(Command::new("chown").arg("65534").arg(&identity.folder)).assert_ok();
        refused(&identity, &identity.folder);
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert!(scene.mezctl.audit("token.use").is_empty());
    // One that is missing is made, private whatever the umask is.
    let identity = Identity::new(&scene, "missing/deep");
    let token_file = scene.scratch.write("token", &token);
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(mezite_fixtures::program("mezd"));
    shell.args(["identity", "start", "--one-shot", &format!("--join-token=@{}", token_file.display())]);
    shell.arg(format!("--auth-server=localhost:{}", scene.gateway.https().port()));
    run(shell.arg(format!("--destination={}", identity.folder.display()))).assert_ok();
    for name in ["", "ssh_key", "tls_key.pem", "gen-001"] {
        let mode = fs::metadata(identity.folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn hostile_080_a_folder_that_is_swapped_in_mid_write_gets_nothing() {
    let scene = Scene::start();
    let identity = Identity::joined(&scene, "certs", &add_bot(&scene));
    let (victim, moved) = (scene.scratch.join("victim"), scene.scratch.join("moved"));
    fs::create_dir(&victim).unwrap();
    let swapped = {
        let (folder, victim, moved) = (identity.folder.clone(), victim.clone(), moved.clone());
        Hook::new(move |step| {
            if step.starts_with("create known_hosts") && !moved.exists() {
                fs::rename(&folder, &moved).unwrap();
                symlink(&victim, &folder).unwrap();
            }
            Ok(())
        })
    };
    let settings = settings(&identity, None);
    let mut daemon = Daemon::new(&settings, &SystemClock, channel(), swapped).unwrap();
    daemon.once().unwrap();
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    assert_eq!(pair(&moved.join("current")), Some(true));
}
