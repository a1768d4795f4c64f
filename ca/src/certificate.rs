//! The strict parts of an SSH certificate blob (OpenSSH's PROTOCOL.certkeys), before anything in it is believed.

use ssh_encoding::Encode as _;

use crate::public_key::{KEY_TYPES, KeyType, PublicKey, PublicKeyError, names_certificate};
use crate::text::printable;
use crate::wire::{Malformed, Reader};

/// Longest certificate that is read or issued, in bytes: it has to fit an SSH packet of 35,000 bytes.
pub const MAX_CERTIFICATE_BLOB: usize = 32_768;

/// What a certificate is for: field `type` of PROTOCOL.certkeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum CertificateType {
    /// `SSH_CERT_TYPE_USER`.
    User = 1,
    /// `SSH_CERT_TYPE_HOST`.
    Host = 2,
}

/// Why a blob cannot be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    Malformed,
    /// The signing key, or the subject key, is itself a certificate.
    NestedCertificate,
    /// The subject key is of a type or strength that is not accepted.
    SubjectKey(PublicKeyError),
}

impl From<Malformed> for ParseError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The fields of a certificate. Lists are still in their wire form.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) subject: PublicKey,
    pub(crate) nonce: &'a [u8],
    pub(crate) serial: u64,
    /// As it came; only 1 and 2 mean something.
    pub(crate) certificate_type: u32,
    pub(crate) key_id: &'a [u8],
    principals: &'a [u8],
    pub(crate) valid_after: u64,
    pub(crate) valid_before: u64,
    critical_options: &'a [u8],
    extensions: &'a [u8],
    /// The blob of the CA's plain public key.
    pub(crate) signature_key: &'a [u8],
    /// The bytes that the signature is over.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Takes a blob apart. Nothing may be missing and nothing may follow, in the blob or in any string of it.
    pub(crate) fn parse(blob: &'a [u8]) -> Result<Self, ParseError> {
        if blob.len() > MAX_CERTIFICATE_BLOB {
            return Err(ParseError::Malformed);
        }
        let mut reader = Reader::new(blob);
        let key_type = key_type(reader.string()?)?;
        let nonce = reader.string()?;
        let subject = subject(&mut reader, key_type)?;
        let serial = reader.u64()?;
        let certificate_type = reader.u32()?;
        let key_id = reader.string()?;
        let principals = reader.string()?;
        let valid_after = reader.u64()?;
        let valid_before = reader.u64()?;
        let critical_options = reader.string()?;
        let extensions = reader.string()?;
        let reserved = reader.string()?;
        let signature_key = reader.string()?;
        if names_certificate(Reader::new(signature_key).string()?) {
            return Err(ParseError::NestedCertificate);
        }
        let signed = blob.get(..blob.len() - reader.remaining()).ok_or(Malformed)?;
        let signature = reader.string()?;
        reader.finish()?;
        if !reserved.is_empty() {
            return Err(ParseError::Malformed);
        }
        Ok(Self {
            subject: subject?,
            nonce,
            serial,
            certificate_type,
            key_id,
            principals,
            valid_after,
            valid_before,
            critical_options,
            extensions,
            signature_key,
            signed,
            signature,
        })
    }

    /// The principals, as bytes.
    pub(crate) fn principals(&self) -> Result<Vec<&'a [u8]>, Malformed> {
        let mut reader = Reader::new(self.principals);
        let mut principals = Vec::new();
        while !reader.is_empty() {
            principals.push(reader.string()?);
        }
        Ok(principals)
    }

    pub(crate) fn critical_options(&self) -> Result<Vec<RawOption<'a>>, Malformed> {
        read_options(self.critical_options)
    }

    pub(crate) fn extensions(&self) -> Result<Vec<RawOption<'a>>, Malformed> {
        read_options(self.extensions)
    }
}

/// A critical option or an extension as it stands in the certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawOption<'a> {
    pub(crate) name: &'a [u8],
    data: &'a [u8],
}

impl<'a> RawOption<'a> {
    /// The value: exactly one string inside the data.
    pub(crate) fn value(&self) -> Result<&'a [u8], Malformed> {
        Reader::only_string(self.data)
    }

    /// A flag has no data at all.
    pub(crate) fn flag(&self) -> Result<(), Malformed> {
        Reader::new(self.data).finish()
    }
}

/// Options stand in ascending order of their names, each once (PROTOCOL.certkeys).
fn read_options(bytes: &[u8]) -> Result<Vec<RawOption<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut options: Vec<RawOption<'_>> = Vec::new();
    while !reader.is_empty() {
        let option = RawOption { name: reader.string()?, data: reader.string()? };
        if options.last().is_some_and(|last| last.name >= option.name) {
            return Err(Malformed);
        }
        options.push(option);
    }
    Ok(options)
}

fn key_type(name: &[u8]) -> Result<&'static KeyType, ParseError> {
    if let Some(known) = KEY_TYPES.iter().find(|known| known.certificate.as_bytes() == name) {
        return Ok(known);
    }
    // `X-cert-v01-cert-v01@…`: a certificate whose subject is a certificate.
    if name.windows(7).filter(|window| *window == b"-cert-v").count() > 1 {
        return Err(ParseError::NestedCertificate);
    }
    if names_certificate(name) {
        return Err(ParseError::SubjectKey(PublicKeyError::Unsupported { name: printable(name) }));
    }
    Err(ParseError::Malformed)
}

/// Reads the subject's public key, which stands in the certificate without its type's name. The outer error is about
/// the structure, the inner one about the key: that waits until the rest has been read.
fn subject(reader: &mut Reader<'_>, key_type: &KeyType) -> Result<Result<PublicKey, ParseError>, ParseError> {
    let mut blob = Vec::new();
    key_type.plain.encode(&mut blob).map_err(|_| Malformed)?;
    for _ in 0..key_type.strings {
        reader.string()?.encode(&mut blob).map_err(|_| Malformed)?;
    }
    Ok(PublicKey::from_blob(&blob).map_err(|error| match error {
        PublicKeyError::Malformed => ParseError::Malformed,
        error => ParseError::SubjectKey(error),
    }))
}
