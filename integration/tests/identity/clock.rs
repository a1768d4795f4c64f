//! A clock that tests move: time passes when somebody waits for it.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_identity::{Clock, Event};

/// What a test wants to happen while somebody waits: it is told how long the whole wait has been so far, and may jump
/// the wall clock or send an event.
pub type Watcher = Box<dyn FnMut(&mut Hands, Duration) -> Option<Event> + Send>;

/// Where the hands of the clock are.
#[derive(Debug, Default)]
pub struct Hands {
    /// How far this machine's clock is from the true time.
    pub offset: SignedDuration,
    /// How much time has passed by waiting.
    pub passed: Duration,
    /// All waits, in order.
    pub waits: Vec<Duration>,
}

/// The clock.
pub struct MovedClock {
    hands: Mutex<Hands>,
    watcher: Mutex<Watcher>,
}

impl MovedClock {
    pub fn new(offset: SignedDuration, watcher: Watcher) -> Self {
        let hands = Mutex::new(Hands { offset, ..Hands::default() });
        Self { hands, watcher: Mutex::new(watcher) }
    }

    pub fn waits(&self) -> Vec<Duration> {
        self.hands.lock().unwrap().waits.clone()
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands.lock().unwrap();
        Timestamp::now() + hands.offset + SignedDuration::try_from(hands.passed).unwrap()
    }

    fn elapsed(&self) -> Duration {
        self.hands.lock().unwrap().passed
    }

    fn wait(&self, events: &Receiver<Event>, most: Duration) -> Option<Event> {
        let mut hands = self.hands.lock().unwrap();
        hands.passed += most;
        hands.waits.push(most);
        let passed = hands.passed;
        let event = (self.watcher.lock().unwrap())(&mut hands, passed);
        event.or_else(|| events.try_recv().ok())
    }
}
