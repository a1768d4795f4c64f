//! Clients that are not OpenSSH.

// Test support: what cannot be set up must end the test, with the reason.
#![allow(clippy::expect_used)]

use std::borrow::Cow;
use std::process::Command;
use std::sync::{Arc, Mutex};

use mezite_fixtures::{Scene, run};
use russh::client::{self, Session, connect};
use russh::keys::{HashAlg, PublicKeyOrCertificate, load_openssh_certificate, load_secret_key};
use russh::{ChannelMsg, Names, Preferred, kex};

/// A client made of the `russh` crate, which asks for no host certificates: it has the gateway's host key pinned.
struct Russh {
    host_key: String,
    /// The key exchange method that was used.
    method: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Russh {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        Ok(key.fingerprint(HashAlg::Sha256).to_string() == self.host_key)
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        names: &Names,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        *self.method.lock().expect("nothing panics under the lock") = Some(names.kex.as_ref().to_owned());
        Ok(())
    }
}

/// Runs `command` on the node and gives what it wrote and its exit status.
async fn by_russh(
    scene: &Scene,
    client: Russh,
    command: &str,
) -> Result<(Vec<u8>, Option<u32>), russh::Error> {
    let preferred = Preferred { kex: Cow::Borrowed(&[kex::MLKEM768X25519_SHA256]), ..Preferred::default() };
    let config = Arc::new(client::Config { preferred, ..client::Config::default() });
    let mut gateway = connect(config, scene.gateway.ssh(), client).await?;
    let key = load_secret_key(&scene.identity.key, None).expect("the fixture's key");
    let certificate = scene.identity.certificate.as_ref().expect("the fixture's certificate");
    let certificate = load_openssh_certificate(certificate).expect("the fixture's certificate");
    let user = format!("{}@node1", scene.login);
    let answer = gateway.authenticate_openssh_cert(user, Arc::new(key), certificate).await?;
    assert!(answer.success(), "{answer:?}");
    let mut channel = gateway.channel_open_session().await?;
    channel.exec(true, command).await?;
    let (mut output, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    Ok((output, status))
}

#[test]
fn russh_comes_in_by_ml_kem_and_a_certificate() {
    let mut scene = Scene::start();
    let method = Arc::new(Mutex::new(None));
    let client = Russh { host_key: host_key(&scene), method: Arc::clone(&method) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(by_russh(&scene, client, "echo foreign; exit 7")).expect("a session");
    assert_eq!(outcome, (b"foreign\n".to_vec(), Some(7)));
    assert_eq!(method.lock().expect("unpoisoned").as_deref(), Some("mlkem768x25519-sha256"));
    scene.assert_alive();
}

#[test]
fn plink_comes_in_with_a_certificate() {
    let mut scene = Scene::start();
    let key = scene.scratch.join("alice.ppk");
    run(Command::new("puttygen").arg(&scene.identity.key).args(["-O", "private", "-o"]).arg(&key))
        .assert_ok();
    let said = run(plink(&scene)
        .arg("-i")
        .arg(&key)
        .arg("-cert")
        .arg(scene.identity.certificate.as_ref().expect("a certificate"))
        .args(["localhost", "echo foreign; exit 7"]));
    said.assert_code(7);
    assert_eq!(said.out(), "foreign\n");

    let said = run(plink(&scene).arg("-i").arg(&key).args(["localhost", "true"]));
    said.assert_code(1);
    assert!(said.err().contains("Server refused our key"), "a plain key opens nothing: {}", said.err());
    scene.assert_alive();
}

/// `plink` to the login on the node, with the gateway's host key pinned; the key and the command are the caller's.
fn plink(scene: &Scene) -> Command {
    let port = scene.gateway.ssh().port().to_string();
    let mut command = Command::new("plink");
    command.env("HOME", scene.scratch.path()).env_remove("SSH_AUTH_SOCK");
    command.args(["-ssh", "-batch", "-noagent", "-P", &port, "-hostkey", &host_key(scene)]);
    command.args(["-l", &format!("{}@node1", scene.login)]);
    command
}

/// The fingerprint of the host key that the gateway shows to a client without certificates.
fn host_key(scene: &Scene) -> String {
    let port = scene.gateway.ssh().port().to_string();
    let scanned = run(Command::new("ssh-keyscan").args(["-t", "ed25519", "-p", &port, "127.0.0.1"]));
    let key = scene.scratch.write("gateway_host_key", scanned.assert_ok().stdout.clone());
    let shown = run(Command::new("ssh-keygen").arg("-lf").arg(key));
    shown.assert_ok().out().split(' ').nth(1).expect("a fingerprint").to_owned()
}

#[test]
fn dbclient_knows_no_certificates_and_is_told_why_it_is_refused() {
    let mut scene = Scene::start();
    let key = scene.scratch.join("alice.dropbear");
    run(Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&key)).assert_ok();
    let port = scene.gateway.ssh().port().to_string();
    let user = format!("{}@node1", scene.login);
    let said = run(Command::new("dbclient")
        .env("HOME", scene.scratch.path())
        .args(["-y", "-y", "-p", &port, "-l", &user, "-i"])
        .arg(&key)
        .args(["127.0.0.1", "true"]));
    said.assert_code(1);
    assert!(said.err().contains("mezite: "), "{}", said.err());
    scene.assert_alive();
}
