//! The one place where a certificate becomes believed.

mod tls_client;

use std::net::IpAddr;
use std::ops::Deref;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use crate::certificate::{CertificateType, Fields};
use crate::kind::CaKind;
use crate::options::{self, BotInstance, Extensions, Permits};
use crate::principal::{PrincipalError, check_principals};
use crate::public_key::{PublicKey, SignatureError};
use crate::refusal::CertificateRefusal;
use crate::trust::TrustedSet;

pub use tls_client::{ClientCertificate, ClientCertificateRefusal, ClientTrust, verify_client_certificate};

/// How far a certificate may start in the future: clocks differ. There is no such tolerance at its end.
pub const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// Longest life of a user certificate, whatever a role says: what is believed for longer cannot be taken back in time.
pub const MAX_USER_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Longest life of a host certificate.
pub const MAX_HOST_LIFETIME: Duration = Duration::from_hours(5 * 366 * 24);

/// Something that has been verified. Only the functions of this module make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a user certificate of the cluster says. Roles and logins come from the store, never from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCertificate {
    /// The user: `user@mezite`, equal to the key id.
    pub user: String,
    /// The key whose possession the client has to prove.
    pub key: PublicKey,
    /// The CA key that signed.
    pub signed_by: PublicKey,
    /// The serial.
    pub serial: u64,
    /// The principals, the user's name among them.
    pub principals: Vec<String>,
    /// Start of the validity.
    pub valid_after: SystemTime,
    /// End of the validity: the first moment at which it does not hold.
    pub valid_before: SystemTime,
    /// The networks from which it may be used; `None`: any. The source has been checked against it.
    pub source_addresses: Option<Vec<IpNet>>,
    /// What it permits at most. These restrictions hold for the whole connection.
    pub permits: Permits,
    /// Where it belongs to a bot: which instance and generation.
    pub bot: Option<BotInstance>,
}

/// What a host certificate of the cluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCertificate {
    /// The host's key: the key exchange has to be signed by it.
    pub key: PublicKey,
    /// The CA key that signed.
    pub signed_by: PublicKey,
    /// The key id.
    pub key_id: String,
    /// The serial.
    pub serial: u64,
    /// The host's names, the one that was asked for among them.
    pub principals: Vec<String>,
    /// Start of the validity.
    pub valid_after: SystemTime,
    /// End of the validity: the first moment at which it does not hold.
    pub valid_before: SystemTime,
}

/// Verifies a user certificate, as it is shown by a client at `source`, against the trusted keys of the User CA.
///
/// It does not prove that the client has the key, and does not know whether the user exists, is enabled or is locked.
///
/// # Errors
///
/// Every refusal of [`CertificateRefusal`]; see there.
pub fn verify_user_certificate(
    blob: &[u8],
    trusted: &TrustedSet,
    now: SystemTime,
    source: IpAddr,
) -> Result<Verified<UserCertificate>, CertificateRefusal> {
    let core = verify_core(blob, trusted, CertificateType::User, now)?;
    let networks = options::source_addresses(
        &core.fields.critical_options().map_err(|_| CertificateRefusal::CriticalOptions)?,
    )?;
    if networks.as_ref().is_some_and(|networks| !options::contains(networks, source)) {
        return Err(CertificateRefusal::SourceAddress { source_address: source.to_canonical() });
    }
    let extensions = Extensions::read(&core.fields.extensions().map_err(|_| CertificateRefusal::Malformed)?)?;
    let user = extensions.user.filter(|user| user.as_bytes() == core.fields.key_id);
    let user = user.ok_or(CertificateRefusal::Identity)?;
    if !core.principals.contains(&user) {
        return Err(PrincipalError::NotNamed.into());
    }
    Ok(Verified(UserCertificate {
        user,
        key: core.fields.subject,
        signed_by: core.signed_by,
        serial: core.fields.serial,
        principals: core.principals,
        valid_after: core.valid_after,
        valid_before: core.valid_before,
        source_addresses: networks,
        permits: extensions.permits,
        bot: extensions.bot,
    }))
}

