//! A machine of one's own for a guide: namespaces of the kernel in which the gateway, sshd and all names and ports are as the
//! page says, and what the page does to `/etc` is gone with the test.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, iter};

use mezite_fixtures::{Running, Scratch, eventually, program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::page::Place;

const SETUP: &str = include_str!("machine.sh");
/// A command that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// The machine, with a gateway and an sshd that does not know it yet.
pub struct Machine {
    server: Running,
    desk: Running,
    steps: usize,
    holder: Running,
    scratch: Scratch,
}

impl Machine {
    /// Starts it.
    pub fn start() -> Self {
        let scratch = Scratch::new();
        let shared = scratch.shared_folder("guide");
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--net",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        let programs = program("mezd");
        command.args(["bash", "-c", SETUP, "machine"]).arg(programs.with_file_name("")).arg(&shared);
        environment(&mut command, "root", "/root");
        let mut holder = Running::start_piped(&mut command, &scratch.join("machine.log"));
        assert_eq!(holder.line(), "ready", "the machine does not start:\n{}", holder.log());
        let inside = child_of(holder.pid());
        let server = shell(inside, Place::Server, &scratch);
        let desk = shell(inside, Place::Desk, &scratch);
        Self { server, desk, steps: 0, holder, scratch }
    }

    /// Runs a command in the shell of a place, which keeps its variables and folder from one to the next. Gives how it ended
    /// and what it printed.
    pub fn run(&mut self, place: Place, command: &str) -> (i32, String) {
        self.steps += 1;
        let name = format!("step-{}", self.steps);
        let folder = self.scratch.join("guide");
        let in_time = watch(self.holder.pid());
        fs::write(folder.join(&name), command).expect("a write to the scratch");
        let shell = match place {
            Place::Server => &mut self.server,
            Place::Desk => &mut self.desk,
        };
        shell
            .say(format!(". /mnt/guide/{name} >/mnt/guide/{name}.out 2>&1 </dev/null; echo $?\n").as_bytes());
        let exit = shell.line();
        drop(in_time);
        let printed = fs::read(folder.join(format!("{name}.out"))).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let exit = exit.parse().unwrap_or_else(|_| panic!("the shell ended in `{command}`:\n{printed}"));
        (exit, printed)
    }

    /// Runs a command as the server's root and gives what it printed. Ends the test unless it exits with 0.
    #[track_caller]
    pub fn ok(&mut self, command: &str) -> String {
        let (exit, printed) = self.run(Place::Server, command);
        assert_eq!(exit, 0, "`{command}` exited with {exit}:\n{printed}");
        printed
    }

    /// Writes a file that comes from elsewhere, for all to read.
    pub fn write(&mut self, path: &str, content: &str) {
        fs::write(self.scratch.join("guide/file"), content).expect("a write to the scratch");
        self.ok(&format!("install -D -m 0644 /mnt/guide/file {path}"));
    }

    /// The audit events of one type, oldest first, once there is one.
    pub fn audit(&mut self, kind: &str) -> Vec<Value> {
        let command = format!("mezctl audit ls --type {kind} --format json");
        eventually(&format!("an event {kind}"), || {
            let mut events: Vec<Value> = serde_json::from_str(&self.ok(&command)).expect("a list of events");
            events.sort_by_key(|event| event["seq"].as_u64());
            (!events.is_empty()).then_some(events)
        })
    }

    /// What the gateway has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.scratch.join("guide/gateway.log")).unwrap_or_default()
    }
}

/// Ends the machine, and with it the shell, unless what this gives is dropped in time.
fn watch(machine: u32) -> mpsc::Sender<()> {
    let (alive, done) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let machine = i32::try_from(machine).ok().and_then(Pid::from_raw);
        if let (Err(mpsc::RecvTimeoutError::Timeout), Some(machine)) = (done.recv_timeout(LIMIT), machine) {
            // It may be gone.
            let _ = kill_process(machine, Signal::KILL);
        }
    });
    alive
}

fn shell(inside: u32, place: Place, scratch: &Scratch) -> Running {
    let mut command = Command::new("nsenter");
    command.args(["--target", &inside.to_string(), "--mount", "--net", "--uts", "--ipc", "--pid", "--wd=/"]);
    let home = match place {
        Place::Server => "/root",
        Place::Desk => {
            command.args(["setpriv", "--reuid=alice", "--regid=alice", "--init-groups"]);
            "/home/alice"
        }
    };
    environment(&mut command, if place == Place::Desk { "alice" } else { "root" }, home);
    command.args(["bash", "-c", "cd && exec bash --noprofile --norc"]);
    Running::start_piped(command.stdin(Stdio::piped()), &scratch.join("shell.log"))
}

/// Nothing of the test's own environment reaches the machine.
fn environment(command: &mut Command, user: &str, home: &str) {
    command.env_clear().env("HOME", home).env("USER", user).env("LOGNAME", user).env("LC_ALL", "C.UTF-8");
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

/// The first process of the machine.
fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(Path::new(&path)).expect("unshare runs");
    let mut children = children.split_whitespace().map(|pid| pid.parse().expect("a process id"));
    let first = children.next().expect("unshare has a child");
    assert_eq!(iter::once(first).chain(children).count(), 1, "unshare has one child");
    first
}
