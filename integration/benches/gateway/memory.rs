//! Memory of the idle gateway and of idle connections; the size of the program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use mezite_fixtures::{Gateway, GatewayOptions, Scratch};

use crate::machine;
use crate::options::Options;
use crate::stage::{Cipher, Path, Stage};
use crate::tables::{Goals, Table, coarse, fine};
use crate::usage::{Memory, memory};

/// After so long without anything to do a process counts as idle.
const IDLE: Duration = Duration::from_secs(3);

/// Measures and prints.
pub fn run(options: &Options, goals: &mut Goals) {
    sizes(goals);
    let stage = Stage::start(&[Cipher::Default]);
    let title = format!("{} idle connections: KiB for each", options.idle);
    let mut table =
        Table::new(&title, &["process", "holding", "resident", "anonymous", "anonymous kept after the end"]);
    for path in [Path::Russh, Path::Gateway] {
        for kind in [Kind::Connection, Kind::Session] {
            let cost = hold(&stage, path, kind, options.idle);
            let figures = [
                Some(kind.title().to_owned()),
                coarse(cost.held.resident),
                coarse(cost.held.anonymous),
                coarse(cost.kept),
            ];
            table.row(path.title(), &figures);
            if (path, kind) == (Path::Gateway, Kind::Connection) {
                goals.at_most("KiB (resident) for an idle connection", 48.0, cost.held.resident);
            }
        }
    }
    table.print();
}

fn sizes(goals: &mut Goals) {
    let scratch = Scratch::new();
    let gateway = Gateway::start(&scratch, GatewayOptions::default());
    thread::sleep(IDLE);
    let idle = memory(gateway.pid());
    let resident = idle.resident / 1024.0;
    let program = machine::programs().expect("checked at the start").join("mezd");
    #[allow(clippy::cast_precision_loss)]
    let program = fs::metadata(program).expect("mezd is there").len() as f64 / f64::from(1 << 20);
    let mut table = Table::new("Size: MiB", &["what", "MiB"]);
    table.row("gateway just started, resident", &[fine(resident)]);
    table.row("of it anonymous", &[fine(idle.anonymous / 1024.0)]);
    table.row("`mezd`, stripped", &[fine(program)]);
    table.print();
    goals.at_most("MiB (resident) of an idle gateway", 12.0, resident);
    goals.at_most("MiB of `mezd`, stripped", 10.0, program);
}

/// What is held open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// `ssh -N`: both legs and no channel.
    Connection,
    /// An exec session that says one line and sleeps; recorded.
    Session,
}

impl Kind {
    const fn title(self) -> &'static str {
        match self {
            Self::Connection => "`ssh -N`",
            Self::Session => "an idle session",
        }
    }
}

/// In KiB for each connection.
struct Cost {
    held: Memory,
    kept: f64,
}

fn hold(stage: &Stage, path: Path, kind: Kind, count: usize) -> Cost {
    let pid = stage.process(path, Cipher::Default).expect("a process in between");
    let open = |_| Held::open(stage, path, kind);
    // What the first connections set up once and for all is no cost of those that follow.
    drop((0..8).map(open).collect::<Vec<_>>());
    thread::sleep(IDLE);
    let before = memory(pid);
    let held: Vec<Held> = (0..count).map(open).collect();
    thread::sleep(IDLE);
    let during = memory(pid);
    drop(held);
    thread::sleep(IDLE);
    let after = memory(pid);
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    Cost {
        held: Memory {
            resident: (during.resident - before.resident) / count,
            anonymous: (during.anonymous - before.anonymous) / count,
        },
        kept: (after.anonymous - before.anonymous) / count,
    }
}

/// A client that holds its connection until it is dropped.
struct Held(Child);

impl Held {
    fn open(stage: &Stage, path: Path, kind: Kind) -> Self {
        let mut ssh = match kind {
            Kind::Connection => {
                let said = ["-N", "-oPermitLocalCommand=yes", "-oLocalCommand=echo up"];
                stage.ssh(path, Cipher::Default, &said)
            }
            Kind::Session => with_command(stage.ssh(path, Cipher::Default, &[]), "echo up; exec sleep 3600"),
        };
        let mut child = ssh.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("ssh starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a piped stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line of ssh's");
        assert_eq!(line, "up\n", "{ssh:?} opens no connection");
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_command(mut ssh: Command, command: &str) -> Command {
    ssh.arg(command);
    ssh
}
