//! Every algorithm that stock OpenSSH shares with us, on each leg, with bulk and rekeying.

use mezite_fixtures::{Scene, SceneOptions, SshdOptions, run, run_with_input};
use mezite_integration::noise;

const CIPHERS: [&str; 5] = [
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
];
const MACS: [&str; 2] = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"];
const KEX: [&str; 3] = ["curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256"];

#[test]
fn client_may_insist_on_any_algorithm() {
    let scene = Scene::start();
    let input = noise(3 << 20, 5);
    let choices = CIPHERS
        .iter()
        .map(|name| format!("Ciphers={name}"))
        .chain(MACS.iter().map(|name| format!("MACs={name}")))
        .chain(KEX.iter().map(|name| format!("KexAlgorithms={name}")));
    for choice in choices {
        // A MAC is only chosen beside a cipher that needs one.
        let cipher = if choice.starts_with("MACs") { "Ciphers=aes256-ctr" } else { "LogLevel=INFO" };
        let said = run_with_input(scene.route().ssh(&["-o", &choice, "-o", cipher]).arg("cat"), &input);
        assert_eq!(said.code, Some(0), "{choice}: {}", said.err());
        assert!(said.stdout == input, "{choice}: bytes were lost or changed");
    }
}

#[test]
fn node_may_insist_on_any_algorithm() {
    let mut scene = Scene::start();
    let input = noise(3 << 20, 6);
    let choices = CIPHERS
        .iter()
        .map(|name| vec![format!("Ciphers {name}")])
        .chain(MACS.iter().map(|name| vec!["Ciphers aes128-ctr".to_owned(), format!("MACs {name}")]))
        .chain(KEX.iter().map(|name| vec![format!("KexAlgorithms {name}")]));
    for choice in choices {
        let lines: Vec<&str> = choice.iter().map(String::as_str).collect();
        scene.sshd.configure(&lines);
        let said = run_with_input(scene.route().ssh::<&str>(&[]).arg("cat"), &input);
        assert_eq!(said.code, Some(0), "{choice:?}: {}", said.err());
        assert!(said.stdout == input, "{choice:?}: bytes were lost or changed");
    }
}

#[test]
fn client_without_a_common_algorithm_is_told_so_by_name() {
    let mut scene = Scene::start();
    let said = run(scene.route().ssh(&["-o", "Ciphers=aes192-ctr"]).arg("true"));
    said.assert_code(255);
    assert!(said.err().contains("no matching cipher found"), "{}", said.err());
    scene.assert_alive();
}

#[test]
fn both_ends_may_rekey_under_load() {
    let sshd = SshdOptions { config: vec!["RekeyLimit 1M".to_owned()], ..SshdOptions::default() };
    let scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
    let input = noise(24 << 20, 7);
    for cipher in CIPHERS {
        let options = ["-o", "RekeyLimit=1M", "-o", &format!("Ciphers={cipher}")];
        let said = run_with_input(scene.route().ssh(&options).arg("cat"), &input);
        assert_eq!(said.code, Some(0), "{cipher}: {}", said.err());
        assert!(said.stdout == input, "{cipher}: bytes were lost or changed");
    }
    assert!(scene.sshd.count("rekeying in progress") + scene.sshd.count("set_newkeys: rekeying") > 5);
}
