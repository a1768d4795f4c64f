//! Showing a recorded session: `mezctl recordings play`, `msh play`.

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use mezite_api::client::{Client, Purpose};
use mezite_api::duration;
use mezite_recording::{PlayOptions, Played, play};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use super::{fetch, note};
use crate::error::CommandError;

/// How long ctrl-C may take.
const NAP: Duration = Duration::from_millis(50);

/// Shows a recorded session, in its own time on a terminal and at once elsewhere.
#[derive(Debug, Args)]
pub struct Play {
    /// The session's UUID.
    session: String,
    /// How many times faster.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The longest pause: 1s.
    #[arg(long, value_name = "TIME")]
    idle_limit: Option<String>,
    /// Let everything that was recorded reach the terminal, also what could harm it.
    #[arg(long)]
    raw: bool,
}

impl Play {
    /// Shows it.
    pub fn run(self, client: &Client) -> Result<(), CommandError> {
        let idle_limit = self.idle_limit.as_deref().map(duration::parse).transpose();
        let options = PlayOptions {
            terminal: io::stdout().is_terminal(),
            raw: self.raw,
            speed: self.speed,
            idle_limit: idle_limit.map_err(|invalid| invalid.in_field("idle_limit"))?,
            ..PlayOptions::default()
        };
        let mut reader = fetch(client, &self.session, Purpose::Play)?;
        // The player ends in order on ctrl-C, so that it can put the terminal back.
        let stopped = Arc::new(AtomicBool::new(false));
        if options.terminal {
            flag::register(SIGINT, Arc::clone(&stopped))?;
        }
        let played = play(&mut reader, &mut io::stdout().lock(), &options, |pause| wait(pause, &stopped))?;
        if let Played::Ended(state) = played {
            note(state);
        }
        Ok(())
    }
}

/// Sleeps, in short naps: a signal does not end a sleep.
fn wait(pause: Duration, stopped: &AtomicBool) -> ControlFlow<()> {
    let end = Instant::now().checked_add(pause);
    loop {
        if stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        let left = end.map_or(NAP, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return ControlFlow::Continue(());
        }
        thread::sleep(left.min(NAP));
    }
}
