//! How people get their password and their second factor, and log in (semantics section 6).

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bot::{MAX_PROOF_BYTES, check_token_ttl};
use crate::{Invalid, RoleName, SecretText, TlsPublicKey, User, UserKey, UserName, duration};

/// How long a set-up token is good where nothing else is said.
pub const DEFAULT_SETUP_TTL: Duration = Duration::from_hours(1);
/// The shortest and the longest password, in bytes.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;
/// The longest code, in bytes: more than any app shows.
const MAX_CODE_BYTES: usize = 16;

/// Checks a password that a person chooses. Nothing but its length and that it is not the user's name.
pub fn check_new_password(password: &str, user: &UserName) -> Result<(), Invalid> {
    check_password(password)?;
    if password.eq_ignore_ascii_case(user.as_str()) {
        return Err(Invalid::new("password", "must not be the user's name"));
    }
    Ok(())
}

/// Checks what can be the password of nobody.
fn check_password(password: &str) -> Result<(), Invalid> {
    if PASSWORD_BYTES.contains(&password.len()) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
    Err(Invalid::new("password", format!("must have {least} to {most} bytes")))
}

fn check_code(code: &SecretText) -> Result<(), Invalid> {
    if code.expose().len() <= MAX_CODE_BYTES {
        return Ok(());
    }
    Err(Invalid::new("code", "must be the six digits that the app shows"))
}

/// A user as added, with what their set-up needs where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAdded {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The set-up token: the only time that it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetupToken>,
}

/// A fresh set-up token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupToken {
    /// Whose.
    pub user: UserName,
    /// The token with the gateway's pin behind it.
    pub token: SecretText,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// What `--proxy` is to be.
    pub proxy: String,
}

/// Asks for a new set-up token; password and second factor that there were are void at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserReset {
    /// How long it is good; an hour when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub token_ttl: Option<Duration>,
}

impl UserReset {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_token_ttl(self.token_ttl)
    }
}

/// Begins a set-up: nothing is in force before its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupBegin {
    /// The set-up token, without its suffix.
    pub token: SecretText,
    /// The password to be.
    pub password: SecretText,
    /// Made by the client: the same request keeps its secret, and only it can be confirmed.
    pub request: Uuid,
}

impl SetupBegin {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_password(self.password.expose())
    }
}

/// What the authenticator app needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupBegun {
    /// Whose.
    pub user: UserName,
    /// The cluster.
    pub cluster: String,
    /// The secret, base32, to be typed.
    pub secret: SecretText,
    /// The same as `otpauth://…`, to be shown as a QR code.
    pub uri: SecretText,
}

/// Completes a set-up with the first code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupConfirm {
    /// The set-up token, without its suffix.
    pub token: SecretText,
    /// The request that began it.
    pub request: Uuid,
    /// What the app shows.
    pub code: SecretText,
}

impl SetupConfirm {
    /// Checks what the fields alone cannot.
    pub fn check(&self) -> Result<(), Invalid> {
        check_code(&self.code)
    }
}

/// What a client keeps of a gateway where somebody was set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupDone {
    /// Who.
    pub user: UserName,
    /// The cluster.
    pub cluster: String,
    /// Where SSH and `CONNECT` are served, `HOST:PORT`.
    pub ssh: String,
    /// The certificates of the TLS CA, PEM.
    pub tls_ca: String,
}

/// Asks for certificates with password and code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Who.
    pub user: UserName,
    /// The password.
    pub password: SecretText,
    /// What the app shows.
    pub code: SecretText,
    /// The key to certify for SSH.
    pub public_key: UserKey,
    /// An SSH signature by that key (`mezite_ca::Statement`), where it can make one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// The key to certify for TLS, PEM `PUBLIC KEY`: P-256 or Ed25519.
    pub tls_public_key: TlsPublicKey,
    /// How long; cut to the roles' `max_session_ttl`, which it is when it is not said.
    #[serde(default, with = "duration::optional_text", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Made by the client: the same request with the same key may show its code again.
    pub request: Uuid,
}

impl LoginRequest {
    /// Checks what the fields alone cannot. What is refused here could be right for nobody.
    pub fn check(&self) -> Result<(), Invalid> {
        check_password(self.password.expose())?;
        check_code(&self.code)?;
        if self.proof.as_ref().is_some_and(|proof| proof.len() > MAX_PROOF_BYTES) {
            return Err(Invalid::new("proof", "is too long"));
        }
        Ok(())
    }
}

/// What a person needs to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginReply {
    /// The cluster.
    pub cluster: String,
    /// Who.
    pub user: UserName,
    /// The roles at this time.
    pub roles: Vec<RoleName>,
    /// One line, as `ssh-keygen` writes it to `…-cert.pub`.
    pub certificate: String,
    /// The TLS client certificate, PEM.
    pub tls_certificate: String,
    /// Lines for `known_hosts`: the keys of the Host CA.
    pub known_hosts: String,
    /// The certificates of the TLS CA, PEM.
    pub tls_ca: String,
    /// Where SSH and `CONNECT` are served, `HOST:PORT`.
    pub ssh: String,
    /// The gateway's clock when it answered.
    pub now: Timestamp,
    /// When the certificates end.
    pub valid_before: Timestamp,
    /// Whether the wanted ttl was longer than the roles allow.
    pub ttl_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_a_length_and_is_not_the_name() {
        let user = UserName::parse("longname").unwrap();
        let check = |password: &str| check_new_password(password, &user);
        assert!(
            check("12345678").is_ok() && check(&"x".repeat(1024)).is_ok() && check("pä ß\n\u{1f600}").is_ok()
        );
        for bad in ["", "1234567", &"x".repeat(1025), "longname", "LongName"] {
            assert_eq!(check(bad).unwrap_err().field, "password", "{bad}");
        }
    }
}
