//! Keeping an identity fresh: joining, renewing in time, trying again, and stopping when told to.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, Event};
use crate::destination::{Destination, Held};
use crate::folder::Hook;
use crate::record::Record;
use crate::schedule::{SLOW_PAUSE, after, jittered, left, pause};
use crate::{Admission, IdentityError, Settings, hook};

/// So often a single shot tries where the gateway does not answer.
const SHOTS: u32 = 5;

/// What an identity is kept with.
pub struct Daemon<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) destination: Destination,
    pub(crate) sender: Sender<Event>,
    pub(crate) events: Receiver<Event>,
    /// What to join with, until it was used.
    admission: Option<Admission>,
}

/// When something is due: by the machine's clock, and by the time that passes whatever the clock says.
struct Due {
    moment: Timestamp,
    elapsed: Duration,
}

impl<'a> Daemon<'a> {
    /// Takes the destination. Nothing is asked of the gateway yet.
    pub fn new(
        settings: &'a Settings,
        clock: &'a dyn Clock,
        (sender, events): (Sender<Event>, Receiver<Event>),
        steps: Hook,
    ) -> Result<Self, IdentityError> {
        settings.check()?;
        let destination = Destination::open(&settings.destination, settings.names, steps)?;
        Ok(Self { settings, clock, destination, sender, events, admission: settings.admission.clone() })
    }

    /// Joins or renews, once. Where an identity lies here already the token is not used.
    pub fn once(&mut self) -> Result<Record, IdentityError> {
        let held = self.usable()?;
        for shot in 1.. {
            let error = match self.attempt(held.as_ref()) {
                Ok(record) => return Ok(record),
                Err(error) => error,
            };
            if shot >= SHOTS || !error.may_pass() || matches!(error, IdentityError::NotTrusted(_)) {
                return Err(error);
            }
            log::warn!(error:%; "no certificates yet");
            self.sleep(jittered(pause(shot, Duration::ZERO)))?;
        }
        Err(IdentityError::Stopped)
    }

    /// Keeps the identity until it is told to stop, or the identity is locked.
    pub fn keep(&mut self) -> Result<(), IdentityError> {
        let record = match self.usable()? {
            Some(held) => held.record,
            None => match self.until_joined() {
                Err(IdentityError::Stopped) => return Ok(()),
                joined => joined?,
            },
        };
        match self.renew_in_time(record) {
            Err(IdentityError::Stopped) => Ok(()),
            other => other,
        }
    }

    /// The identity that lies here, if the gateway may still renew it.
    fn usable(&self) -> Result<Option<Held>, IdentityError> {
        let held = self.destination.held()?;
        let dead = held.as_ref().is_some_and(|held| held.record.is_dead(self.clock.now()));
        let Some(held) = held.filter(|_| !dead || self.admission.is_none()) else {
            if self.admission.is_none() {
                let place = self.destination.path().display();
                return Err(IdentityError::NoIdentity(format!("there is no identity in {place}")));
            }
            return Ok(None);
        };
        if self.admission.is_some() {
            log::warn!("an identity lies here already: it is renewed, and the token is not used");
        }
        if let Some(pin) = self.settings.ca_pin {
            check_known_pin(&held, pin)?;
        }
        let life = held.record.lifetime();
        match self.settings.renewal_interval {
            Some(wanted) if wanted >= life => Err(too_long(wanted, life)),
            _ => Ok(Some(held)),
        }
    }

