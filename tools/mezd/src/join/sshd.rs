//! The sshd of this machine: what it says of a configuration, and how it is told to read it again.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mezite_api::escape;

use super::error::JoinError;

/// Where sshd is, where it is not on the path: that of root has it, that of `sudo` may not.
const PLACES: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"];

/// The program and its configuration.
pub(super) struct Sshd {
    program: PathBuf,
    pub(super) config: PathBuf,
}

/// The values that are in force for all connections, by keyword in lower case.
pub(super) struct Effective(HashMap<String, Vec<String>>);

impl Effective {
    /// All values of a keyword.
    pub(super) fn all(&self, keyword: &str) -> &[String] {
        self.0.get(keyword).map(Vec::as_slice).unwrap_or_default()
    }

    /// The value of a keyword; nothing for `none`.
    pub(super) fn one(&self, keyword: &str) -> Option<&str> {
        self.all(keyword).first().map(String::as_str).filter(|value| *value != "none")
    }
}

impl Sshd {
    /// Finds it.
    pub(super) fn find(program: Option<PathBuf>, config: &Path) -> Result<Self, JoinError> {
        let program = program.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.is_file()));
        let program = program
            .ok_or_else(|| JoinError::Local("no sshd is installed here; --sshd says where it is".into()))?;
        let config = std::path::absolute(config).map_err(|error| JoinError::file(config, &error))?;
        Ok(Self { program, config })
    }

    /// Whether it would start with the configuration as it is.
    pub(super) fn test(&self) -> Result<(), JoinError> {
        self.run("-t", &self.config).map(drop)
    }

    /// What is in force with the configuration as it is.
    pub(super) fn effective(&self) -> Result<Effective, JoinError> {
        self.effective_of(&self.config)
    }

    /// What would be in force with this text in the place of the configuration.
    pub(super) fn rehearse(&self, text: &[u8]) -> Result<Effective, JoinError> {
        let failed = |error: std::io::Error| JoinError::Local(format!("a copy of sshd_config: {error}"));
        let mut copy = tempfile::Builder::new().prefix("mezite-sshd-").tempfile().map_err(failed)?;
        copy.write_all(text).and_then(|()| copy.flush()).map_err(failed)?;
        self.run("-t", copy.path())?;
        self.effective_of(copy.path())
    }

    fn effective_of(&self, config: &Path) -> Result<Effective, JoinError> {
        let said = self.run("-T", config)?;
        let mut values: HashMap<String, Vec<String>> = HashMap::new();
        for line in String::from_utf8_lossy(&said.stdout).lines() {
            if let Some((keyword, value)) = line.split_once(' ') {
                values.entry(keyword.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
            }
        }
        Ok(Effective(values))
    }

    fn run(&self, mode: &str, config: &Path) -> Result<Output, JoinError> {
        let mut command = Command::new(&self.program);
        command.arg(mode).arg("-f").arg(config).stdin(Stdio::null());
        let said = command.output().map_err(|error| JoinError::file(&self.program, &error))?;
        if said.status.success() {
            return Ok(said);
        }
        let why = escape(String::from_utf8_lossy(&said.stderr).trim());
        Err(JoinError::Local(format!("{} {mode} -f {}: {why}", self.program.display(), config.display())))
    }

    /// Has it read its configuration again: by the command that was given, else by systemd, else by SIGHUP.
    pub(super) fn reload(&self, given: Option<&str>) -> Result<(), JoinError> {
        if let Some(line) = given {
            let mut command = Command::new("/bin/sh");
            return done(command.arg("-c").arg(line), "--reload-command");
        }
        if Path::new("/run/systemd/system").is_dir() {
            for unit in ["ssh.service", "sshd.service"] {
                let active = Command::new("systemctl").args(["is-active", "--quiet", unit]).status();
                if active.is_ok_and(|status| status.success()) {
                    return done(Command::new("systemctl").args(["reload", unit]), "systemctl reload");
                }
            }
        }
        let pid_file = self.effective()?.one("pidfile").map(PathBuf::from);
        let pid = pid_file.and_then(|path| fs::read_to_string(path).ok()?.trim().parse::<i32>().ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw).filter(|pid| is_sshd(*pid));
        let Some(pid) = pid else {
            // One that is started for each connection reads it then.
            eprintln!("mezd: note: no running sshd was found to be reloaded; --reload-command says how");
            return Ok(());
        };
        let sent = rustix::process::kill_process(pid, rustix::process::Signal::HUP);
        sent.map_err(|error| {
            JoinError::Local(format!("sshd cannot be told to read its configuration: {error}"))
        })
    }
}

fn is_sshd(pid: rustix::process::Pid) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    name.is_ok_and(|name| name.trim() == "sshd")
}

fn done(command: &mut Command, what: &str) -> Result<(), JoinError> {
    let said = command.stdin(Stdio::null()).output();
    let said = said.map_err(|error| JoinError::Local(format!("{what}: {error}")))?;
    if said.status.success() {
        return Ok(());
    }
    let why = escape(String::from_utf8_lossy(&said.stderr).trim());
    Err(JoinError::Local(format!("{what} ended with {}: {why}", said.status)))
}
