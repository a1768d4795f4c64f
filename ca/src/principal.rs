//! Principals: the names a certificate is valid for. Compared byte by byte, never split, never patterns.

/// Most principals in one certificate.
pub const MAX_PRINCIPALS: usize = 256;

/// Longest principal, in bytes.
pub const MAX_PRINCIPAL_LENGTH: usize = 255;

/// Why a list of principals is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// The list is empty: OpenSSH reads such a certificate as valid for everybody.
    #[error("there are no principals")]
    None,
    /// More than [`MAX_PRINCIPALS`].
    #[error("there are more than {MAX_PRINCIPALS} principals")]
    TooMany,
    /// One is empty.
    #[error("a principal is empty")]
    Empty,
    /// One is longer than [`MAX_PRINCIPAL_LENGTH`] bytes.
    #[error("a principal is longer than {MAX_PRINCIPAL_LENGTH} bytes")]
    TooLong,
    /// One has a character that some program could split at or take for a pattern, or that is not printable ASCII.
    #[error("a principal has a character that is not allowed (blank, control, not ASCII, or one of * ? ! ,)")]
    Character,
    /// The list is not a sequence of strings.
    #[error("the list of principals is malformed")]
    Malformed,
    /// The name that the certificate is used for is not among them.
    #[error("the name is not among the principals")]
    NotNamed,
}

/// Checks one principal, for issuing and for verifying alike.
pub fn check_principal(principal: &[u8]) -> Result<(), PrincipalError> {
    if principal.is_empty() {
        return Err(PrincipalError::Empty);
    }
    if principal.len() > MAX_PRINCIPAL_LENGTH {
        return Err(PrincipalError::TooLong);
    }
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'?' | b'!' | b',');
    if principal.iter().all(allowed) { Ok(()) } else { Err(PrincipalError::Character) }
}

/// Checks a whole list.
pub(crate) fn check_principals<'a>(
    principals: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<(), PrincipalError> {
    match principals.len() {
        0 => return Err(PrincipalError::None),
        n if n > MAX_PRINCIPALS => return Err(PrincipalError::TooMany),
        _ => {}
    }
    for principal in principals {
        check_principal(principal)?;
    }
    Ok(())
}
