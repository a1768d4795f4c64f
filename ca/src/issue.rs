//! Issuing SSH certificates. Whatever signs, what it returns is taken apart again and must be exactly what was asked.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use ssh_key::certificate::{Builder, CertType};

use crate::ca_key::SshCaKey;
use crate::certificate::{CertificateType, Fields, MAX_CERTIFICATE_BLOB, RawOption};
use crate::kind::CaKind;
use crate::options::{self, BotInstance, Permits};
use crate::principal::{PrincipalError, check_principals};
use crate::public_key::{KEY_TYPES, PublicKey};
use crate::random::{self, RandomFailed};
use crate::verify::{CLOCK_SKEW, MAX_HOST_LIFETIME, MAX_USER_LIFETIME};

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The names that it shall be valid for.
    #[error("principals: {0}")]
    Principals(#[from] PrincipalError),
    /// A life of nothing, or longer than any certificate of this kind may have.
    #[error("a lifetime of {} s is not possible: 1 s to {} s", asked.as_secs(), longest.as_secs())]
    Lifetime {
        /// What was asked for.
        asked: Duration,
        /// The longest that is possible.
        longest: Duration,
    },
    /// So much was asked for that it does not fit a packet.
    #[error("the certificate would be larger than {MAX_CERTIFICATE_BLOB} bytes")]
    TooLarge,
    /// The login is not one that a certificate may carry.
    #[error("the login is not a POSIX account name")]
    Login,
    /// The key belongs to a CA that does not issue such certificates.
    #[error("the {0} CA does not issue this kind of certificate")]
    WrongCa(CaKind),
    /// This machine's clock is before 1970.
    #[error("the clock is before 1970")]
    Clock,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// The signer failed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The signer returned something else than what was asked for. Nothing of it may be used.
    #[error("the signed certificate is not the one that was asked for: {0} differs")]
    Deviation(&'static str),
}

/// The signer could not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate could not be signed")]
pub struct SigningFailed;

/// Everything that a certificate says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateBody {
    /// User or host.
    pub certificate_type: CertificateType,
    /// The key that it is for.
    pub subject: PublicKey,
    /// Random bytes.
    pub nonce: [u8; 32],
    /// The serial.
    pub serial: u64,
    /// The key id.
    pub key_id: String,
    /// The names it is valid for.
    pub principals: Vec<String>,
    /// Start of the validity, seconds since 1970.
    pub valid_after: u64,
    /// End of the validity, seconds since 1970, exclusive.
    pub valid_before: u64,
    /// Critical options by name; an empty value is a flag.
    pub critical_options: BTreeMap<String, String>,
    /// Extensions by name; an empty value is a flag.
    pub extensions: BTreeMap<String, String>,
}

/// What signs certificates: a CA key in this process, or something outside of it.
pub trait CertificateSigner {
    /// Whose key signs.
    fn kind(&self) -> CaKind;
    /// The key that signs.
    fn public(&self) -> &PublicKey;
    /// Signs the body and returns the certificate's blob.
    fn sign(&self, body: &CertificateBody) -> Result<Vec<u8>, SigningFailed>;
}

impl CertificateSigner for SshCaKey {
    fn kind(&self) -> CaKind {
        self.kind()
    }

    fn public(&self) -> &PublicKey {
        self.public()
    }

    fn sign(&self, body: &CertificateBody) -> Result<Vec<u8>, SigningFailed> {
        build(self, body).map_err(|_| SigningFailed)
    }
}

fn build(key: &SshCaKey, body: &CertificateBody) -> Result<Vec<u8>, ssh_key::Error> {
    let subject = body.subject.key_data().clone();
    let mut builder = Builder::new(body.nonce, subject, body.valid_after, body.valid_before)?;
    builder.serial(body.serial)?.key_id(body.key_id.as_str())?.cert_type(match body.certificate_type {
        CertificateType::User => CertType::User,
        CertificateType::Host => CertType::Host,
    })?;
    for principal in &body.principals {
        builder.valid_principal(principal.as_str())?;
    }
    for (name, value) in &body.critical_options {
        builder.critical_option(name.as_str(), value.as_str())?;
    }
    for (name, value) in &body.extensions {
        builder.extension(name.as_str(), value.as_str())?;
    }
    builder.sign(key.private())?.to_bytes()
}

