//! Signals that ask the process to stop. Alone here: they go to the whole process.
#![allow(clippy::unwrap_used)]

use mezite_actors::run;
use mezite_actors::signals::StopSignals;
use rustix::process::{Signal, getpid, kill_process};

#[test]
fn each_wish_to_stop_is_noticed() {
    run(async {
        let mut signals = StopSignals::new().unwrap();
        for signal in [Signal::TERM, Signal::INT, Signal::TERM] {
            kill_process(getpid(), signal).unwrap();
            signals.next().await.unwrap();
        }
    });
}
