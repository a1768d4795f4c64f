//! Somebody else at the gateway's address: `msh` and plain `ssh` end before they say who they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use mezite_fixtures::{Finished, KeyType, Msh, Scene, Sshd, SshdOptions, run};
use mezite_integration::bot::{Identity, add_bot};
use mezite_integration::hostile::StolenKeys;
use ssh_key::PrivateKey;
use ssh_key::certificate::{Builder, CertType};

/// A certificate of the false gateway.
struct Shown<'a> {
    ca: &'a PrivateKey,
    kind: CertType,
    principals: &'a [&'a str],
    /// From and until when, from now on, in seconds.
    valid: (i64, i64),
}

/// The scene, a folder whose gateway is the false one, and that.
struct False<'a> {
    msh: Msh,
    folder: PathBuf,
    sshd: Sshd,
    scene: &'a Scene,
}

impl<'a> False<'a> {
    fn new(scene: &'a Scene) -> Self {
        let identity = Identity::joined(scene, "certs", &add_bot(scene));
        let home = scene.scratch.join("home");
        fs::create_dir_all(&home).unwrap();
        let options = SshdOptions { config: vec!["LogLevel DEBUG1".to_owned()], ..SshdOptions::default() };
        let sshd = Sshd::start(&scene.scratch, "false", &options);
        let folder = identity.folder.clone();
        let own = format!("localhost:{}", scene.gateway.ssh().port());
        let other = format!("localhost:{}", sshd.port());
        for name in ["identity.json", "ssh_config"] {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.contains(&own), "{text}");
            fs::write(folder.join(name), text.replace(&own, &other)).unwrap();
        }
        Self { msh: Msh::at(&home), folder, sshd, scene }
    }

    /// Shows this certificate from now on, or only the key.
    fn show(&mut self, shown: Option<&Shown<'_>>) {
        let Some(shown) = shown else { return self.sshd.configure(&["LogLevel DEBUG1"]) };
        let key = ssh_key::PublicKey::from_openssh(&self.sshd.host_key()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let moment = |from_now: i64| (now + from_now).cast_unsigned();
        let (from, until) = (moment(shown.valid.0), moment(shown.valid.1));
        let mut builder = Builder::new([7; 16], key.key_data().clone(), from, until).unwrap();
        builder.cert_type(shown.kind).unwrap().key_id("false").unwrap();
        for name in shown.principals {
            builder.valid_principal(*name).unwrap();
        }
        let file = self.sshd.host_key_path(KeyType::Ed25519).with_file_name("host-cert.pub");
        fs::write(&file, builder.sign(shown.ca).unwrap().to_openssh().unwrap()).unwrap();
        self.sshd.configure(&["LogLevel DEBUG1", &format!("HostCertificate {}", file.display())]);
    }

    fn msh(&self) -> Finished {
        let to = format!("{}@node1", self.scene.login);
        let folder = self.folder.to_str().unwrap();
        // What somebody may have got used to elsewhere does not weaken it.
        let lax = "StrictHostKeyChecking=accept-new";
        let mut command = self.msh.command(&["ssh", "--identity", folder, "-o", lax, &to, "true"]);
        run(command.stdin(Stdio::null()))
    }

    /// How often somebody has said who they are.
    fn asked(&self) -> usize {
        self.sshd.count("userauth-request for user")
    }

    #[track_caller]
    fn assert_refused(&mut self, label: &str) {
        let before = fs::read(self.folder.join("known_hosts")).ok();
        let said = self.msh();
        assert_eq!(said.code, Some(255), "{label}: {said:?}");
        // Stock ssh with the folder's own configuration; the false gateway is no HTTP proxy, so it is asked by itself.
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.folder.join("ssh_config")).args(["-o", "ProxyCommand=none", "-p"]);
        ssh.arg(self.sshd.port().to_string()).args(["-o", "HostName=localhost"]);
        let said = run(ssh.arg(format!("{}@node1", self.scene.login)).arg("true").stdin(Stdio::null()));
        assert_eq!(said.code, Some(255), "{label}: {said:?}");
        assert_eq!(self.asked(), 0, "{label}: {}", self.sshd.log());
        assert!(!said.err().contains("(yes/no"), "{label}: nothing is asked: {}", said.err());
        assert_eq!(fs::read(self.folder.join("known_hosts")).ok(), before, "{label}");
    }
}

#[test]
fn hostile_040_a_false_gateway_hears_nothing_of_who_it_is() {
    let mut scene = Scene::start();
    let keys = StolenKeys::take(&mut scene);
    let mut other = False::new(&scene);
    let host = |principals: &'static [&'static str]| Shown {
        ca: &keys.host,
        kind: CertType::Host,
        principals,
        valid: (-60, 3600),
    };
    let stranger = PrivateKey::random(&mut rand_core::OsRng, ssh_key::Algorithm::Ed25519).unwrap();
    other.show(None);
    other.assert_refused("a plain key");
    for (label, shown) in [
        ("of the User CA", Shown { ca: &keys.user, ..host(&["localhost", "node1"]) }),
        ("of nobody's CA", Shown { ca: &stranger, ..host(&["localhost", "node1"]) }),
        ("for users", Shown { kind: CertType::User, ..host(&["localhost", "node1"]) }),
        ("for another name", host(&["elsewhere"])),
        ("for all names", host(&["*"])),
        ("expired", Shown { valid: (-7200, -3600), ..host(&["localhost", "node1"]) }),
        ("of tomorrow", Shown { valid: (86_400, 90_000), ..host(&["localhost", "node1"]) }),
    ] {
        other.show(Some(&shown));
        other.assert_refused(label);
    }
    // What is wrong in known_hosts helps nobody either.
    other.show(Some(&host(&["localhost", "node1"])));
    let path = other.folder.join("known_hosts");
    let good = fs::read_to_string(&path).unwrap();
    let line = good.lines().find(|line| line.starts_with("@cert-authority")).unwrap().to_owned();
    let key = line.split_once(" * ").unwrap().1.to_owned();
    let real = fs::canonicalize(&path).unwrap();
    for (label, text) in [
        ("revoked", format!("@revoked * {key}\n{line}\n")),
        ("revoked behind", format!("{line}\n@revoked * {key}\n")),
        ("all but it", format!("@cert-authority *,!localhost,![localhost]:* {key}\n")),
        (
            "hashed",
            format!("@cert-authority |1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {key}\n"),
        ),
        ("nothing", String::new()),
    ] {
        fs::write(&real, text).unwrap();
        other.assert_refused(label);
    }
    fs::remove_file(&real).unwrap();
    fs::create_dir(&real).unwrap();
    other.assert_refused("no file");
    fs::remove_dir(&real).unwrap();
    // With the lines of the cluster the same sshd is believed, also where a Windows editor has saved them: what was
    // refused above was refused for what the labels say.
    for text in [good.clone(), good.replace('\n', "\r\n")] {
        fs::write(&real, text).unwrap();
        let before = other.asked();
        let said = other.msh();
        assert!(other.asked() > before, "{said:?}\n{}", other.sshd.log());
    }
}

/// The folder of an identity is not read as anything else.
#[test]
fn folders_that_are_none_are_named() {
    let scene = Scene::start();
    let msh = Msh::at(&scene.scratch.join("none"));
    let said = msh.run(&["ssh", "--identity", Path::new("/nonexistent").to_str().unwrap(), "a@node1"]);
    assert_eq!(said.code, Some(255));
    assert!(said.err().contains("/nonexistent/ssh_key-cert.pub: not logged in"), "{}", said.err());
}
