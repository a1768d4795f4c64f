//! SSH inside SSH: the gateway as a jump host and behind its subsystem, beside its direct way and a stock `ssh -J`.

use crate::connects;
use crate::options::Options;
use crate::stage::{Cipher, Path, Stage};
use crate::tables::{Goals, Table, coarse, fine};
use crate::transfers::{self, DIRECTIONS};

const CONNECTS: [Path; 4] = [Path::Jump, Path::Gateway, Path::Inside, Path::Proxy];
const TRANSFERS: [Path; 4] = CONNECTS;
const INSIDE: [Path; 2] = [Path::Inside, Path::Proxy];

/// Measures and prints.
pub fn run(options: &Options, goals: &mut Goals) {
    let stage = Stage::start(&[Cipher::Default, Cipher::AesGcm]);
    connects(&stage, options, goals);
    transfers(&stage, options, goals);
}

fn connects(stage: &Stage, options: &Options, goals: &mut Goals) {
    let all = connects::measure(stage, &CONNECTS, options.connections);
    let title =
        format!("SSH inside SSH: connect, `true`, close, {} times: milliseconds", options.connections);
    let columns = ["way", "p50", "× `-J`", "× direct way", "p99", "processor time of the process in between"];
    let mut table = Table::new(&title, &columns);
    for series in &all {
        let over = |other| fine(series.p50() / connects::find(&all, other).p50());
        table.row(
            series.path.title(),
            &[
                coarse(series.p50()),
                over(Path::Jump),
                over(Path::Gateway),
                coarse(series.p99()),
                fine(series.cost()),
            ],
        );
    }
    table.print();
    for path in INSIDE {
        let ratio = connects::find(&all, path).p50() / connects::find(&all, Path::Jump).p50();
        goals.at_most(format!("{}, connect, p50: × `-J`", path.title()), 0.75, ratio);
    }
}

fn transfers(stage: &Stage, options: &Options, goals: &mut Goals) {
    let cipher = Cipher::AesGcm;
    let samples = transfers::measure(stage, cipher, &TRANSFERS, options);
    let title = format!("SSH inside SSH: {} MiB, {}", options.size >> 20, cipher.title());
    let columns =
        ["way", "down s", "up s", "processor s for a GiB down", "× direct way", "up", "× direct way"];
    let mut table = Table::new(&title, &columns);
    for path in TRANSFERS {
        let walls = DIRECTIONS.map(|direction| fine(transfers::wall(&samples, path, direction)));
        let costs = DIRECTIONS.map(|direction| {
            let own = transfers::total(&samples, path, direction);
            [fine(own), fine(own / transfers::total(&samples, Path::Gateway, direction))]
        });
        table.row(path.title(), &[&walls[..], costs.as_flattened()].concat());
    }
    table.print();
    for (path, direction) in INSIDE.into_iter().flat_map(|path| DIRECTIONS.map(|direction| (path, direction)))
    {
        let over = transfers::total(&samples, path, direction)
            / transfers::total(&samples, Path::Gateway, direction);
        goals.at_most(
            format!("{}, processor time, {}: × direct way", path.title(), direction.word()),
            2.2,
            over,
        );
    }
}
