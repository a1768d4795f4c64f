//! The whole path: a bot, its first certificates, and stock `ssh` with them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use mezite_fixtures::{KeyType, Scene, SceneOptions, Trust, program, run};
use mezite_integration::hostile::StolenKeys;
use ssh_key::certificate::{Builder, CertType};

use mezite_integration::bot::{BOT, Identity, add_bot, names};

#[test]
fn a_bot_reaches_a_node_by_its_ssh_config() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let identity = Identity::joined(&scene, "certs", &token);
    assert_eq!(identity.ssh("echo from the node").assert_ok().out(), "from the node\n");
    // The first use has confirmed the pair, and the recording says who it was.
    let known = identity.known();
    assert_eq!((known["generation"].as_u64(), known["pending"].as_u64()), (Some(1), None));
    let log = scene.sshd.log();
    assert!(log.contains(&format!("user={BOT}")), "{log}");

    identity.renew().assert_ok();
    assert_eq!(identity.generation(), 2);
    identity.ssh("true").assert_ok();
    for kind in ["bot.create", "token.create", "token.use", "bot.join", "bot.renew", "bot.confirm"] {
        assert!(!scene.mezctl.audit(kind).is_empty(), "{kind}");
    }
    scene.mezctl.ok(&["audit", "verify"]);
}

#[test]
fn the_files_are_those_of_the_manual_and_private() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let identity = Identity::joined(&scene, "certs", &token);
    let found = names(&identity.folder);
    for name in [
        "ssh_key",
        "ssh_key.pub",
        "ssh_key-cert.pub",
        "known_hosts",
        "ssh_config",
        "tls_cert.pem",
        "tls_key.pem",
        "tls_ca.pem",
        "identity.json",
        "current",
        "gen-001",
    ] {
        assert!(found.contains(&name.to_owned()), "{name} is not in {found:?}");
        let mode = std::fs::metadata(identity.folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    let mode = std::fs::metadata(&identity.folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let key = run(Command::new("ssh-keygen").arg("-lf").arg(identity.folder.join("ssh_key")));
    assert!(key.assert_ok().out().contains("(ECDSA)"), "{}", key.out());
    let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(identity.folder.join("ssh_key-cert.pub")));
    for part in ["Key ID: \"github-deploy\"", "generation@mezite", "bot@mezite", scene.login] {
        assert!(shown.assert_ok().out().contains(part), "{part} is not in {}", shown.out());
    }
    let status = run(Command::new(program("mezd"))
        .args(["identity", "status"])
        .arg(format!("--destination={}", identity.folder.display())));
    assert!(status.assert_ok().out().contains("generation:   1"), "{}", status.out());
}

#[test]
fn ed25519_keys_and_files_without_links_work_too() {
    let scene = Scene::start();
    let token = add_bot(&scene);
    let identity = Identity::new(&scene, "certs");
    let options = ["--one-shot", "--key-type=ed25519", "--no-symlinks", &format!("--join-token={token}")];
    run(&mut identity.start(&options)).assert_ok();
    identity.ssh("true").assert_ok();
    run(&mut identity.start(&options[..3])).assert_ok();
    assert_eq!(identity.generation(), 2);
    identity.ssh("true").assert_ok();
    assert!(!identity.folder.join("ssh_key").is_symlink());
    assert!(String::from_utf8_lossy(&identity.read("ssh_key.pub")).starts_with("ssh-ed25519 "));
}

#[test]
fn a_bare_ssh_works_where_the_node_trusts_the_user_ca() {
    let mut scene = Scene::with(SceneOptions { trust: Trust::User, ..SceneOptions::default() });
    let token = add_bot(&scene);
    certify_host(&mut scene);
    let identity = Identity::joined(&scene, "certs", &token);
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", identity.folder.join("known_hosts").display()));
    ssh.arg("-i").arg(identity.folder.join("ssh_key"));
    ssh.arg("-o").arg(format!("CertificateFile={}", identity.folder.join("ssh_key-cert.pub").display()));
    ssh.args(["-p", &scene.sshd.port().to_string(), &format!("{}@localhost", scene.login), "echo direct"]);
    assert_eq!(run(ssh.env_remove("SSH_AUTH_SOCK")).assert_ok().out(), "direct\n");
}

/// Gives the node a certificate of the cluster's Host CA.
fn certify_host(scene: &mut Scene) {
    let keys = StolenKeys::take(scene);
    let path = scene.sshd.host_key_path(KeyType::Ed25519);
    let key = ssh_key::PublicKey::from_openssh(&scene.sshd.host_key()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut certificate = Builder::new([7; 16], key.key_data().clone(), now - 60, now + 3600).unwrap();
    certificate.cert_type(CertType::Host).unwrap().key_id("node1").unwrap();
    certificate.valid_principal("localhost").unwrap();
    let certificate = certificate.sign(&keys.host).unwrap().to_openssh().unwrap();
    let file = path.with_file_name("host-cert.pub");
    std::fs::write(&file, certificate).unwrap();
    scene.sshd.configure(&[&format!("HostCertificate {}", file.display())]);
}
