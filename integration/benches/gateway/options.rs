//! The command line.

use clap::{Parser, ValueEnum};

/// Measures the gateway beside its yardsticks; docs/performance.md explains the tables.
#[derive(Debug, Parser)]
#[command(name = "gateway")]
pub struct Options {
    /// What to measure [default: everything]
    names: Vec<Benchmark>,
    /// Bytes of one transfer: a number with KiB, MiB, GiB or nothing behind it
    #[arg(long, default_value = "1GiB", value_parser = parse_size)]
    pub size: u64,
    /// How often each transfer is done; the table shows medians
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How many connections are opened on each way
    #[arg(long, default_value_t = 50)]
    pub connections: usize,
    /// How many idle connections are held
    #[arg(long, default_value_t = 200)]
    pub idle: usize,
    /// How many nodes are looked at
    #[arg(long, default_value_t = 2000)]
    pub nodes: usize,
    /// `cargo bench` says this; `cargo test` does not
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// One of the things that can be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Benchmark {
    /// Bulk data both ways: wall time and processor time
    Transfers,
    /// Connect, `true`, close: wall time and processor time
    Connects,
    /// SSH inside SSH (`-J`, `proxy:`): wall time and processor time
    Inside,
    /// `nodes check --all`, and connections beside it
    Checks,
    /// Memory: idle, with idle connections, size of the program
    Memory,
    /// Decision for a user with 200 roles
    Decisions,
}

impl Options {
    /// What was asked for, in the order in which it runs.
    pub fn benchmarks(&self) -> Vec<Benchmark> {
        let mut all = Benchmark::value_variants().to_vec();
        all.retain(|one| self.names.is_empty() || self.names.contains(one));
        all
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit '{other}'")),
    };
    let number: u64 = number.parse().map_err(|_| "no number".to_owned())?;
    number.checked_mul(unit).filter(|&size| size > 0).ok_or_else(|| "out of range".to_owned())
}
