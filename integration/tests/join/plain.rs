//! A machine that has never heard of a gateway: an `sshd` with a folder of its own, as a distribution has it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mezite_fixtures::{Finished, KeyType, Running, Scene, eventually, generate_key, program, run};

const LISTENING: &str = "Server listening on";

/// How a machine's configuration looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// It includes `sshd_config.d`.
    Include,
    /// One file, with a `Match` at its end, carriage returns and no line feed at the end.
    Single,
}

/// The machine.
pub struct Plain {
    pub folder: PathBuf,
    pub port: u16,
    sshd: Running,
}

impl Plain {
    pub fn start(scene: &Scene, name: &str, style: Style) -> Self {
        Self::with(scene, name, style, "")
    }

    /// One with further lines before the usual ones.
    pub fn with(scene: &Scene, name: &str, style: Style, lines: &str) -> Self {
        let folder = scene.scratch.join(name);
        fs::create_dir(&folder).unwrap();
        fs::create_dir_all("/run/sshd").ok();
        for kind in [KeyType::Ed25519, KeyType::Rsa] {
            generate_key(&folder.join(format!("ssh_host_{}_key", kind.name())), kind);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let usual = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/ssh_host_{1}_key\nHostKey {0}/ssh_host_{2}_key\nPidFile {0}/pid\n\
             AuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
             LogLevel DEBUG1\nSubsystem sftp internal-sftp\n",
            folder.display(),
            KeyType::Ed25519.name(),
            KeyType::Rsa.name(),
        );
        let text = match style {
            Style::Include => {
                fs::create_dir(folder.join("sshd_config.d")).unwrap();
                format!("# as it comes\nInclude {}/sshd_config.d/*.conf\n{lines}{usual}", folder.display())
            }
            Style::Single => {
                format!("{lines}{usual}Match User nobody-here\n  X11Forwarding no").replace('\n', "\r\n")
            }
        };
        fs::write(folder.join("sshd_config"), text).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-f"]).arg(folder.join("sshd_config")).arg("-E").arg(folder.join("log"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let sshd = Running::start(&mut command, &folder.with_extension("stderr"));
        let plain = Self { folder, port, sshd };
        plain.until_listening(0);
        plain
    }

    fn until_listening(&self, before: usize) {
        eventually("sshd to listen", || {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            (log.lines().filter(|line| line.contains(LISTENING)).count() > before).then_some(())
        });
    }

    /// How it is told to read its configuration again, which waits until it listens anew.
    pub fn reload(&self) -> String {
        let log = self.folder.join("log");
        format!(
            "n=$(grep -c '{LISTENING}' {0}); kill -HUP {1}; until [ $(grep -c '{LISTENING}' {0}) -gt $n ]; do sleep 0.05; done",
            log.display(),
            self.sshd.pid()
        )
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("sshd_config")
    }

    /// All files that sshd and a join know of, with their content.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.folder, &self.folder, &mut files);
        files.retain(|name, _| !matches!(name.as_str(), "log" | "pid"));
        files
    }

    /// `mezd join openssh` with these arguments; `token` is given by the environment.
    pub fn mezd<S: AsRef<OsStr>>(&self, token: Option<&str>, arguments: &[S]) -> Finished {
        let mut command = Command::new(program("mezd"));
        command.args(["join", "openssh"]).arg("--sshd-config").arg(self.config());
        if !given(arguments, "--reload-command=") {
            command.arg("--reload-command").arg(self.reload());
        }
        with_token(command.args(arguments), token)
    }

    /// The same, with what every join says.
    pub fn join<S: AsRef<OsStr>>(&self, scene: &Scene, token: Option<&str>, arguments: &[S]) -> Finished {
        let server = format!("--server=localhost:{}", scene.gateway.https().port());
        let usual = [server, format!("--address={}", self.address()), "--name=web-1".to_owned()];
        let flag = |usual: &String| usual.split_inclusive('=').next().unwrap_or_default().to_owned();
        let usual: Vec<_> = usual.iter().filter(|usual| !given(arguments, &flag(usual))).collect();
        let mut all: Vec<&OsStr> = usual.iter().map(OsStr::new).collect();
        all.extend(arguments.iter().map(AsRef::as_ref));
        self.mezd(token, &all)
    }

    /// The printed script by this shell.
    pub fn script<S: AsRef<OsStr>>(
        &self,
        scene: &Scene,
        shell: &[&str],
        token: Option<&str>,
        arguments: &[S],
    ) -> Finished {
        let gateway = format!("localhost:{}", scene.gateway.https().port());
        let text = scene.mezctl.ok(&["nodes", "join-script", "--gateway", &gateway]);
        let script = scene.scratch.write("join.sh", text);
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(script).arg("--sshd-config").arg(self.config());
        command.arg("--reload-command").arg(self.reload()).args(arguments);
        with_token(&mut command, token)
    }
}

fn given<S: AsRef<OsStr>>(arguments: &[S], flag: &str) -> bool {
    arguments.iter().any(|argument| argument.as_ref().to_string_lossy().starts_with(flag))
}

fn with_token(command: &mut Command, token: Option<&str>) -> Finished {
    command.env_remove("MEZITE_CA_PIN").env_remove("MEZD_JOIN_TOKEN").env_remove("MEZITE_AUTH_SERVER");
    if let Some(token) = token {
        command.env("MEZD_JOIN_TOKEN", token);
    }
    run(command)
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A token for a node with these labels.
pub fn token(scene: &Scene, labels: &str) -> String {
    let labels = format!("--labels={labels}");
    scene.mezctl.json(&["tokens", "add", "--type=node", &labels])["token"].as_str().unwrap().to_owned()
}

/// The node of this name.
pub fn node(scene: &Scene, name: &str) -> Option<serde_json::Value> {
    let all = scene.mezctl.list(&["nodes", "ls"]);
    all.into_iter().find(|node| node["spec"]["hostname"] == name)
}

/// Runs a command on `web-1` through the gateway.
pub fn through(scene: &Scene, command: &str) -> Finished {
    let route = scene.client.route(mezite_fixtures::Way::Direct, scene.login, "web-1");
    run(route.ssh::<&str>(&[]).arg(command))
}