/// Verifies a host certificate, as it is shown by a host that was asked for as `name`, against the trusted keys of the
/// Host CA. Names are compared whole, without regard to ASCII case; nothing in them is a pattern.
///
/// # Errors
///
/// Every refusal of [`CertificateRefusal`] that concerns hosts; critical options are all unknown to host certificates.
pub fn verify_host_certificate(
    blob: &[u8],
    trusted: &TrustedSet,
    now: SystemTime,
    name: &str,
) -> Result<Verified<HostCertificate>, CertificateRefusal> {
    let core = verify_core(blob, trusted, CertificateType::Host, now)?;
    let critical = core.fields.critical_options().map_err(|_| CertificateRefusal::CriticalOptions)?;
    if let Some(option) = critical.first() {
        let name = crate::text::printable(option.name);
        return Err(CertificateRefusal::UnknownCriticalOption { name });
    }
    core.fields.extensions().map_err(|_| CertificateRefusal::Malformed)?;
    if !core.principals.iter().any(|principal| principal.eq_ignore_ascii_case(name)) {
        return Err(PrincipalError::NotNamed.into());
    }
    Ok(Verified(HostCertificate {
        key: core.fields.subject,
        signed_by: core.signed_by,
        key_id: String::from_utf8_lossy(core.fields.key_id).into_owned(),
        serial: core.fields.serial,
        principals: core.principals,
        valid_after: core.valid_after,
        valid_before: core.valid_before,
    }))
}

/// What both kinds of certificate have in common, verified.
struct Core<'a> {
    fields: Fields<'a>,
    signed_by: PublicKey,
    principals: Vec<String>,
    valid_after: SystemTime,
    valid_before: SystemTime,
}

fn verify_core<'a>(
    blob: &'a [u8],
    trusted: &TrustedSet,
    expected: CertificateType,
    now: SystemTime,
) -> Result<Core<'a>, CertificateRefusal> {
    let fields = Fields::parse(blob)?;
    let (ca, max_lifetime) = match expected {
        CertificateType::User => (CaKind::User, MAX_USER_LIFETIME),
        CertificateType::Host => (CaKind::Host, MAX_HOST_LIFETIME),
    };
    let expected = expected as u32;
    if fields.certificate_type != expected {
        return Err(CertificateRefusal::CertificateType { expected, found: fields.certificate_type });
    }
    let signed_by = verify_signature(&fields, trusted, ca)?;
    let (valid_after, valid_before) = check_validity(&fields, now, max_lifetime)?;
    let principals = read_principals(&fields)?;
    Ok(Core { fields, signed_by, principals, valid_after, valid_before })
}

/// The signature, by a trusted key, over the bytes that came.
fn verify_signature(
    fields: &Fields<'_>,
    trusted: &TrustedSet,
    ca: CaKind,
) -> Result<PublicKey, CertificateRefusal> {
    if trusted.kind() != ca || trusted.keys().is_empty() {
        return Err(CertificateRefusal::NoTrustedCa(ca));
    }
    let key = trusted.find(fields.signature_key).ok_or(CertificateRefusal::UntrustedCa(ca))?;
    key.verify(fields.signed, fields.signature).map_err(|error| match error {
        SignatureError::Algorithm { name } => CertificateRefusal::SignatureAlgorithm { name },
        SignatureError::Wrong => CertificateRefusal::Signature,
    })?;
    Ok(key.clone())
}

fn check_validity(
    fields: &Fields<'_>,
    now: SystemTime,
    limit: Duration,
) -> Result<(SystemTime, SystemTime), CertificateRefusal> {
    let (valid_after, valid_before) = (fields.valid_after, fields.valid_before);
    if valid_after >= valid_before {
        return Err(CertificateRefusal::EmptyValidity);
    }
    // A clock before 1970 cannot judge anything: nothing has started yet.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now >= valid_before {
        return Err(CertificateRefusal::Expired { valid_before, now });
    }
    if valid_after > now.saturating_add(CLOCK_SKEW.as_secs()) {
        return Err(CertificateRefusal::NotYetValid { valid_after, now });
    }
    // The issuer starts certificates so much in the past.
    if valid_before - valid_after > limit.as_secs() + CLOCK_SKEW.as_secs() {
        return Err(CertificateRefusal::TooLong { limit });
    }
    let time = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time(valid_after).zip(time(valid_before)).ok_or(CertificateRefusal::TooLong { limit })
}

fn read_principals(fields: &Fields<'_>) -> Result<Vec<String>, PrincipalError> {
    let principals = fields.principals().map_err(|_| PrincipalError::Malformed)?;
    check_principals(principals.iter().copied())?;
    // Checked to be ASCII.
    Ok(principals.iter().map(|principal| String::from_utf8_lossy(principal).into_owned()).collect())
}
