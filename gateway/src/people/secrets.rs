//! Password hashes and secrets of codes between their sealed and their open form, each bound to its user.

use mezite_ca::{PasswordHash, SealError, SealedSecret, SealingKey, TotpSecret};
use uuid::Uuid;
use zeroize::Zeroizing;

/// What a person proves who they are with, open.
pub struct Open {
    pub password: PasswordHash,
    pub totp: TotpSecret,
}

/// Opens both.
pub fn open(
    key: &SealingKey,
    user: Uuid,
    password: &SealedSecret,
    totp: &SealedSecret,
) -> Result<Open, SealError> {
    let mut password = key.open(&password_context(user), password)?;
    let password = String::from_utf8(std::mem::take(&mut *password)).map_err(|_| SealError::Damaged)?;
    Ok(Open {
        password: PasswordHash::from_kept(Zeroizing::new(password)),
        totp: open_totp(key, user, totp)?,
    })
}

/// Opens the secret of the codes.
pub fn open_totp(key: &SealingKey, user: Uuid, totp: &SealedSecret) -> Result<TotpSecret, SealError> {
    TotpSecret::from_bytes(&key.open(&totp_context(user), totp)?).ok_or(SealError::Damaged)
}

/// Seals a password's hash.
pub fn seal_password(key: &SealingKey, user: Uuid, hash: &PasswordHash) -> Result<SealedSecret, SealError> {
    key.seal(&password_context(user), hash.text().as_bytes())
}

/// Seals the secret of the codes.
pub fn seal_totp(key: &SealingKey, user: Uuid, secret: &TotpSecret) -> Result<SealedSecret, SealError> {
    key.seal(&totp_context(user), secret.as_bytes())
}

fn password_context(user: Uuid) -> String {
    format!("mezite password {user}")
}

fn totp_context(user: Uuid) -> String {
    format!("mezite totp {user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        mezite_ca::create_key_file(&path).unwrap();
        let key = SealingKey::from_key_file(&path).unwrap();
        let (alice, bob) = (Uuid::new_v4(), Uuid::new_v4());
        let secret = TotpSecret::generate().unwrap();
        let hash = PasswordHash::new("correct horse").unwrap();
        let password = seal_password(&key, alice, &hash).unwrap();
        let totp = seal_totp(&key, alice, &secret).unwrap();
        let opened = open(&key, alice, &password, &totp).unwrap();
        assert!(opened.password.matches("correct horse"));
        assert_eq!(opened.totp.as_bytes(), secret.as_bytes());
        assert!(open(&key, bob, &password, &totp).is_err() && open(&key, alice, &totp, &password).is_err());
    }
}
