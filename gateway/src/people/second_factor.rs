//! The code that roles ask for with each connection (`require_session_mfa`), after the certificate.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use mezite_api::User;

use super::attempts::Account;
use super::grace::Circumstances;
use super::login::{failed, known};
use super::secrets;
use crate::connection::Services;
use crate::inventory::InventoryError;

/// How often it is tried when somebody else changes the record.
const TRIES: usize = 4;

/// Whose code is asked for, and what it will hold for.
pub struct SecondFactor<'a> {
    /// The user, whose certificate was proven.
    pub user: &'a User,
    /// From where.
    pub source: IpAddr,
    /// The fingerprint of the key that was proven.
    pub key: String,
}

/// Why a code is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeRefusal {
    /// The user has none.
    NotSetUp,
    /// It is wrong, or was used before. Audited.
    Wrong,
    /// Too many were wrong; how long to wait.
    Wait(Duration),
    /// It cannot be looked at now.
    Unavailable,
}

impl CodeRefusal {
    /// What the person reads, without the frame of semantics section 9.
    pub fn line(&self) -> String {
        match self {
            Self::NotSetUp => {
                "access refused: your roles ask for a code, and you have no authenticator app set up. \
                               Ask an administrator ('mezctl users reset')"
                    .to_owned()
            }
            Self::Wrong => {
                "access refused: the code is wrong or was used before. Wait for the next one".to_owned()
            }
            Self::Wait(wait) => format!(
                "access refused: too many codes were wrong. Wait {} s before the next try",
                wait.as_secs().max(1)
            ),
            Self::Unavailable => {
                "access refused: the code cannot be looked at now. Try again later".to_owned()
            }
        }
    }

    /// The word for the audit.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSetUp => "mfa_not_set_up",
            Self::Wrong => "code",
            Self::Wait(_) => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

impl SecondFactor<'_> {
    /// Whether a code has to be asked for now, where one holds for `grace`.
    pub fn is_due(&self, services: &Services, grace: Duration) -> Result<bool, CodeRefusal> {
        let known = known(services, &self.user.name).map_err(|reason| match reason {
            "unavailable" => CodeRefusal::Unavailable,
            _ => CodeRefusal::NotSetUp,
        })?;
        let factors = known.person.0.factors.filter(|_| known.user.id == self.user.id);
        let factors = factors.ok_or(CodeRefusal::NotSetUp)?;
        Ok(!services.people.grace.holds(&self.circumstances(), &factors.totp, grace, Instant::now()))
    }

    /// Takes a code, once.
    pub async fn take(&self, services: &Services, code: &str) -> Result<(), CodeRefusal> {
        let known = known(services, &self.user.name).map_err(|_| CodeRefusal::Unavailable)?;
        let account = Account { user: self.user.name.clone(), familiar: known.is_familiar(self.source) };
        let attempts = &services.people.attempts;
        attempts.begin(&account, self.source, Instant::now()).map_err(CodeRefusal::Wait)?;
        let taken = self.use_up(services, code).await;
        match &taken {
            Ok(()) => attempts.succeeded(&account, self.source),
            Err(CodeRefusal::Wrong) => {
                failed(services, Some(&self.user.name), self.source, CodeRefusal::Wrong.reason()).await;
            }
            Err(_) => attempts.withdrawn(&account, self.source),
        }
        taken
    }

    async fn use_up(&self, services: &Services, code: &str) -> Result<(), CodeRefusal> {
        for _ in 0..TRIES {
            let known = known(services, &self.user.name).map_err(|_| CodeRefusal::Unavailable)?;
            let factors = known.person.0.factors.clone().filter(|_| known.user.id == self.user.id);
            let factors = factors.ok_or(CodeRefusal::NotSetUp)?;
            let totp = secrets::open_totp(services.shared.authority.sealing(), known.user.id, &factors.totp);
            let totp = totp.map_err(|error| {
                log::error!(error:%; "a secret cannot be opened");
                CodeRefusal::Unavailable
            })?;
            let step = totp.step_of(code, SystemTime::now()).filter(|step| *step > factors.last_step);
            let step = step.ok_or(CodeRefusal::Wrong)?;
            match services.inventory.use_code(&known.user, known.person, step, self.source).await {
                Ok(()) => {
                    services.people.grace.given(self.circumstances(), factors.totp, Instant::now());
                    return Ok(());
                }
                Err(InventoryError::Changed) => {}
                Err(error) => {
                    log::error!(error:%; "a code cannot be used up");
                    return Err(CodeRefusal::Unavailable);
                }
            }
        }
        Err(CodeRefusal::Unavailable)
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            user: self.user.id,
            roles: self.user.roles.clone(),
            source: self.source,
            key: self.key.clone(),
        }
    }
}
