//! A cluster whose CA keys were stolen, and what can be done with them.

use mezite_fixtures::{Client, FakeNode, Finished, Identity, Scene, SceneOptions, Way, run};
use ssh_key::{LineEnding, PrivateKey};

use super::{
    Answer, Attempt, Certificate, HostileClient, Key, StolenKeys, any_key, assert_trail, certificate_name,
};

/// A scene whose CA keys were stolen, and a node that must not be dialled.
pub struct Theft {
    /// Everything that a scene has.
    pub scene: Scene,
    /// The keys.
    pub keys: StolenKeys,
    /// Stands where alice may go.
    pub untouched: FakeNode,
    /// Alice's, for whatever certificate.
    pub subject: PrivateKey,
}

impl Default for Theft {
    fn default() -> Self {
        Self::new()
    }
}

impl Theft {
    /// The usual scene.
    pub fn new() -> Self {
        Self::with(SceneOptions::default())
    }

    /// A scene made of `options`.
    pub fn with(options: SceneOptions) -> Self {
        let mut scene = Scene::with(options);
        let keys = StolenKeys::take(&mut scene);
        let untouched = FakeNode::silent();
        let port = format!("--port={}", untouched.address().port());
        let pinned = format!("--host-key={}", scene.sshd.host_key());
        let add = ["nodes", "add", "--openssh", "--name=untouched", "--host=127.0.0.1", "--labels=env=test"];
        scene.mezctl.ok(&[&add[..], &[&port, &pinned]].concat());
        Self { scene, keys, untouched, subject: any_key() }
    }

    /// A certificate of alice's that is in order.
    pub fn good(&self) -> Certificate {
        Certificate::of("alice", &self.subject, &self.keys.user)
    }

    /// Shows a certificate in the way of a client that has its key: first a question, then a signed request.
    pub fn show(&self, label: &str, blob: &[u8], key: &dyn Key, event: &str) -> Attempt {
        let mut client = HostileClient::connect(self.scene.gateway.ssh());
        let user = format!("{}@untouched", self.scene.login);
        let algorithm = certificate_name(&key.algorithm());
        for answer in [client.query(&user, &algorithm, blob), client.authenticate(&user, blob, key)] {
            assert!(answer.is_refusal(), "{label}: {answer:?}");
        }
        assert_eq!(client.banners().len(), 1, "{label}: a person is told once");
        for banner in client.banners() {
            assert!(
                banner.starts_with("mezite: access refused: ") && banner.contains("[conn "),
                "{label}: {banner}"
            );
            let plain = banner.trim_end().chars().all(|c| !c.is_control());
            assert!(plain && banner.len() < 600, "{label}: {banner:?}");
        }
        Attempt::new(label, client.source(), event)
    }

    /// Ends the test unless the audit has exactly these attempts, and no node was dialled for them.
    #[track_caller]
    pub fn finish(&mut self, attempts: &[Attempt]) {
        self.assert_good();
        assert_trail(&mut self.scene, attempts);
        assert_eq!(self.untouched.connections(), 0, "a node was dialled for them");
    }

    /// Ends the test unless a certificate without a fault would let alice in by the same way.
    #[track_caller]
    pub fn assert_good(&self) {
        let mut client = HostileClient::connect(self.scene.gateway.ssh());
        let blob = self.good().signed(&self.keys.user);
        let user = format!("{}@node1", self.scene.login);
        let algorithm = certificate_name("ssh-ed25519");
        assert_eq!(client.query(&user, &algorithm, &blob), Answer::KeyTaken(blob.clone()));
        assert_eq!(client.authenticate(&user, &blob, &self.subject), Answer::Success);
    }

    /// The files of alice's key and such a certificate, for stock ssh.
    pub fn client(&self, name: &str, certificate: &[u8]) -> Client {
        let identity = self.identity(name, certificate);
        Client::new(&self.scene.scratch, name, &self.scene.gateway, &identity)
    }

    fn identity(&self, name: &str, certificate: &[u8]) -> Identity {
        let key = self.subject.to_openssh(LineEnding::LF).expect("a good encoding");
        let certificate = ssh_key::Certificate::from_bytes(certificate)
            .expect("a good encoding")
            .to_openssh()
            .expect("a good encoding");
        Identity {
            key: self.scene.scratch.write_private(name, key.as_bytes()),
            certificate: Some(self.scene.scratch.write(&format!("{name}-cert.pub"), certificate)),
        }
    }

    /// `true` on the node by stock ssh with this certificate.
    pub fn ssh(&self, name: &str, certificate: &[u8]) -> Finished {
        let route = self.client(name, certificate).route(Way::Direct, self.scene.login, "node1");
        run(route.ssh::<&str>(&[]).arg("true"))
    }
}
