//! Logging in: password and code for certificates.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use mezite_api::person::{LoginReply, LoginRequest};
use mezite_api::user::UserKind;
use mezite_api::{Invalid, Problem, ProblemCode, User, UserName, pem};
use mezite_ca::{CaKind, ExportForm, PasswordHash, PublicKey, Statement, TotpSecret};
use mezite_store::{AuditEntry, CommitError, Revision};

use super::attempts::{Account, network};
use super::{not_issued, secrets};
use crate::authority::{AuthorityError, SignedUser, UserCertificateOrder, timestamp_of_seconds};
use crate::bots::ssh_address;
use crate::connection::Services;
use crate::http::problem;
use crate::inventory::{InventoryError, LastLogin, Person};

/// How often it is tried when somebody else changes the record: each time the code is looked at anew.
const TRIES: usize = 4;

/// One request, its proof verified.
struct Asked {
    wanted: LoginRequest,
    key: PublicKey,
    tls_key: Vec<u8>,
    source: IpAddr,
}

/// Whom a name stands for; nothing where nobody can log in under it.
pub(super) struct Known {
    pub(super) user: User,
    pub(super) person: (Person, Revision),
}

/// Answers with certificates, or as if the password were wrong.
pub async fn login(services: &Services, wanted: LoginRequest, source: IpAddr) -> Result<LoginReply, Problem> {
    wanted.check()?;
    let asked = Asked::new(wanted, source)?;
    let known = known(services, &asked.wanted.user);
    let user = known.as_ref().ok().map(|known| &known.user.name).cloned();
    let familiar = known.as_ref().is_ok_and(|known| known.is_familiar(source));
    let account = Account { user: asked.wanted.user.clone(), familiar };
    let attempts = &services.people.attempts;
    if let Err(wait) = attempts.begin(&account, source, Instant::now()) {
        services.refusals.note(source, fail_event(user.as_ref(), source, "throttled"));
        let seconds = wait.as_secs().max(1);
        let why = format!("too many tries have failed; wait {seconds} s before the next one");
        return Err(Problem::new(ProblemCode::Throttled, why).after(seconds));
    }
    let proven = match prove(services, &asked, known).await {
        Err(problem) => {
            attempts.withdrawn(&account, source);
            return Err(problem);
        }
        Ok(Err(reason)) => {
            failed(services, user.as_ref(), source, reason).await;
            return Err(wrong());
        }
        Ok(Ok(proven)) => proven,
    };
    for _ in 0..TRIES {
        match issue(services, &asked, &proven).await {
            Ok(Some(reply)) => {
                attempts.succeeded(&account, source);
                return Ok(reply);
            }
            Ok(None) => {}
            Err(Failure::Code) => {
                failed(services, user.as_ref(), source, "code").await;
                return Err(wrong());
            }
            Err(Failure::Problem(problem)) => {
                // Password and code were right.
                attempts.succeeded(&account, source);
                return Err(problem);
            }
        }
    }
    attempts.withdrawn(&account, source);
    Err(Problem::new(ProblemCode::Unavailable, "the user is being changed all the time; try again"))
}

impl Asked {
    fn new(wanted: LoginRequest, source: IpAddr) -> Result<Self, Problem> {
        let key = PublicKey::from_key_data(wanted.public_key.key_data());
        let key = key.map_err(|error| Invalid::new("public_key", error.to_string()))?;
        let tls_key = wanted.tls_public_key.clone().into_der();
        let (request, user) = (wanted.request.to_string(), wanted.user.to_string());
        let statement = Statement::Login { request: &request, user: &user, tls_key: &tls_key };
        match &wanted.proof {
            Some(proof) if statement.verify(&key, proof).is_err() => {
                Err(Invalid::new("proof", "is not a signature of this request by this key").into())
            }
            _ => Ok(Self { wanted, key, tls_key, source }),
        }
    }
}

impl Known {
    /// Whether somebody comes from where the user logged in last.
    pub(super) fn is_familiar(&self, source: IpAddr) -> bool {
        let last = self.person.0.factors.as_ref().and_then(|factors| factors.last.as_ref());
        last.is_some_and(|last| network(last.source) == network(source))
    }
}

/// Who may log in under a name, or why nobody does, for the audit.
pub(super) fn known(services: &Services, name: &UserName) -> Result<Known, &'static str> {
    let user = match services.inventory.user(name) {
        Ok(user) if user.kind == UserKind::Person => user,
        Ok(_) => return Err("bot"),
        Err(InventoryError::NotFound(_)) => return Err("unknown_user"),
        Err(_) => return Err("unavailable"),
    };
    match services.inventory.person(&user) {
        Ok(Some(person)) if person.0.factors.is_some() => Ok(Known { user, person }),
        Ok(_) => Err("no_password"),
        Err(_) => Err("unavailable"),
    }
}

