//! What an identity is first asked for with: a join token, or an id token of the machine's pipeline or cluster.

use std::path::{Path, PathBuf};

use mezite_api::bot::{Credentials, JoinRequest};
use mezite_api::client::{Client, ClientError};
use mezite_api::oidc::{MAX_ID_TOKEN_BYTES, OidcJoinRequest};
use mezite_api::{CaPin, UserKey, UserName};
use mezite_ca::Statement;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{IdentityError, JoinToken, read_small_file};

/// What to join with.
#[derive(Debug, Clone)]
pub enum Admission {
    /// A join token.
    Token(JoinToken),
    /// An id token.
    IdToken {
        /// The token, or where a fresh one lies whenever it is needed.
        source: IdTokenSource,
        /// The bot, where several take the token.
        bot: Option<UserName>,
    },
}

/// Where an id token comes from.
#[derive(Clone)]
pub enum IdTokenSource {
    /// This one, good once.
    Given(Zeroizing<String>),
    /// A file that somebody keeps fresh, as Kubernetes does with projected tokens.
    File(PathBuf),
}

impl std::fmt::Debug for IdTokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What is shown to the gateway now.
pub(crate) enum Shown {
    Token(JoinToken),
    IdToken(Zeroizing<String>, Option<UserName>),
}

/// The parts of a request that do not depend on what is shown.
pub(crate) struct Asked {
    pub(crate) public_key: UserKey,
    pub(crate) proof: String,
    pub(crate) request: Uuid,
    pub(crate) renewal_interval: Option<std::time::Duration>,
}

impl Admission {
    /// Whether it is good for more than one join.
    pub(crate) fn lasts(&self) -> bool {
        matches!(self, Self::IdToken { source: IdTokenSource::File(_), .. })
    }

    /// The gateway's pin, where it came along.
    pub(crate) fn pin(&self) -> Option<CaPin> {
        match self {
            Self::Token(token) => token.pin,
            Self::IdToken { .. } => None,
        }
    }

    /// What there is to show now.
    pub(crate) fn shown(&self) -> Result<Shown, IdentityError> {
        match self {
            Self::Token(token) => Ok(Shown::Token(token.clone())),
            Self::IdToken { source, bot } => {
                let text = match source {
                    IdTokenSource::Given(text) => text.clone(),
                    IdTokenSource::File(path) => read(path)?,
                };
                Ok(Shown::IdToken(checked(&text)?, bot.clone()))
            }
        }
    }
}

impl Shown {
    /// What is signed by the key that is to be certified.
    pub(crate) fn proof<T>(&self, request: &str, with: impl FnOnce(&Statement<'_>) -> T) -> T {
        match self {
            Self::Token(token) => with(&Statement::Join { request, token: &token.token.digest() }),
            Self::IdToken(id_token, _) => with(&Statement::OidcJoin { request, id_token }),
        }
    }

    /// Shows it.
    pub(crate) fn join(self, client: &Client, asked: Asked) -> Result<Credentials, ClientError> {
        let Asked { public_key, proof, request, renewal_interval } = asked;
        match self {
            Self::Token(token) => client.join(&JoinRequest {
                token: token.token.secret().into(),
                public_key,
                proof,
                request,
                renewal_interval,
            }),
            Self::IdToken(id_token, bot) => client.join_oidc(&OidcJoinRequest {
                id_token: id_token.into(),
                bot,
                public_key,
                proof,
                request,
                renewal_interval,
            }),
        }
    }
}

/// The text without the end of its line. Errors do not repeat it.
fn checked(text: &str) -> Result<Zeroizing<String>, IdentityError> {
    let text = text.trim_end_matches(['\n', '\r']);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= MAX_ID_TOKEN_BYTES && text.split('.').count() == 3 && text.chars().all(plain) {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    Err(IdentityError::Usage("the id token is none: it must be a JWT of at most 16 KiB".to_owned()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let text = read_small_file(path, MAX_ID_TOKEN_BYTES as u64 + 1);
    text.map_err(|error| IdentityError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_074_no_error_repeats_an_id_token() {
        assert_eq!(*checked("aa.bb.c-_\n").unwrap(), "aa.bb.c-_");
        for text in
            ["", "secret", "secret.secret", "secret.b.c.d", "secret.b c.d", "secret.b\n.c", "secret.b.c="]
        {
            let error = checked(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let long = format!("secret.b.{}", "c".repeat(MAX_ID_TOKEN_BYTES));
        assert!(checked(&long).is_err());
        let given = IdTokenSource::Given(Zeroizing::new("secret".to_owned()));
        assert_eq!(format!("{given:?}"), "Given(…)");
    }

    #[test]
    fn a_file_is_read_whenever_it_is_needed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = IdTokenSource::File(file.path().to_owned());
        let admission = Admission::IdToken { source, bot: None };
        for text in ["a.b.c", "d.e.f\n"] {
            std::fs::write(file.path(), text).unwrap();
            let Shown::IdToken(read, _) = admission.shown().unwrap() else { panic!("an id token") };
            assert_eq!(*read, text.trim_end());
        }
        assert!(admission.lasts());
    }
}
