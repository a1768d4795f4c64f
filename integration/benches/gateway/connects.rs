//! Connect, `true`, close: how long a person waits, and what it costs the process in between.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::stage::{Cipher, Path, Stage};
use crate::statistics::percentile;
use crate::tables::{Goals, Table, coarse, fine};
use crate::usage::{self, Cpu};

const PATHS: [Path; 6] = [Path::Direct, Path::Jump, Path::Tcp, Path::Russh, Path::Gateway, Path::Connect];

/// How long the ends of a connection get to clear up, so that the next one has the machine for itself.
const SETTLE: Duration = Duration::from_millis(50);

/// What was measured on one way.
pub struct Series {
    pub path: Path,
    /// Milliseconds, one for each connection.
    walls: Vec<f64>,
    cpu: Cpu,
}

/// Measures and prints.
pub fn run(options: &Options, goals: &mut Goals) {
    let stage = Stage::start(&[Cipher::Default]);
    let all = measure(&stage, &PATHS, options.connections);
    print(&all);
    set_goals(&all, goals);
}

/// Connects so often on each of these ways, taking turns.
pub fn measure(stage: &Stage, paths: &[Path], connections: usize) -> Vec<Series> {
    let series = |&path| Series { path, walls: Vec::new(), cpu: Cpu::default() };
    let mut all: Vec<Series> = paths.iter().map(series).collect();
    for &path in paths {
        // Warms up: programs in the page cache, what the gateway learns about a node at its first login.
        connect(stage.ssh(path, Cipher::Default, &[]));
    }
    thread::sleep(SETTLE);
    for _ in 0..connections {
        for series in &mut all {
            let process = stage.process(series.path, Cipher::Default);
            let before = process.map(usage::cpu).unwrap_or_default();
            series.walls.push(connect(stage.ssh(series.path, Cipher::Default, &[])));
            thread::sleep(SETTLE);
            if let Some(pid) = process {
                usage::wait_for_children(pid);
                series.cpu = series.cpu + (usage::cpu(pid) - before);
            }
        }
    }
    all
}

/// Milliseconds.
pub fn connect(mut ssh: Command) -> f64 {
    ssh.arg("true").stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = ssh.status().expect("ssh starts");
    let wall = start.elapsed().as_secs_f64() * 1000.0;
    assert!(status.success(), "{ssh:?} ended with {status}");
    wall
}

impl Series {
    /// The median, in milliseconds.
    pub fn p50(&self) -> f64 {
        percentile(&self.walls, 0.5)
    }

    /// What one of a hundred exceeds.
    pub fn p99(&self) -> f64 {
        percentile(&self.walls, 0.99)
    }

    /// Milliseconds of processor time for one connection.
    pub fn cost(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let count = self.walls.len() as f64;
        self.cpu.total() * 1000.0 / count
    }
}

/// The series of a way.
pub fn find(all: &[Series], path: Path) -> &Series {
    all.iter().find(|series| series.path == path).expect("every way is measured")
}

fn print(all: &[Series]) {
    let title =
        format!("Connect, `true`, close, {} times: milliseconds", find(all, Path::Direct).walls.len());
    let mut table = Table::new(
        &title,
        &["way", "p50", "× direct", "× `-J`", "p99", "processor time of the process in between"],
    );
    for series in all {
        let over = |other| fine(series.p50() / find(all, other).p50());
        table.row(
            series.path.title(),
            &[
                coarse(series.p50()),
                over(Path::Direct),
                over(Path::Jump),
                coarse(series.p99()),
                (series.path != Path::Direct).then(|| fine(series.cost())).flatten(),
            ],
        );
    }
    table.print();
}

fn set_goals(all: &[Series], goals: &mut Goals) {
    for path in [Path::Gateway, Path::Connect] {
        let series = find(all, path);
        let name = format!("{}, connect, p50", path.title());
        goals.at_most(format!("{name}: × direct"), 0.4, series.p50() / find(all, Path::Direct).p50());
        goals.at_most(format!("{name}: × `-J`"), 0.25, series.p50() / find(all, Path::Jump).p50());
        goals.at_most(format!("{}, connect: ms of processor time", path.title()), 2.0, series.cost());
    }
}