/// Compares password and code: once each, whoever it is. What is wrong, for the audit.
async fn prove(
    services: &Services,
    asked: &Asked,
    known: Result<Known, &'static str>,
) -> Result<Result<Known, &'static str>, Problem> {
    let opened = match &known {
        Ok(Known { user, person: (person, _) }) => person.factors.as_ref().map(|factors| {
            let sealing = services.shared.authority.sealing();
            secrets::open(sealing, user.id, &factors.password, &factors.totp)
        }),
        Err(_) => None,
    };
    let opened = opened.transpose();
    let opened = opened.map_err(|error| problem::internal("a secret cannot be opened", &error))?;
    let nobody = || TotpSecret::generate().map_err(|error| problem::internal("no randomness", &error));
    let (hash, totp) = match opened {
        Some(opened) => (opened.password, opened.totp),
        None => (PasswordHash::of_nobody(), nobody()?),
    };
    let password = asked.wanted.password.clone();
    let right = services.people.hashing.run(move || hash.matches(password.expose())).await?;
    let step = totp.step_of(asked.wanted.code.expose(), SystemTime::now());
    Ok(match known {
        Ok(known) if right && step.is_some() => Ok(known),
        Ok(_) => Err(if right { "code" } else { "password" }),
        Err(reason) => Err(reason),
    })
}

/// Why a proven person gets nothing.
enum Failure {
    /// The code was used, or is no longer of this moment.
    Code,
    /// Anything else.
    Problem(Problem),
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// Uses the code up and signs, in one commit; nothing where the record has changed in the meantime.
async fn issue(services: &Services, asked: &Asked, proven: &Known) -> Result<Option<LoginReply>, Failure> {
    let Asked { wanted, key, source, .. } = asked;
    // Read anew: what was compared must still be what is in force.
    let now = known(services, &wanted.user).map_err(|_| Failure::Code)?;
    let (Some(factors), Some(before)) = (&now.person.0.factors, &proven.person.0.factors) else {
        return Err(Failure::Code);
    };
    if now.user.id != proven.user.id || factors.password != before.password {
        return Err(Failure::Code);
    }
    let totp = secrets::open_totp(services.shared.authority.sealing(), now.user.id, &factors.totp)
        .map_err(|error| problem::internal("a secret cannot be opened", &error))?;
    let step = totp.step_of(wanted.code.expose(), SystemTime::now()).ok_or(Failure::Code)?;
    let login = LastLogin { request: wanted.request, key: key.fingerprint(), source: *source };
    let repeated = factors.last.as_ref().is_some_and(|last| {
        step == factors.last_step && last.request == login.request && last.key == login.key
    });
    if step <= factors.last_step && !repeated {
        return Err(Failure::Code);
    }
    let user = &now.user;
    let issuance = match services.inventory.issuance(user.name.clone(), Some(*source)).await {
        Ok(issuance) => issuance,
        Err(refusal) => return Err(not_issued(services, &user.name, *source, &refusal).await.into()),
    };
    let order = UserCertificateOrder {
        user: user.name.clone(),
        bot: None,
        key: key.clone(),
        tls_key: Some(asked.tls_key.clone()),
        issuance,
        ttl: wanted.ttl,
        source: Some(*source),
        actor: user.name.as_str().into(),
        asked_from: None,
    };
    let batch = services.inventory.login_batch(user, now.person, step, login);
    match services.shared.authority.sign_user_with(order, batch).await {
        Ok(signed) => Ok(Some(reply(services, user, &signed).await?)),
        Err(AuthorityError::Audit(CommitError::Conflict { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn reply(services: &Services, user: &User, signed: &SignedUser) -> Result<LoginReply, Problem> {
    let shared = &services.shared;
    Ok(LoginReply {
        cluster: shared.config.cluster_name.clone(),
        user: user.name.clone(),
        roles: user.roles.clone(),
        certificate: signed.certificate.line(),
        tls_certificate: signed.tls.as_ref().map(|tls| pem(&tls.der)).unwrap_or_default(),
        known_hosts: shared.authority.export(CaKind::Host, ExportForm::KnownHosts).await?,
        tls_ca: shared.authority.tls_pem().to_owned(),
        ssh: ssh_address(services),
        now: Timestamp::now(),
        valid_before: timestamp_of_seconds(signed.certificate.body().valid_before),
        ttl_cut: signed.ttl_cut,
    })
}

/// The one text of every failure.
fn wrong() -> Problem {
    Problem::new(ProblemCode::Unauthenticated, "user, password or code is wrong, or the code was used before")
}

/// Audits a failure before it is said.
pub(super) async fn failed(services: &Services, user: Option<&UserName>, source: IpAddr, reason: &str) {
    services.shared.auditor.record_refusal(fail_event(user, source, reason)).await;
}

/// A name that is nobody's is not written down: it may be a password in the wrong place.
fn fail_event(user: Option<&UserName>, source: IpAddr, reason: &str) -> AuditEntry {
    let event = AuditEntry::new("auth.fail")
        .with("outcome", "refused")
        .with("source", source.to_string())
        .with("reason", reason);
    match user {
        Some(user) => event.with("subject", user.as_str()),
        None => event,
    }
}