/// A certificate that was issued and found to be what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    body: CertificateBody,
    blob: Vec<u8>,
}

impl IssuedCertificate {
    /// The certificate's blob, as SSH sends it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The certificate's type, for example `ssh-ed25519-cert-v01@openssh.com`.
    pub fn type_name(&self) -> &'static str {
        let plain = self.body.subject.type_name();
        KEY_TYPES.iter().find(|known| known.plain == plain).map_or("", |known| known.certificate)
    }

    /// One line of a `-cert.pub` file, without comment.
    pub fn line(&self) -> String {
        format!("{} {}", self.type_name(), STANDARD.encode(&self.blob))
    }

    /// What it says.
    pub fn body(&self) -> &CertificateBody {
        &self.body
    }

    /// End of the validity.
    pub fn valid_before(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.body.valid_before)).unwrap_or(UNIX_EPOCH)
    }
}

/// What a user certificate shall say.
#[derive(Clone, Debug)]
pub struct UserCertificateRequest {
    /// The user or bot: becomes the key id, `user@mezite`, and the first principal.
    pub user: String,
    /// The user's key.
    pub key: PublicKey,
    /// The logins that it shall open nodes for directly; none where roles say so.
    pub logins: Vec<String>,
    /// How long it shall live from now on, in whole seconds.
    pub lifetime: Duration,
    /// The networks from which it may be used; empty: any.
    pub source_addresses: Vec<IpNet>,
    /// What it shall permit.
    pub permits: Permits,
    /// Where it is for a bot: which instance and generation.
    pub bot: Option<BotInstance>,
}

/// What a host certificate shall say.
#[derive(Clone, Debug)]
pub struct HostCertificateRequest {
    /// The host's key.
    pub key: PublicKey,
    /// For people who read logs.
    pub key_id: String,
    /// The host's names and addresses.
    pub names: Vec<String>,
    /// How long it shall live from now on, in whole seconds.
    pub lifetime: Duration,
}

/// Issues a certificate of the User CA, valid from a minute ago.
pub fn issue_user_certificate(
    signer: &dyn CertificateSigner,
    request: &UserCertificateRequest,
    now: SystemTime,
) -> Result<IssuedCertificate, IssueError> {
    expect_kind(signer, CaKind::User)?;
    let (valid_after, valid_before) = validity(now, request.lifetime, MAX_USER_LIFETIME)?;
    let mut principals = vec![request.user.clone()];
    principals.extend(request.logins.iter().filter(|login| **login != request.user).cloned());
    let mut critical_options = BTreeMap::new();
    if !request.source_addresses.is_empty() {
        let list: Vec<String> =
            request.source_addresses.iter().map(|n| options::canonical(*n).trunc().to_string()).collect();
        critical_options.insert(options::SOURCE_ADDRESS.to_owned(), list.join(","));
    }
    let mut extensions = BTreeMap::from([(options::USER.to_owned(), request.user.clone())]);
    request.permits.add_to(&mut extensions);
    if let Some(bot) = &request.bot {
        extensions.insert(options::BOT.to_owned(), bot.instance.clone());
        extensions.insert(options::GENERATION.to_owned(), bot.generation.to_string());
    }
    issue(
        signer,
        CertificateBody {
            certificate_type: CertificateType::User,
            subject: request.key.clone(),
            nonce: *random::bytes()?,
            serial: random::serial()?,
            key_id: request.user.clone(),
            principals,
            valid_after,
            valid_before,
            critical_options,
            extensions,
        },
    )
}

