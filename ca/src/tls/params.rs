//! What the certificates of the TLS CA, and its own, have in common.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SerialNumber,
};

use super::TlsError;
use crate::random;
use crate::verify::CLOCK_SKEW;

/// Certificates start so much in the past, for clocks that are behind ours.
const BACKDATED: Duration = CLOCK_SKEW;

/// The part of the CA's certificate that its signatures need again: name, key identifier, key usage.
pub(super) fn ca_params(cluster: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, shortened(cluster));
    params.distinguished_name.push(DnType::CommonName, format!("{} TLS CA", shortened(cluster)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What the certificates that the CA signs have in common.
pub(super) fn leaf_params(
    now: SystemTime,
    lifetime: Duration,
    longest: Duration,
) -> Result<CertificateParams, TlsError> {
    if lifetime < Duration::from_secs(1) || lifetime > longest {
        return Err(TlsError::Lifetime { asked: lifetime, longest });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(serial_number(random::serial()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let since_epoch = now.duration_since(UNIX_EPOCH).map_err(|_| TlsError::Clock)?;
    set_validity(&mut params, since_epoch, lifetime)?;
    Ok(params)
}

pub(super) fn serial_number(serial: u64) -> SerialNumber {
    SerialNumber::from_slice(&serial.to_be_bytes())
}

/// From a minute before `since_epoch` to `lifetime` after it.
pub(super) fn set_validity(
    params: &mut CertificateParams,
    since_epoch: Duration,
    lifetime: Duration,
) -> Result<(), TlsError> {
    // X.509 has no dates beyond the year 9999 (RFC 5280 section 4.1.2.5); the longest life ends well before.
    if since_epoch > Duration::from_hours(8000 * 365 * 24) {
        return Err(TlsError::Clock);
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(BACKDATED);
    params.not_after = epoch + since_epoch + lifetime;
    Ok(())
}

pub(super) fn shortened(name: &str) -> String {
    name.chars().take(50).collect()
}
