//! Bulk data both ways: wall time beside direct ssh, processor time beside the other relays.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::stage::{Cipher, Path, Stage};
use crate::statistics::median;
use crate::tables::{Goals, Table, fine};
use crate::usage::{self, Cpu};

const CIPHERS: [Cipher; 3] = [Cipher::Default, Cipher::AesGcm, Cipher::ChaCha];
const PATHS: [Path; 6] = [Path::Direct, Path::Jump, Path::Tcp, Path::Russh, Path::Gateway, Path::Connect];
/// Both.
pub const DIRECTIONS: [Direction; 2] = [Direction::Down, Direction::Up];

/// What a process does after the last byte, before its costs are read.
const SETTLE: Duration = Duration::from_millis(100);

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the node.
    Down,
    /// To the node.
    Up,
}

impl Direction {
    /// For rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// One transfer.
pub struct Sample {
    path: Path,
    direction: Direction,
    /// Seconds.
    wall: f64,
    /// Of the process in between, for each GiB.
    cpu: Cpu,
}

/// Measures and prints.
pub fn run(options: &Options, goals: &mut Goals) {
    let stage = Stage::start(&CIPHERS);
    for cipher in CIPHERS {
        let samples = measure(&stage, cipher, &PATHS, options);
        print_walls(cipher, options.size, &samples);
        print_costs(cipher, &samples);
        set_goals(cipher, &samples, goals);
    }
    assert_recorded(&stage);
}

/// Transfers on each of these ways, taking turns.
pub fn measure(stage: &Stage, cipher: Cipher, paths: &[Path], options: &Options) -> Vec<Sample> {
    let mut samples = Vec::new();
    // The first round warms up.
    for round in 0..=options.rounds {
        for direction in DIRECTIONS {
            for &path in paths {
                let sample = transfer(stage, path, cipher, direction, options.size);
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
    }
    samples
}

fn transfer(stage: &Stage, path: Path, cipher: Cipher, direction: Direction, size: u64) -> Sample {
    let process = stage.process(path, cipher);
    let before = process.map(usage::cpu).unwrap_or_default();
    let wall = match direction {
        Direction::Down => download(stage.ssh(path, cipher, &[]), size),
        Direction::Up => upload(stage.ssh(path, cipher, &[]), size),
    };
    thread::sleep(SETTLE);
    let cpu = process.map_or_else(Cpu::default, |pid| {
        usage::wait_for_children(pid);
        usage::cpu(pid) - before
    });
    #[allow(clippy::cast_precision_loss)]
    let gib = size as f64 / f64::from(1 << 30);
    let cpu = Cpu { user: cpu.user / gib, system: cpu.system / gib };
    Sample { path, direction, wall, cpu }
}

fn download(mut ssh: Command, size: u64) -> f64 {
    ssh.arg(format!("head -c {size} /dev/zero")).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = ssh.status().expect("ssh starts");
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{ssh:?} ended with {status}");
    wall
}

fn upload(mut ssh: Command, size: u64) -> f64 {
    let start = Instant::now();
    let mut source = Command::new("head");
    source.args(["-c", &size.to_string(), "/dev/zero"]).stdout(Stdio::piped());
    let mut source = source.spawn().expect("head starts");
    let bytes = source.stdout.take().expect("a piped stdout");
    let status = ssh.arg("cat >/dev/null").stdin(bytes).stdout(Stdio::null()).status().expect("ssh starts");
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{ssh:?} ended with {status}");
    assert!(source.wait().expect("head ends").success(), "not every byte was taken");
    wall
}

/// Without recordings the figures would be about something else.
fn assert_recorded(stage: &Stage) {
    let recordings = stage.mezctl().list(&["recordings", "ls"]);
    assert!(!recordings.is_empty(), "the sessions were not recorded");
}

/// Seconds of a transfer: the median.
pub fn wall(samples: &[Sample], path: Path, direction: Direction) -> f64 {
    median(of(samples, path, direction).map(|sample| sample.wall))
}

fn cpu(samples: &[Sample], path: Path, direction: Direction) -> Cpu {
    Cpu {
        user: median(of(samples, path, direction).map(|sample| sample.cpu.user)),
        system: median(of(samples, path, direction).map(|sample| sample.cpu.system)),
    }
}

/// Seconds of processor time for a GiB: the median.
pub fn total(samples: &[Sample], path: Path, direction: Direction) -> f64 {
    median(of(samples, path, direction).map(|sample| sample.cpu.total()))
}

fn of(samples: &[Sample], path: Path, direction: Direction) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(move |sample| sample.path == path && sample.direction == direction)
}

fn print_walls(cipher: Cipher, size: u64, samples: &[Sample]) {
    let title = format!("{} MiB, {}: seconds", size >> 20, cipher.title());
    let columns = ["way", "down", "× direct", "× `-J`", "up", "× direct", "× `-J`"];
    let mut table = Table::new(&title, &columns);
    for path in PATHS {
        let figures = DIRECTIONS.map(|direction| {
            let own = wall(samples, path, direction);
            let over = |other| fine(own / wall(samples, other, direction));
            [fine(own), over(Path::Direct), over(Path::Jump)]
        });
        table.row(path.title(), figures.as_flattened());
    }
    table.print();
}

fn print_costs(cipher: Cipher, samples: &[Sample]) {
    let title = format!("Processor time of the process in between, {}: seconds for each GiB", cipher.title());
    let columns = [
        "process",
        "down user",
        "system",
        "sum",
        "× `russh`",
        "× TCP",
        "up user",
        "system",
        "sum",
        "× `russh`",
        "× TCP",
    ];
    let mut table = Table::new(&title, &columns);
    for path in PATHS.into_iter().filter(|&path| path != Path::Direct) {
        let figures = DIRECTIONS.map(|direction| {
            let own = cpu(samples, path, direction);
            let sum = total(samples, path, direction);
            let over = |other| fine(sum / total(samples, other, direction));
            [fine(own.user), fine(own.system), fine(sum), over(Path::Russh), over(Path::Tcp)]
        });
        table.row(path.title(), figures.as_flattened());
    }
    table.print();
}

fn set_goals(cipher: Cipher, samples: &[Sample], goals: &mut Goals) {
    for direction in DIRECTIONS {
        let word = direction.word();
        for path in [Path::Gateway, Path::Connect] {
            let name = format!("{}, {word}, {}", path.title(), cipher.title());
            let wall_over = |other| wall(samples, path, direction) / wall(samples, other, direction);
            match cipher {
                Cipher::Default => goals.at_most(format!("{name}: × direct"), 1.0, wall_over(Path::Direct)),
                Cipher::AesGcm => {
                    goals.at_most(format!("{name}: × direct"), 1.15, wall_over(Path::Direct));
                    goals.at_most(format!("{name}: × `-J`"), 0.6, wall_over(Path::Jump));
                }
                Cipher::ChaCha => {}
            }
        }
        let cost = total(samples, Path::Gateway, direction);
        let name = format!("processor time, {word}, {}", cipher.title());
        match cipher {
            Cipher::Default => {}
            Cipher::AesGcm => {
                let over = |other| cost / total(samples, other, direction);
                goals.at_most(format!("{name}: × `russh` relay"), 0.65, over(Path::Russh));
                goals.at_most(format!("{name}: × bare TCP relay"), 1.3, over(Path::Tcp));
            }
            Cipher::ChaCha => goals.at_most(format!("{name}: seconds for each GiB"), 1.5, cost),
        }
    }
}