/// Issues a certificate of the Host CA, valid from a minute ago.
pub fn issue_host_certificate(
    signer: &dyn CertificateSigner,
    request: &HostCertificateRequest,
    now: SystemTime,
) -> Result<IssuedCertificate, IssueError> {
    expect_kind(signer, CaKind::Host)?;
    let (valid_after, valid_before) = validity(now, request.lifetime, MAX_HOST_LIFETIME)?;
    issue(
        signer,
        CertificateBody {
            certificate_type: CertificateType::Host,
            subject: request.key.clone(),
            nonce: *random::bytes()?,
            serial: random::serial()?,
            key_id: request.key_id.clone(),
            principals: request.names.clone(),
            valid_after,
            valid_before,
            critical_options: BTreeMap::new(),
            extensions: BTreeMap::new(),
        },
    )
}

fn expect_kind(signer: &dyn CertificateSigner, kind: CaKind) -> Result<(), IssueError> {
    if signer.kind() == kind { Ok(()) } else { Err(IssueError::WrongCa(signer.kind())) }
}

/// From a minute ago, for clocks that are behind ours, to `lifetime` from now.
pub(crate) fn validity(
    now: SystemTime,
    lifetime: Duration,
    longest: Duration,
) -> Result<(u64, u64), IssueError> {
    if lifetime < Duration::from_secs(1) || lifetime > longest {
        return Err(IssueError::Lifetime { asked: lifetime, longest });
    }
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| IssueError::Clock)?.as_secs();
    Ok((now.saturating_sub(CLOCK_SKEW.as_secs()), now + lifetime.as_secs()))
}

/// Checks the names, has the body signed, and checks what came back.
pub(crate) fn issue(
    signer: &dyn CertificateSigner,
    body: CertificateBody,
) -> Result<IssuedCertificate, IssueError> {
    check_principals(body.principals.iter().map(String::as_bytes))?;
    let blob = signer.sign(&body)?;
    if blob.len() > MAX_CERTIFICATE_BLOB {
        return Err(IssueError::TooLarge);
    }
    check_signed(signer.public(), &body, &blob).map_err(IssueError::Deviation)?;
    Ok(IssuedCertificate { body, blob })
}

/// Everything in the blob must be what was asked for. The error names the first thing that is not.
fn check_signed(ca: &PublicKey, body: &CertificateBody, blob: &[u8]) -> Result<(), &'static str> {
    let fields = Fields::parse(blob).map_err(|_| "its form")?;
    let same = [
        ("the key", fields.subject == body.subject),
        ("the nonce", fields.nonce == body.nonce),
        ("the serial", fields.serial == body.serial),
        ("the type", fields.certificate_type == body.certificate_type as u32),
        ("the key id", fields.key_id == body.key_id.as_bytes()),
        ("the start of validity", fields.valid_after == body.valid_after),
        ("the end of validity", fields.valid_before == body.valid_before),
        ("the principals", same_principals(&fields, &body.principals)),
        ("a critical option", same_options(fields.critical_options().ok(), &body.critical_options)),
        ("an extension", same_options(fields.extensions().ok(), &body.extensions)),
        ("the signing key", fields.signature_key == ca.blob()),
    ];
    if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
        return Err(what);
    }
    ca.verify(fields.signed, fields.signature).map_err(|_| "the signature")
}

fn same_principals(fields: &Fields<'_>, asked: &[String]) -> bool {
    fields.principals().is_ok_and(|found| found.iter().copied().eq(asked.iter().map(String::as_bytes)))
}

fn same_options(found: Option<Vec<RawOption<'_>>>, asked: &BTreeMap<String, String>) -> bool {
    let same_value = |option: &RawOption<'_>, value: &str| {
        if value.is_empty() { option.flag().is_ok() } else { option.value() == Ok(value.as_bytes()) }
    };
    found.is_some_and(|found| {
        found.len() == asked.len()
            && found
                .iter()
                .zip(asked)
                .all(|(option, (name, value))| option.name == name.as_bytes() && same_value(option, value))
    })
}
