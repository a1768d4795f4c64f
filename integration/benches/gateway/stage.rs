//! What is measured on: a gateway, and for each cipher a node with every way to it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use mezite_fixtures::{
    KeyType, Mezctl, Scene, Scratch, Sshd, SshdOptions, Way, generate_key, public_key, public_key_path,
};

use crate::yardsticks::{RusshRelay, Started, Yardstick};

/// What client and node offer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cipher {
    /// What stock OpenSSH offers by default.
    Default,
    /// Only AES-256-GCM, on every leg.
    AesGcm,
    /// Only `ChaCha20-Poly1305`, on every leg.
    ChaCha,
}

impl Cipher {
    /// The name on the wire; none for the defaults.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::AesGcm => Some("aes256-gcm@openssh.com"),
            Self::ChaCha => Some("chacha20-poly1305@openssh.com"),
        }
    }

    /// For headlines.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Default => "default ciphers",
            Self::AesGcm => "aes256-gcm everywhere",
            Self::ChaCha => "chacha20-poly1305 everywhere",
        }
    }

    /// Of the node in the inventory, and of folders.
    const fn node(self) -> &'static str {
        match self {
            Self::Default => "defaults",
            Self::AesGcm => "aes-gcm",
            Self::ChaCha => "chacha",
        }
    }

    fn line(self) -> Option<String> {
        self.name().map(|name| format!("Ciphers {name}"))
    }
}

/// How a client gets to a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// Without anything in between.
    Direct,
    /// `ssh -J` through a second sshd.
    Jump,
    /// Through the bare TCP relay.
    Tcp,
    /// Through the relay made of the `russh` crate.
    Russh,
    /// Through the gateway, `LOGIN@NODE@gateway`.
    Gateway,
    /// Through the gateway, `CONNECT`.
    Connect,
    /// Through the gateway, `ssh -J`: SSH inside SSH.
    Inside,
    /// Through the gateway, the subsystem `proxy:NODE:PORT`: SSH inside SSH.
    Proxy,
}

impl Path {
    /// For rows.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct `ssh`",
            Self::Jump => "`ssh -J`",
            Self::Tcp => "bare TCP relay",
            Self::Russh => "`russh` relay",
            Self::Gateway => "**gateway**",
            Self::Connect => "**gateway**, `CONNECT`",
            Self::Inside => "**gateway**, `-J`",
            Self::Proxy => "**gateway**, `proxy:`",
        }
    }
}

/// Everything that runs.
pub struct Stage {
    nodes: Vec<Node>,
    scene: Scene,
}

/// A node and the yardsticks on the way to it.
struct Node {
    cipher: Cipher,
    sshd: Sshd,
    jump: Sshd,
    jump_pid: u32,
    tcp: Started,
    russh: Started,
    /// The configuration of clients that do not go through the gateway.
    config: PathBuf,
}

impl Stage {
    /// Starts it, with a node for each of `ciphers`. Role and gateway have the defaults: recording is strict.
    pub fn start(ciphers: &[Cipher]) -> Self {
        let scene = Scene::start();
        let scratch = &scene.scratch;
        // No start-up file of this machine's account takes part in a session.
        scratch.shared_folder("home");
        generate_key(&scratch.join("relay"), KeyType::Ed25519);
        let lines = [public_key(&scene.identity.key), public_key(&scratch.join("relay"))].join("\n");
        scratch.write("authorized_keys", lines);
        let nodes = ciphers.iter().map(|&cipher| Node::start(&scene, cipher)).collect();
        Self { nodes, scene }
    }

    /// `ssh` on this way with `options`; the remote command is added by the caller.
    pub fn ssh(&self, path: Path, cipher: Cipher, options: &[&str]) -> Command {
        let node = self.node(cipher);
        let way = match path {
            Path::Gateway => Way::Direct,
            Path::Connect => Way::Connect,
            Path::Inside => Way::Jump,
            Path::Proxy => Way::Proxy,
            _ => return self.stock_ssh(path, node, options),
        };
        let route = self.scene.client.route(way, self.scene.login, cipher.node());
        let cipher = cipher.name().map(|name| format!("-oCiphers={name}"));
        let mut all = options.to_vec();
        all.extend(cipher.as_deref());
        route.ssh(&all)
    }

    fn stock_ssh(&self, path: Path, node: &Node, options: &[&str]) -> Command {
        let login = self.scene.login;
        let mut command = Command::new("ssh");
        command.env_remove("SSH_AUTH_SOCK").env_remove("SSH_ASKPASS").env_remove("DISPLAY");
        command.arg("-F").arg(&node.config).args(options);
        if path == Path::Jump {
            command.arg("-J").arg(format!("{login}@127.0.0.1:{}", node.jump.port()));
        }
        let port = match path {
            Path::Tcp => node.tcp.port(),
            Path::Russh => node.russh.port(),
            _ => node.sshd.port(),
        };
        command.arg("-p").arg(port.to_string()).arg(format!("{login}@127.0.0.1"));
        command
    }

