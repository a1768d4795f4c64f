//! Client certificates: whose they are, and for which key.

use std::time::{Duration, SystemTime};

use rcgen::{DnType, ExtendedKeyUsagePurpose, SanType};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::params::{leaf_params, serial_number};
use super::{ClientPublicKey, TlsCa, TlsError};
use crate::issue::CertificateBody;
use crate::random;
use crate::text::printable;
use crate::verify::MAX_USER_LIFETIME;

/// Whose a client certificate is. It stands in the certificate as one URI, the only field that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientIdentity {
    /// A person.
    User {
        /// The user's name.
        user: String,
    },
    /// A bot, in one generation of one of its instances.
    Bot {
        /// The bot's name.
        bot: String,
        /// The generation.
        generation: u64,
        /// The instance's id.
        instance: String,
    },
}

impl ClientIdentity {
    /// The name of the person or the bot.
    pub fn name(&self) -> &str {
        match self {
            Self::User { user } => user,
            Self::Bot { bot, .. } => bot,
        }
    }

    /// Names must stand in the URI as they are: letters, digits and what else user names may have (RFC 3986 section
    /// 3.3 allows all of it in a segment of a path).
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        let check = |name: &str| {
            if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
                return Ok(());
            }
            Err(TlsError::Identity(printable(name.as_bytes())))
        };
        check(self.name())?;
        match self {
            Self::User { .. } => Ok(()),
            Self::Bot { instance, .. } => check(instance),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Bot { .. } => "bot",
        }
    }

    /// `mezite://CLUSTER/user/U` or `mezite://CLUSTER/bot/B/generation/G/instance/I`.
    pub(crate) fn uri(&self, cluster: &str) -> String {
        match self {
            Self::User { user } => format!("mezite://{cluster}/user/{user}"),
            Self::Bot { bot, generation, instance } => {
                format!("mezite://{cluster}/bot/{bot}/generation/{generation}/instance/{instance}")
            }
        }
    }

    /// What [`uri`](Self::uri) has written for this cluster, and nothing else.
    pub(crate) fn from_uri(uri: &str, cluster: &str) -> Option<Self> {
        let path = uri.strip_prefix("mezite://")?.strip_prefix(cluster)?.strip_prefix('/')?;
        let segments: Vec<&str> = path.split('/').collect();
        let identity = match segments.as_slice() {
            ["user", user] => Self::User { user: (*user).to_owned() },
            ["bot", bot, "generation", generation, "instance", instance] => Self::Bot {
                bot: (*bot).to_owned(),
                generation: generation.parse().ok()?,
                instance: (*instance).to_owned(),
            },
            _ => return None,
        };
        // Numbers have several spellings; only ours is taken.
        (identity.check().is_ok() && identity.uri(cluster) == uri).then_some(identity)
    }
}

/// What a client certificate shall say.
#[derive(Clone, Copy, Debug)]
pub struct ClientCertificateRequest<'a> {
    /// Whose it is.
    pub identity: &'a ClientIdentity,
    /// The client's public key, a DER `SubjectPublicKeyInfo`: P-256 or Ed25519.
    pub public_key: &'a [u8],
    /// How long it shall live: as long as the SSH certificate that is issued with it.
    pub lifetime: Duration,
    /// That SSH certificate: this one gets its serial and names its key, so that who revokes the one has revoked the other.
    pub beside: Option<&'a CertificateBody>,
}

/// A client certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedClientCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial.
    pub serial: u64,
    /// SHA-256 of its public key, as verification gives it.
    pub key_digest: [u8; 32],
}

impl TlsCa {
    /// Issues a client certificate: `CN` the user, `O` the kind, `OU` the fingerprint of the SSH key, and a URI that says
    /// whose it is.
    pub fn client_certificate(
        &self,
        request: &ClientCertificateRequest<'_>,
        now: SystemTime,
    ) -> Result<IssuedClientCertificate, TlsError> {
        request.identity.check()?;
        let key = ClientPublicKey::from_spki(request.public_key)?;
        let mut params = leaf_params(now, request.lifetime, MAX_USER_LIFETIME)?;
        let serial = match request.beside {
            Some(ssh) => ssh.serial,
            None => random::serial()?,
        };
        params.serial_number = Some(serial_number(serial));
        params.distinguished_name.push(DnType::OrganizationName, request.identity.kind());
        params.distinguished_name.push(DnType::CommonName, request.identity.name());
        if let Some(ssh) = request.beside {
            params.distinguished_name.push(DnType::OrganizationalUnitName, ssh.subject.fingerprint());
        }
        let uri = request.identity.uri(&self.cluster).try_into()?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let der = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok(IssuedClientCertificate { der, serial, key_digest: Sha256::digest(request.public_key).into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_as_they_were_written() {
        let user = ClientIdentity::User { user: "a.b@c+d-e_f".to_owned() };
        let bot = ClientIdentity::Bot {
            bot: "deploy".to_owned(),
            generation: u64::MAX,
            instance: "6c1f".to_owned(),
        };
        for identity in [user, bot] {
            let uri = identity.uri("example.org");
            assert_eq!(ClientIdentity::from_uri(&uri, "example.org"), Some(identity));
            assert_eq!(ClientIdentity::from_uri(&uri, "example.com"), None);
        }
    }

    #[test]
    fn hostile_063_identities_have_one_spelling() {
        for path in [
            "user/",
            "user/alice/",
            "user/alice/x",
            "user/al%69ce",
            "user/a b",
            "USER/alice",
            "bot/b/generation/1",
            "bot/b/generation/01/instance/i",
            "bot/b/generation/+1/instance/i",
            "bot/b/generation/-1/instance/i",
            "bot/b/generation/18446744073709551616/instance/i",
            "bot/b/generation/1/instance/",
            "bot/user/alice",
            "",
        ] {
            let uri = format!("mezite://example.org/{path}");
            assert_eq!(ClientIdentity::from_uri(&uri, "example.org"), None, "{uri}");
        }
        for uri in
            ["mezite://example.org.evil/user/a", "http://example.org/user/a", "mezite://x@example.org/user/a"]
        {
            assert_eq!(ClientIdentity::from_uri(uri, "example.org"), None, "{uri}");
        }
    }
}