    /// The first pair, however long it takes.
    fn until_joined(&mut self) -> Result<Record, IdentityError> {
        for failures in 1.. {
            match self.attempt(None) {
                Ok(record) => return Ok(record),
                Err(error) if matches!(error, IdentityError::Unreachable(_)) => {
                    let pause = jittered(pause(failures, Duration::ZERO));
                    log::warn!(error:%, seconds = pause.as_secs(); "no certificates yet: trying again");
                    self.sleep(pause)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(IdentityError::Stopped)
    }

    /// One try: a renewal where something lies here, and where the gateway will not have that, the token.
    fn attempt(&mut self, held: Option<&Held>) -> Result<Record, IdentityError> {
        let renewed = held.map(|held| self.renew(held));
        match (renewed, self.admission.clone()) {
            (Some(Err(IdentityError::NotRenewed(why))), Some(admission)) => {
                log::warn!(why; "the identity that lies here is not renewed: the token is used");
                self.join_once(&admission)
            }
            (Some(renewed), _) => renewed,
            (None, Some(admission)) => self.join_once(&admission),
            (None, None) => Err(IdentityError::NoIdentity("there is no identity".to_owned())),
        }
    }

    fn join_once(&mut self, admission: &Admission) -> Result<Record, IdentityError> {
        let record = self.join(admission)?;
        if !admission.lasts() {
            self.admission = None;
        }
        Ok(record)
    }

    fn renew_in_time(&mut self, mut record: Record) -> Result<(), IdentityError> {
        let mut failures = 0;
        let now = self.clock.now();
        // A clock that was set back since cannot say when the next one is due.
        let mut due = self.due(if record.renewed > now { now } else { record.renew_at });
        loop {
            if !self.wait(&due)? {
                continue;
            }
            let held = self.destination.held();
            match held.and_then(|held| self.attempt(held.as_ref())) {
                Ok(renewed) => {
                    (record, failures) = (renewed, 0);
                    due = self.due(record.renew_at);
                }
                Err(error @ (IdentityError::Stopped | IdentityError::Locked(_))) => return Err(error),
                Err(error) => {
                    failures += 1;
                    due = self.again(&record, failures, &error);
                }
            }
        }
    }

    /// When to try again after a failure, which is logged.
    fn again(&self, record: &Record, failures: u32, error: &IdentityError) -> Due {
        let now = self.clock.now();
        if matches!(error, IdentityError::NotRenewed(_) | IdentityError::NoIdentity(_)) {
            log::error!(error:%; "only a person can help; trying again slowly");
            return self.due(after(now, jittered(SLOW_PAUSE)));
        }
        let pause = jittered(pause(failures, left(record.expires(), now)));
        let expired = record.is_expired(now);
        log::warn!(error:%, failures, expired, seconds = pause.as_secs(); "not renewed: trying again");
        self.due(after(now, pause))
    }

    fn due(&self, moment: Timestamp) -> Due {
        Due { moment, elapsed: self.clock.elapsed().saturating_add(left(moment, self.clock.now())) }
    }

    /// Waits a while; whether what is due is due now.
    fn wait(&self, due: &Due) -> Result<bool, IdentityError> {
        let remaining =
            due.elapsed.saturating_sub(self.clock.elapsed()).min(left(due.moment, self.clock.now()));
        if remaining.is_zero() {
            return Ok(true);
        }
        match self.clock.wait(&self.events, remaining) {
            Some(Event::Stop) => Err(IdentityError::Stopped),
            Some(Event::Renew) => Ok(true),
            Some(Event::Report) => {
                self.report();
                Ok(false)
            }
            Some(Event::Called) | None => Ok(false),
        }
    }

    /// Lets time pass, unless it is told to stop or to renew now.
    fn sleep(&self, pause: Duration) -> Result<(), IdentityError> {
        let due = self.due(after(self.clock.now(), pause));
        while !self.wait(&due)? {}
        Ok(())
    }

    /// Runs the hook.
    pub(crate) fn after_swap(&self) -> Result<(), IdentityError> {
        let Some(command) = &self.settings.on_renew else { return Ok(()) };
        let destination = self.destination.path().display().to_string();
        if hook::run(command, &destination, self.settings.hook_limit, (&self.sender, &self.events)) {
            return Err(IdentityError::Stopped);
        }
        Ok(())
    }

    /// Says how things stand.
    pub(crate) fn report(&self) {
        match self.destination.held() {
            Ok(Some(Held { record, .. })) => {
                let expired = record.is_expired(self.clock.now());
                log::info!(
                    bot:% = record.bot, instance:% = record.instance, generation = record.generation,
                    until:% = record.expires(), expired, renewal:% = record.renew_at; "status"
                );
            }
            Ok(None) => log::info!("status: no identity yet"),
            Err(error) => log::warn!(error:%; "status"),
        }
    }
}

fn check_known_pin(held: &Held, pin: mezite_api::CaPin) -> Result<(), IdentityError> {
    if crate::exchange::has_pin(&held.tls_ca, &pin) {
        return Ok(());
    }
    Err(IdentityError::NotTrusted("the identity that lies here is of a gateway with another pin".into()))
}

fn too_long(wanted: Duration, life: Duration) -> IdentityError {
    IdentityError::Usage(format!(
        "--renewal-interval {} must be shorter than the certificates live, which is {}",
        mezite_api::duration::format(wanted),
        mezite_api::duration::format(life),
    ))
}
