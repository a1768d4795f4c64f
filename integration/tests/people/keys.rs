//! Where the private key lives: in a file, in the ssh-agent, in a security key.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mezite_fixtures::{KeyType, Running, Scene, eventually, generate_key, public_key_path, run};
use mezite_integration::hostile::{Answer, HostileClient, Key, Signed, any_key, ecdsa_key};
use mezite_ssh::wire::{Reader, Writer as _};
use sha2::{Digest as _, Sha256};
use signature::Signer as _;
use ssh_key::{PrivateKey, Signature};

use mezite_integration::person::Person;

/// A security key in software: it signs as PROTOCOL.u2f has it, with these flags.
struct SecurityKey {
    inner: PrivateKey,
    flags: u8,
}

impl SecurityKey {
    /// Its line in a `.pub` file.
    fn line(&self) -> String {
        format!("{} {}\n", self.algorithm(), STANDARD.encode(self.blob()))
    }
}

impl Key for SecurityKey {
    fn algorithm(&self) -> String {
        format!("sk-{}@openssh.com", self.inner.algorithm())
    }

    fn blob(&self) -> Vec<u8> {
        let plain = Key::blob(&self.inner);
        let mut reader = Reader::new(&plain);
        let own = reader.string().unwrap().to_vec();
        let mut blob = Vec::new();
        blob.string(self.algorithm()).raw(&plain[4 + own.len()..]).string("ssh:");
        blob
    }

    fn signature_of(&self, message: &[u8]) -> Vec<u8> {
        let mut signed = Sha256::digest("ssh:").to_vec();
        signed.u8(self.flags).u32(7).raw(&Sha256::digest(message));
        let signature: Signature = self.inner.try_sign(&signed).unwrap();
        let mut blob = Vec::new();
        blob.string(self.algorithm()).string(signature.as_bytes()).u8(self.flags).u32(7);
        blob
    }
}

/// A request with a certificate of such a key, whose name has the domain at its end.
fn authenticate(client: &mut HostileClient, user: &str, certificate: &[u8], key: &SecurityKey) -> Answer {
    let algorithm = Reader::new(certificate).text().unwrap().to_owned();
    let request = Signed::new(client, user, certificate, key).with(|request| request.algorithm = algorithm);
    let signature = key.signature_of(&request.message());
    client.send(&request.with_signature(&signature));
    client.answer()
}

/// An agent beside the test.
struct Agent {
    socket: PathBuf,
    _running: Running,
}

impl Agent {
    fn start(scene: &Scene) -> Self {
        let socket = scene.scratch.join("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(&mut command, &scene.scratch.join("agent.log"));
        eventually("the agent", || socket.exists().then_some(()));
        Self { socket, _running: running }
    }

    fn keys(&self) -> String {
        run(Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &self.socket)).out()
    }
}

#[test]
fn a_key_can_live_in_the_agent_only() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let agent = Agent::start(&scene);
    let with_agent = |mut command: Command| run(command.env("SSH_AUTH_SOCK", &agent.socket));
    let code = bob.app.code();
    with_agent(bob.login_command(&code, &["--agent", "--ttl=10m"])).assert_ok();
    assert!(!bob.folder().join("ssh_key").exists() && bob.folder().join("ssh_key.pub").exists());
    assert_eq!(agent.keys().lines().count(), 1, "{}", agent.keys());
    let ssh = |bob: &Person| {
        let mut ssh = bob.ssh();
        ssh.arg("true");
        ssh
    };
    with_agent(ssh(&bob)).assert_ok();
    run(ssh(&bob).env_remove("SSH_AUTH_SOCK")).assert_code(255);
    // Without an agent it is said so before the code is used up, and the folder stays as it was.
    let code = bob.app.code();
    let said = run(&mut bob.login_command(&code, &["--agent"]));
    assert!(said.assert_code(2).err().contains("SSH_AUTH_SOCK"), "{}", said.err());
    with_agent(bob.login_command(&code, &["--agent"])).assert_ok();
    assert_eq!(agent.keys().lines().count(), 1, "the key before is still there: {}", agent.keys());
    with_agent(bob.msh.command(&["logout"])).assert_ok();
    assert!(agent.keys().contains("no identities"), "{}", agent.keys());
}

#[test]
fn an_own_key_is_certified() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let key = scene.scratch.join("id_own");
    generate_key(&key, KeyType::Ed25519);
    let public = public_key_path(&key).display().to_string();
    bob.login(&["--key", &public]).assert_ok();
    run(bob.ssh().arg("true")).assert_ok();
    bob.msh.run(&["logout"]).assert_ok();
    assert!(key.exists());
}

#[test]
fn keys_in_security_keys_are_certified_and_need_a_touch() {
    let scene = Scene::start();
    let mut bob = Person::new(&scene, "bob");
    let user = format!("{}@node1", scene.login);
    for inner in [any_key(), ecdsa_key()] {
        let mut key = SecurityKey { inner, flags: 1 };
        let public = scene.scratch.write("id_sk.pub", key.line());
        bob.login(&["--key", public.to_str().unwrap()]).assert_ok();
        let signed = scene.scratch.join("signed-cert.pub");
        let mut sign = scene.mezctl.command(&["auth", "sign", "--user=bob"]);
        run(sign.arg("--key").arg(&public).arg("--out").arg(&signed)).assert_ok();
        for file in [bob.folder().join("ssh_key-cert.pub"), signed] {
            let line = std::fs::read_to_string(&file).unwrap();
            let certificate = STANDARD.decode(line.split_whitespace().nth(1).unwrap()).unwrap();
            key.flags = 1;
            let mut client = HostileClient::connect(scene.gateway.ssh());
            assert_eq!(authenticate(&mut client, &user, &certificate, &key), Answer::Success, "{line}");
            assert_eq!(client.exec("echo in").output, b"in\n");
            // Nobody touched it.
            key.flags = 0;
            let mut client = HostileClient::connect(scene.gateway.ssh());
            assert!(authenticate(&mut client, &user, &certificate, &key).is_refusal(), "{line}");
        }
    }
}
