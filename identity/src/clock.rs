//! Time and signals: what the daemon waits for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// A clock that tests can move.
pub trait Clock: Send + Sync {
    /// What this machine takes the time to be. It may jump.
    fn now(&self) -> Timestamp;
    /// Time that has passed since some moment, sleep of the machine included. It never jumps.
    fn elapsed(&self) -> Duration;
    /// Waits for an event, at most so long. It may wait shorter: the time is looked at again.
    fn wait(&self, events: &Receiver<Event>, most: Duration) -> Option<Event>;
}

/// What happens to the daemon.
#[derive(Debug)]
pub enum Event {
    /// `SIGTERM`, `SIGINT`: stop.
    Stop,
    /// `SIGHUP`: renew now.
    Renew,
    /// `SIGUSR1`: say how things stand.
    Report,
    /// A call to the gateway has come back.
    Called,
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// A sleep of the machine is noticed after so long at most: timers stand still meanwhile.
const SLICE: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    fn wait(&self, events: &Receiver<Event>, most: Duration) -> Option<Event> {
        match events.recv_timeout(most.min(SLICE)) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // Nobody is left who could say anything: only time passes.
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(most.min(SLICE));
                None
            }
        }
    }
}

/// The events of this process, and who else may send some. Signals come from now on, none is lost.
pub fn events() -> std::io::Result<(Sender<Event>, Receiver<Event>)> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1])?;
    let said = sender.clone();
    thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGHUP => Event::Renew,
                SIGUSR1 => Event::Report,
                _ => Event::Stop,
            };
            if said.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok((sender, receiver))
}
