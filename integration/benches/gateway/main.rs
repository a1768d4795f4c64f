//! What the gateway costs, measured beside its yardsticks in one run: `docs/performance.md` says how to run this, how
//! to read it and what came out.
//!
//! Not a test: it checks nothing but that each transfer succeeds, and it runs only when `cargo bench` asks for it.

// A benchmark that cannot be set up must end with the reason.
#![allow(clippy::expect_used)]

mod checks;
mod connects;
mod decisions;
mod inside;
mod machine;
mod memory;
mod options;
mod stage;
mod statistics;
mod tables;
mod transfers;
mod usage;
mod yardsticks;

use std::process::ExitCode;

use clap::Parser as _;

use options::{Benchmark, Options};
use tables::Goals;

fn main() -> ExitCode {
    if let Some(yardstick) = yardsticks::from_arguments() {
        return yardstick.serve();
    }
    let options = Options::parse();
    if !options.bench {
        println!("not a test; run: cargo bench -p mezite-integration --bench gateway");
        return ExitCode::SUCCESS;
    }
    if let Err(missing) = machine::programs() {
        eprintln!("{missing} is not there; run: cargo build --release -p mezd -p mezctl");
        return ExitCode::FAILURE;
    }
    machine::describe();
    let mut goals = Goals::default();
    for benchmark in options.benchmarks() {
        match benchmark {
            Benchmark::Transfers => transfers::run(&options, &mut goals),
            Benchmark::Connects => connects::run(&options, &mut goals),
            Benchmark::Inside => inside::run(&options, &mut goals),
            Benchmark::Checks => checks::run(&options, &mut goals),
            Benchmark::Memory => memory::run(&options, &mut goals),
            Benchmark::Decisions => decisions::run(&mut goals),
        }
    }
    goals.print();
    ExitCode::SUCCESS
}
