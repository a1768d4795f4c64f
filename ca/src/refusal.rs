//! Why a certificate is not believed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::ParseError;
use crate::kind::CaKind;
use crate::principal::PrincipalError;
use crate::public_key::PublicKeyError;

/// Why a certificate is refused. Times are seconds since 1970-01-01 UTC; names from the certificate are escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// The blob, or a list in it, is not as PROTOCOL.certkeys has it.
    #[error("the certificate is malformed")]
    Malformed,
    /// The signing key or the subject key is itself a certificate.
    #[error("the certificate's signing key or own key is itself a certificate")]
    CaIsCertificate,
    /// The subject's key is of a type or size that is not accepted.
    #[error("the certificate's key is not accepted: {0}")]
    SubjectKey(PublicKeyError),
    /// A host certificate in the place of a user certificate, the reverse, or an unknown type.
    #[error("the certificate is of type {found}; type {expected} is needed (1: user, 2: host)")]
    CertificateType {
        /// What is needed.
        expected: u32,
        /// What the certificate says.
        found: u32,
    },
    /// There is no trusted key at all.
    #[error("there is no trusted key of the {0} CA")]
    NoTrustedCa(CaKind),
    /// Signed by a key that is not one of the trusted ones of this kind.
    #[error("the certificate was not signed by a trusted key of the {0} CA")]
    UntrustedCa(CaKind),
    /// The signature's algorithm is not allowed, or is not that of the CA's key.
    #[error("the certificate's signature algorithm {name} is not allowed for its CA key")]
    SignatureAlgorithm {
        /// Its name, escaped.
        name: String,
    },
    /// The CA did not make this signature over these bytes.
    #[error("the certificate's signature is wrong")]
    Signature,
    /// Not valid yet, by more than [`CLOCK_SKEW`](crate::CLOCK_SKEW).
    #[error("the certificate is valid only from {}; this gateway's clock says {}, {} earlier",
            Moment(*valid_after), Moment(*now), Span(valid_after.abs_diff(*now)))]
    NotYetValid {
        /// Start of its validity.
        valid_after: u64,
        /// The time it was judged at.
        now: u64,
    },
    /// No longer valid.
    #[error("the certificate expired at {}; this gateway's clock says {}, {} later",
            Moment(*valid_before), Moment(*now), Span(now.abs_diff(*valid_before)))]
    Expired {
        /// End of its validity: the first second at which it does not hold.
        valid_before: u64,
        /// The time it was judged at.
        now: u64,
    },
    /// It ends before it starts.
    #[error("the certificate ends before it starts")]
    EmptyValidity,
    /// It lives longer than any certificate of its kind may.
    #[error("the certificate is valid for longer than {} days", limit.as_secs() / 86_400)]
    TooLong {
        /// The longest life that is accepted.
        limit: Duration,
    },
    /// The list of principals is unacceptable, or does not have the name that is needed.
    #[error("the certificate's principals are refused: {0}")]
    Principals(PrincipalError),
    /// A critical option that we do not know, or do not enforce.
    #[error("the certificate has the unknown critical option {name}")]
    UnknownCriticalOption {
        /// Its name, escaped and cut.
        name: String,
    },
    /// A critical option stands twice, out of order, or is encoded wrongly.
    #[error("the certificate's critical options are malformed")]
    CriticalOptions,
    /// It has a `force-command`, which the gateway does not enforce.
    #[error("the certificate forces a command, which this gateway does not support")]
    ForceCommand,
    /// It may not be used from this address.
    #[error("the certificate may not be used from {source_address}")]
    SourceAddress {
        /// The peer's address.
        source_address: IpAddr,
    },
    /// Its list of addresses cannot be read.
    #[error("the certificate's list of source addresses is malformed")]
    SourceAddressList,
    /// Its `user@mezite` is missing or is not its key id, or what it says about a bot is incomplete.
    #[error("the certificate does not say whose it is")]
    Identity,
}

impl CertificateRefusal {
    /// The stable word for audit events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::CaIsCertificate => "ca_is_certificate",
            Self::SubjectKey(_) => "key",
            Self::CertificateType { .. } => "cert_type",
            Self::NoTrustedCa(_)
            | Self::UntrustedCa(_)
            | Self::SignatureAlgorithm { .. }
            | Self::Signature => "ca",
            Self::NotYetValid { .. } | Self::Expired { .. } | Self::EmptyValidity | Self::TooLong { .. } => {
                "validity"
            }
            Self::Principals(_) => "principals",
            Self::UnknownCriticalOption { .. } | Self::CriticalOptions => "critical_option",
            Self::ForceCommand => "force_command",
            Self::SourceAddress { .. } | Self::SourceAddressList => "source_address",
            Self::Identity => "identity",
        }
    }
}

impl From<ParseError> for CertificateRefusal {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Malformed => Self::Malformed,
            ParseError::NestedCertificate => Self::CaIsCertificate,
            ParseError::SubjectKey(error) => Self::SubjectKey(error),
        }
    }
}

impl From<PrincipalError> for CertificateRefusal {
    fn from(error: PrincipalError) -> Self {
        Self::Principals(error)
    }
}

/// A time in seconds since 1970, shown as RFC 3339 UTC; beyond the year 9999 as the bare number.
struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(time) => write!(f, "{time}"),
            None => write!(f, "second {}", self.0),
        }
    }
}

/// A number of seconds, shown as `1h 5m 3s`.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_both_times_and_their_difference() {
        let expired = CertificateRefusal::Expired { valid_before: 1_800_000_000, now: 1_800_003_723 };
        assert_eq!(
            expired.to_string(),
            "the certificate expired at 2027-01-15T08:00:00Z; this gateway's clock says 2027-01-15T09:02:03Z, 1h 2m 3s later"
        );
        let early = CertificateRefusal::NotYetValid { valid_after: u64::MAX, now: 0 };
        assert!(early.to_string().contains("second 18446744073709551615"), "{early}");
    }
}
