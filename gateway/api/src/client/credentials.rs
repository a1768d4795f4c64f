//! What a client proves itself with, from files.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Longest file with a certificate or a key, in bytes.
const FILE_MAX: u64 = 256 * 1024;

/// Why files give no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A client certificate and its private key.
pub struct Credentials {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Credentials {
    /// Reads PEM files. The key must be for its owner only.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, CredentialsError> {
        let chain = certificates(certificate)?;
        let content = |what| CredentialsError::Content { path: key.to_owned(), what };
        let (text, mode) = read(key)?;
        if mode & 0o077 != 0 {
            return Err(content("others may read it; make it 0600"));
        }
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| content("holds no private key as PEM"))?;
        Ok(Self { chain, key })
    }

    /// Takes PEM.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CredentialsError> {
        let content = |what| CredentialsError::Content { path: "credentials".into(), what };
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, pem::Error>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| content("no certificate as PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| content("no private key as PEM"))?;
        Ok(Self { chain, key })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// The certificates of a PEM file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let content = |what| CredentialsError::Content { path: path.to_owned(), what };
    let (text, _) = read(path)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, pem::Error>>();
    let all = all.map_err(|_| content("is no PEM"))?;
    if all.is_empty() { Err(content("holds no certificate as PEM")) } else { Ok(all) }
}

/// The content and the mode of a regular file.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), CredentialsError> {
    let inner = || {
        // Opened without blocking: a FIFO has nobody at its other end yet.
        let file: File = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut content = Zeroizing::new(Vec::new());
        file.take(FILE_MAX).read_to_end(&mut content)?;
        Ok((content, facts.mode()))
    };
    inner().map_err(|error| CredentialsError::Read { path: path.to_owned(), error })
}

/// `O_NONBLOCK` of Linux.
const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
