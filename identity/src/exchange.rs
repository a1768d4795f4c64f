//! One exchange with the gateway: a pair is asked for, checked, put in place, and confirmed.

use std::sync::mpsc::channel;
use std::thread;

use mezite_api::CaPin;
use mezite_api::bot::{Credentials, RenewRequest};
use mezite_api::client::{self, Client, ClientError, Server, Trust};
use mezite_ca::Statement;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::admission::Asked;
use crate::clock::Event;
use crate::daemon::Daemon;
use crate::destination::{Attempt, Held, Pair};
use crate::key::Key;
use crate::record::{Record, Trusted, VERSION};
use crate::schedule::{after, interval, jittered};
use crate::ssh_config::{Opener, SshConfig};
use crate::{Admission, IdentityError, reply};

/// Says that a call has come back, also where it panicked.
struct Back(std::sync::mpsc::Sender<Event>);

impl Drop for Back {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Called);
    }
}

impl Daemon<'_> {
    /// Has the gateway called by a thread, so that a signal ends the wait. Calls touch no file.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
    ) -> Result<Result<T, ClientError>, IdentityError> {
        let (answer, answered) = channel();
        let back = Back(self.sender.clone());
        let call = move || {
            let _back = back;
            let _ = answer.send(work());
        };
        let thread = thread::Builder::new().name("call".to_owned()).spawn(call);
        thread.map_err(|error| IdentityError::Unreachable(error.to_string()))?;
        loop {
            match self.events.recv() {
                Ok(Event::Called) => match answered.try_recv() {
                    Ok(answer) => return Ok(answer),
                    // That was another call's, or the thread is gone.
                    Err(std::sync::mpsc::TryRecvError::Empty) => {}
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                        return Err(IdentityError::Unreachable("the call failed".to_owned()));
                    }
                },
                Ok(Event::Stop) | Err(_) => return Err(IdentityError::Stopped),
                Ok(Event::Report) => self.report(),
                Ok(Event::Renew) => {}
            }
        }
    }

    /// The first pair of a new instance.
    pub(crate) fn join(&self, admission: &Admission) -> Result<Record, IdentityError> {
        let shown = admission.shown()?;
        let purpose = shown.proof("", |statement| statement.to_string());
        let now = self.clock.now();
        let kind = self.settings.key_type;
        let attempt = self.destination.attempt(&purpose, now, || Ok((Key::generate(kind)?, now)))?;
        let request = attempt.request.to_string();
        let asked = Asked {
            public_key: attempt.key.public()?,
            proof: shown.proof(&request, |statement| attempt.key.prove(statement))?,
            request: attempt.request,
            renewal_interval: self.settings.renewal_interval,
        };
        let (trust, trusted) = self.first_trust(admission);
        let client = connect(&self.settings.auth_server, trust, None)?;
        let answer = self.call(move || shown.join(&client, asked))?.map_err(|error| {
            let error = IdentityError::of_join(error);
            if !error.may_pass() && self.destination.give_up().is_err() {
                log::warn!("what was begun could not be removed");
            }
            error
        })?;
        self.check_pin(admission, &answer)?;
        self.finish(&attempt, &answer, trusted)
    }

    /// The next pair of the instance that lies here.
    pub(crate) fn renew(&self, held: &Held) -> Result<Record, IdentityError> {
        let Record { instance, generation, .. } = held.record;
        let purpose = format!("renew {instance} {generation}");
        let now = self.clock.now();
        let kind = self.settings.key_type;
        let attempt = self.destination.attempt(&purpose, now, || {
            let age = now.duration_since(held.record.key_created).unsigned_abs();
            if held.key.kind() == kind && age < self.settings.key_lifetime {
                Ok((held.key.duplicate(), held.record.key_created))
            } else {
                Ok((Key::generate(kind)?, now))
            }
        })?;
        let (request, shown) = (attempt.request.to_string(), instance.to_string());
        let statement = Statement::Renew { request: &request, instance: &shown, generation };
        let asked = RenewRequest {
            public_key: attempt.key.public()?,
            proof: attempt.key.prove(&statement)?,
            request: attempt.request,
        };
        let client = self.known(&held.record, &held.tls_ca, &held.tls_certificate, &held.key.pkcs8()?)?;
        let answer = self.call(move || client.renew(&asked))?.map_err(IdentityError::of_renewal)?;
        if (&answer.bot, answer.instance, &answer.cluster)
            != (&held.record.bot, instance, &held.record.cluster)
        {
            return Err(IdentityError::Answer("it is for another identity".to_owned()));
        }
        self.finish(&attempt, &answer, held.record.trusted)
    }

    /// Puts a checked pair in the place of the one before, says so, and runs the hook.
    fn finish(
        &self,
        attempt: &Attempt,
        answer: &Credentials,
        trusted: Trusted,
    ) -> Result<Record, IdentityError> {
        let checked = reply::check(&answer.into(), &attempt.key.public()?)?;
        let now = self.clock.now();
        let life = answer.valid_before.duration_since(answer.now).unsigned_abs();
        let wanted = self.settings.renewal_interval;
        if wanted.is_some_and(|wanted| wanted >= life) {
            log::warn!(
                "--renewal-interval is longer than the certificates live now; a third of that is used"
            );
        }
        let record = Record {
            version: VERSION,
            auth_server: self.settings.auth_server.to_string(),
            gateway: answer.ssh.clone(),
            cluster: answer.cluster.clone(),
            bot: answer.bot.clone(),
            instance: answer.instance,
            generation: answer.generation,
            renewed: now,
            renew_at: after(now, jittered(interval(wanted, life))),
            valid_before: answer.valid_before,
            clock_offset: reply::clock_offset(answer, now),
            recovery_window: answer.recovery_window,
            key_created: attempt.key_created,
            trusted,
        };
        if record.clock_offset.abs() > 60 {
            log::warn!(seconds = record.clock_offset; "the gateway's clock and this machine's differ");
        }
        let ssh_config = SshConfig {
            writer: "mezd identity with each renewal",
            folder: self.destination.path(),
            gateway: &record.gateway,
            opener: Opener::Mezd(&self.settings.program),
            hosts: "*",
            agent: false,
        };
        self.destination.publish(
            attempt,
            &Pair {
                certificate: &checked.certificate,
                tls_certificate: &answer.tls_certificate,
                tls_ca: &answer.tls_ca,
                known_hosts: &checked.known_hosts,
                ssh_config: &ssh_config.text(),
                record: &record,
            },
        )?;
        log::info!(bot:% = record.bot, generation = record.generation, until:% = record.expires(); "certificates written");
        self.confirm(&record, &attempt.key.pkcs8()?, answer)?;
        self.after_swap()?;
        Ok(record)
    }

    /// Tells the gateway that the pair is on disk. Where that fails its first use will.
    fn confirm(&self, record: &Record, key: &str, answer: &Credentials) -> Result<(), IdentityError> {
        let client = self.known(record, answer.tls_ca.as_bytes(), answer.tls_certificate.as_bytes(), key)?;
        match self.call(move || client.acknowledge())?.map_err(IdentityError::of_renewal) {
            Err(IdentityError::Locked(why)) => Err(IdentityError::Locked(why)),
            Err(error) => {
                log::warn!(error:%; "the gateway was not told that the certificates have arrived");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whom to believe before there is an identity.
    fn first_trust(&self, admission: &Admission) -> (Trust, Trusted) {
        match self.settings.ca_pin.or(admission.pin()) {
            Some(pin) => (Trust::Pin(pin), Trusted::Cluster),
            None => (Trust::System, Trusted::System),
        }
    }

    /// The CA that an answer brings must be the pinned one: it is believed from then on.
    fn check_pin(&self, admission: &Admission, answer: &Credentials) -> Result<(), IdentityError> {
        match self.settings.ca_pin.or(admission.pin()) {
            Some(pin) if !has_pin(answer.tls_ca.as_bytes(), &pin) => {
                Err(IdentityError::Answer("its TLS CA is not the pinned one".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// A client with the certificates of an identity, that believes whom the identity believes.
    fn known(
        &self,
        record: &Record,
        tls_ca: &[u8],
        tls_certificate: &[u8],
        key: &str,
    ) -> Result<Client, IdentityError> {
        let credentials = client::Credentials::from_pem(tls_certificate, key.as_bytes());
        let credentials = credentials.map_err(|error| IdentityError::Answer(error.to_string()))?;
        let trust = match record.trusted {
            Trusted::System => Trust::System,
            Trusted::Cluster => Trust::Ca(certificates(tls_ca)?),
        };
        connect(&self.settings.auth_server, trust, Some(credentials))
    }
}

fn connect(
    server: &Server,
    trust: Trust,
    credentials: Option<client::Credentials>,
) -> Result<Client, IdentityError> {
    Client::https(server, trust, credentials).map_err(|error| IdentityError::NotTrusted(error.to_string()))
}

/// Whether one of these certificates has the pin.
pub fn has_pin(pem: &[u8], pin: &CaPin) -> bool {
    certificates(pem).is_ok_and(|all| all.iter().any(|certificate| pin.is_of(certificate)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| IdentityError::Answer("the TLS CA is no PEM".to_owned()))
}
