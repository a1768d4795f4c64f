//! A bot, its token, and `mezd identity` on its destination.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mezite_fixtures::{Finished, Running, Scene, eventually, program, run};
use serde_json::Value;

/// The bot of every test here.
pub const BOT: &str = "github-deploy";

/// Adds the bot with the scene's role and gives its token, with the pin behind it.
pub fn add_bot(scene: &Scene) -> String {
    add(scene, &["--ttl=1h"])
}

/// The same with further options.
pub fn add(scene: &Scene, options: &[&str]) -> String {
    let name = format!("--name={BOT}");
    let mut all = vec!["bots", "add", &name, "--roles=dev"];
    all.extend(options);
    let added = scene.mezctl.json(&all);
    added["token"].as_str().unwrap().to_owned()
}

/// A fresh token for the bot.
pub fn rotate(scene: &Scene) -> String {
    scene.mezctl.json(&["bots", "rotate-token", BOT])["token"].as_str().unwrap().to_owned()
}

/// One destination of `mezd identity`.
pub struct Identity<'a> {
    /// Where the gateway is.
    pub scene: &'a Scene,
    /// The destination.
    pub folder: PathBuf,
}

impl<'a> Identity<'a> {
    /// One that is still empty.
    pub fn new(scene: &'a Scene, name: &str) -> Self {
        Self { scene, folder: scene.scratch.join(name) }
    }

    /// One that has joined.
    pub fn joined(scene: &'a Scene, name: &str, token: &str) -> Self {
        let identity = Self::new(scene, name);
        identity.once(token).assert_ok();
        identity
    }

    /// `mezd identity start` with these arguments.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(program("mezd"));
        command.args(["identity", "start"]);
        command.arg(format!("--auth-server=localhost:{}", self.scene.gateway.https().port()));
        command.arg(format!("--destination={}", self.folder.display()));
        command.args(arguments).env_remove("MEZITE_CA_PIN").env_remove("MEZD_JOIN_TOKEN");
        command
    }

    /// Joins with a token and ends.
    pub fn once(&self, token: &str) -> Finished {
        let file = self.folder.with_extension("token");
        fs::write(&file, token).unwrap();
        run(&mut self.start(&["--one-shot", &format!("--join-token=@{}", file.display())]))
    }

    /// Renews and ends.
    pub fn renew(&self) -> Finished {
        run(&mut self.start(&["--one-shot"]))
    }

    /// A daemon beside the test.
    pub fn daemon<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        let mut command = self.start(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Running::start(&mut command, &self.folder.with_extension("log"))
    }

    /// `identity.json`.
    pub fn record(&self) -> Value {
        serde_json::from_slice(&self.read("identity.json")).unwrap()
    }

    /// The generation in `identity.json`.
    pub fn generation(&self) -> u64 {
        self.record()["generation"].as_u64().unwrap()
    }

    /// The instance in `identity.json`.
    pub fn instance(&self) -> String {
        self.record()["instance"].as_str().unwrap().to_owned()
    }

    /// Waits until the generation is there.
    #[track_caller]
    pub fn until_generation(&self, wanted: u64) {
        eventually(&format!("generation {wanted}"), || {
            let text = fs::read(self.folder.join("identity.json")).ok()?;
            let record: Value = serde_json::from_slice(&text).ok()?;
            (record["generation"].as_u64()? >= wanted).then_some(())
        });
    }

    /// What is in one of its files.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `ssh -F DIR/ssh_config LOGIN@node1 COMMAND`.
    pub fn ssh(&self, command: &str) -> Finished {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.folder.join("ssh_config"));
        ssh.arg(format!("{}@node1", self.scene.login)).arg(command);
        run(&mut ssh)
    }

    /// A copy of the whole destination, as a thief would make it.
    #[must_use]
    pub fn stolen(&self, name: &str) -> Self {
        let copy = Self::new(self.scene, name);
        run(Command::new("cp").arg("-a").arg(&self.folder).arg(&copy.folder)).assert_ok();
        let own = String::from_utf8(self.read("ssh_config")).unwrap();
        let config = own.replace(&self.folder.display().to_string(), &copy.folder.display().to_string());
        fs::write(copy.folder.join("ssh_config"), config).unwrap();
        copy
    }

    /// The instance as the gateway knows it.
    pub fn known(&self) -> Value {
        let own = self.instance();
        let all = self.scene.mezctl.list(&["bots", "instances", BOT]);
        all.into_iter().find(|instance| instance["id"] == own.as_str()).unwrap()
    }
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