    /// The process in between whose costs are measured.
    pub fn process(&self, path: Path, cipher: Cipher) -> Option<u32> {
        let node = self.node(cipher);
        match path {
            Path::Direct => None,
            Path::Jump => Some(node.jump_pid),
            Path::Tcp => Some(node.tcp.pid()),
            Path::Russh => Some(node.russh.pid()),
            Path::Gateway | Path::Connect | Path::Inside | Path::Proxy => Some(self.scene.gateway.pid()),
        }
    }

    /// `mezctl` on the gateway.
    pub fn mezctl(&self) -> &Mezctl {
        &self.scene.mezctl
    }

    /// The scene of the gateway.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    fn node(&self, cipher: Cipher) -> &Node {
        self.nodes.iter().find(|node| node.cipher == cipher).expect("the stage has a node for the cipher")
    }
}

impl Node {
    fn start(scene: &Scene, cipher: Cipher) -> Self {
        let scratch = &scene.scratch;
        let mut sshd = start_sshd(scratch, cipher.node(), cipher);
        sshd.trust(&scene.mezctl.ok(&["auth", "export", "--type=openssh"]));
        enrol(&scene.mezctl, cipher.node(), &sshd);
        let jump = start_sshd(scratch, &format!("{}-jump", cipher.node()), cipher);
        let pid = std::fs::read_to_string(pid_file(scratch, &format!("{}-jump", cipher.node())));
        let jump_pid = pid.expect("sshd writes its pid").trim().parse().expect("a pid");
        let log = |name: &str| scratch.join(format!("{}-{name}.log", cipher.node()));
        let tcp = Yardstick::TcpRelay { node: sshd.address() }.start(&log("tcp"));
        let russh = Yardstick::RusshRelay(RusshRelay {
            node: sshd.address(),
            login: scene.login.to_owned(),
            key: scratch.join("relay"),
            client: public_key_path(&scene.identity.key),
            cipher: cipher.name().map(ToOwned::to_owned),
        });
        let russh = russh.start(&log("russh"));
        let config = write_config(scene, cipher, &[&sshd, &jump]);
        Self { cipher, sshd, jump, jump_pid, tcp, russh, config }
    }
}

fn start_sshd(scratch: &Scratch, name: &str, cipher: Cipher) -> Sshd {
    let mut config = vec![
        format!("SetEnv HOME={}", scratch.join("home").display()),
        format!("AuthorizedKeysFile {}", scratch.join("authorized_keys").display()),
        format!("PidFile {}", pid_file(scratch, name).display()),
        "LogLevel INFO".to_owned(),
    ];
    config.extend(cipher.line());
    Sshd::start(scratch, name, &SshdOptions { config, ..SshdOptions::default() })
}

fn pid_file(scratch: &Scratch, name: &str) -> PathBuf {
    scratch.join(format!("{name}.pid"))
}

fn enrol(mezctl: &Mezctl, name: &str, sshd: &Sshd) {
    mezctl.ok(&[
        "nodes",
        "add",
        "--openssh",
        &format!("--name={name}"),
        "--host=127.0.0.1",
        &format!("--port={}", sshd.port()),
        "--labels=env=test",
        &format!("--host-key={}", sshd.host_key()),
    ]);
}

/// A client that knows the host keys of `nodes` and of the `russh` relay, and proves Alice's plain key.
fn write_config(scene: &Scene, cipher: Cipher, nodes: &[&Sshd]) -> PathBuf {
    let scratch = &scene.scratch;
    let mut known_hosts = format!("* {}\n", public_key(&scratch.join("relay")));
    for sshd in nodes {
        let _ = writeln!(known_hosts, "* {}", sshd.host_key());
    }
    let known_hosts = scratch.write(&format!("{}_known_hosts", cipher.node()), known_hosts);
    let text = format!(
        "AddressFamily inet\n\
         IdentityFile {}\n\
         CertificateFile none\n\
         IdentitiesOnly yes\n\
         IdentityAgent none\n\
         UserKnownHostsFile {}\n\
         GlobalKnownHostsFile /dev/null\n\
         StrictHostKeyChecking yes\n\
         UpdateHostKeys no\n\
         ControlPath none\n\
         {}\n",
        scene.identity.key.display(),
        known_hosts.display(),
        cipher.line().unwrap_or_default()
    );
    scratch.write(&format!("{}_ssh_config", cipher.node()), text)
}
