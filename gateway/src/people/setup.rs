//! A person's password and second factor, for a set-up token: begun with the password, in force with the first code.

use std::net::IpAddr;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use mezite_api::person::{SetupBegin, SetupBegun, SetupConfirm, SetupDone, check_new_password};
use mezite_api::user::UserKind;
use mezite_api::{Problem, ProblemCode, SecretText, User};
use mezite_ca::{PasswordError, PasswordHash, SealError, Token, TotpSecret};
use mezite_store::Revision;
use uuid::Uuid;

use super::{not_issued, secrets};
use crate::bots::{self, ssh_address};
use crate::connection::Services;
use crate::http::problem;
use crate::inventory::{Begun, Factors, FoundToken, InventoryError, Person, Refusal, TokenPurpose, TokenUse};

/// A spent token answers the request that spent it once more for so long.
const REPLAY_TIME: SignedDuration = SignedDuration::from_mins(10);

/// A token that was found, with whose it is.
struct Asked {
    found: FoundToken,
    user: User,
    person: (Person, Revision),
}

/// Takes a password and makes the secret of the codes. Nothing is in force yet.
pub async fn begin(services: &Services, wanted: SetupBegin, source: IpAddr) -> Result<SetupBegun, Problem> {
    let asked = asked(services, &wanted.token, source).await?;
    if asked.found.record.spent.is_some() {
        return Err(refused(services, source, "spent", Some(asked.found.record.id)).await);
    }
    open_to(services, &asked, source).await?;
    // Only now: what is wrong with a password says nothing about a token.
    wanted.check()?;
    let Asked { user, person, .. } = asked;
    check_new_password(wanted.password.expose(), &user.name)?;
    let password = wanted.password;
    let hash = services.people.hashing.run(move || PasswordHash::new(password.expose())).await?;
    let hash = hash.map_err(|error: PasswordError| problem::internal("no password can be hashed", &error))?;
    let sealing = services.shared.authority.sealing();
    let sealed = |error: SealError| problem::internal("a secret cannot be sealed", &error);
    let before = person.0.begun.as_ref().filter(|begun| begun.request == wanted.request);
    let secret = match before {
        Some(begun) => secrets::open_totp(sealing, user.id, &begun.totp).map_err(sealed)?,
        None => TotpSecret::generate().map_err(|error| problem::internal("no randomness", &error))?,
    };
    let begun = Begun {
        request: wanted.request,
        password: secrets::seal_password(sealing, user.id, &hash).map_err(sealed)?,
        totp: secrets::seal_totp(sealing, user.id, &secret).map_err(sealed)?,
    };
    services.inventory.begin_setup(&user, person, begun, source).await?;
    let cluster = services.shared.config.cluster_name.clone();
    Ok(SetupBegun {
        secret: secret.base32().into(),
        uri: secret.uri(&cluster, user.name.as_str()).into(),
        user: user.name,
        cluster,
    })
}

/// Takes the first code. The token is spent with it.
pub async fn confirm(
    services: &Services,
    wanted: SetupConfirm,
    source: IpAddr,
) -> Result<SetupDone, Problem> {
    let asked = asked(services, &wanted.token, source).await?;
    let id = Some(asked.found.record.id);
    if let Some(spent) = &asked.found.record.spent {
        if !is_repeated(spent, wanted.request) {
            return Err(refused(services, source, "spent", id).await);
        }
        open_to(services, &asked, source).await?;
        return Ok(done(services, asked.user));
    }
    open_to(services, &asked, source).await?;
    wanted.check()?;
    let Asked { found, user, person } = asked;
    let begun = person.0.begun.clone().filter(|begun| begun.request == wanted.request);
    let begun = begun.ok_or_else(|| {
        Problem::new(ProblemCode::Conflict, "this set-up was begun anew somewhere else; begin it again")
    })?;
    let secret = secrets::open_totp(services.shared.authority.sealing(), user.id, &begun.totp)
        .map_err(|error| problem::internal("a secret cannot be opened", &error))?;
    let step = secret.step_of(wanted.code.expose(), SystemTime::now());
    let Some(last_step) = step else { return Err(wrong_code(services, &user, source).await) };
    let used =
        TokenUse { at: Timestamp::now(), source, request: wanted.request, key: String::new(), made: user.id };
    let factors = Factors { password: begun.password, totp: begun.totp, last_step, last: None };
    services.inventory.finish_setup(&found, &user, person, factors, used).await?;
    Ok(done(services, user))
}

/// Whose token it is, where it is one that is known.
async fn asked(services: &Services, token: &SecretText, source: IpAddr) -> Result<Asked, Problem> {
    let Ok(token) = Token::parse(token.expose()) else {
        return Err(refused(services, source, "malformed", None).await);
    };
    let Some(found) = services.inventory.find_token(&token)? else {
        return Err(refused(services, source, "unknown", None).await);
    };
    let id = Some(found.record.id);
    let TokenPurpose::User { user, id: user_id } = &found.record.purpose else {
        return Err(refused(services, source, "kind", id).await);
    };
    if found.record.spent.is_none() && Timestamp::now() >= found.record.expires {
        return Err(refused(services, source, "expired", id).await);
    }
    let user = match services.inventory.user(user) {
        Ok(user) if user.id == *user_id && user.kind == UserKind::Person => user,
        Ok(_) | Err(InventoryError::NotFound(_)) => {
            return Err(refused(services, source, "other_user", id).await);
        }
        Err(error) => return Err(error.into()),
    };
    match services.inventory.person(&user)? {
        Some(person) => Ok(Asked { found, user, person }),
        None => Err(refused(services, source, "other_user", id).await),
    }
}

/// Who is locked or disabled sets nothing up; who has no roles yet does.
async fn open_to(services: &Services, asked: &Asked, source: IpAddr) -> Result<(), Problem> {
    let name = &asked.user.name;
    match services.inventory.issuance(name.clone(), Some(source)).await {
        Ok(_) | Err(Refusal::NoRoles) => Ok(()),
        Err(refusal) => Err(not_issued(services, name, source, &refusal).await),
    }
}

fn is_repeated(spent: &TokenUse, request: Uuid) -> bool {
    spent.request == request && Timestamp::now().duration_since(spent.at) <= REPLAY_TIME
}

fn done(services: &Services, user: User) -> SetupDone {
    SetupDone {
        user: user.name,
        cluster: services.shared.config.cluster_name.clone(),
        ssh: ssh_address(services),
        tls_ca: services.shared.authority.tls_pem().to_owned(),
    }
}

async fn wrong_code(services: &Services, user: &User, source: IpAddr) -> Problem {
    super::login::failed(services, Some(&user.name), source, "setup_code").await;
    Problem::new(
        ProblemCode::Unauthenticated,
        "the code is not the one of this moment; look at the app again, and whether the clocks are right",
    )
}

async fn refused(services: &Services, source: IpAddr, reason: &str, token: Option<Uuid>) -> Problem {
    bots::token_refused(services, source, reason, token).await
}
