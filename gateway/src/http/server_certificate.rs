//! What the HTTPS listeners prove themselves with: a certificate of the cluster's TLS CA, made anew in time, and the
//! operator's own where there is one, read again when its files change.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use mezite_ca::certificate_validity;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// Clients that know the cluster's TLS CA name this protocol beside HTTP (RFC 7301), and are shown a certificate of that
/// CA also where the operator has another one for everybody else. It is never spoken.
pub const CLUSTER_CA: &[u8] = b"mezite-ca";
/// Longest file with a chain or a key, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// Where the operator's own certificate lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first, as PEM.
    pub certificate: PathBuf,
    /// Its private key as PEM, readable by its owner only.
    pub key: PathBuf,
}

/// Why files give no certificate.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct CertificateFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FileFault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// It holds no chain.
    #[error("holds no certificates as PEM, or half of one")]
    Chain,
    /// It holds no key.
    #[error("holds no private key as PEM, or half of one")]
    Key,
    /// Others may read the key.
    #[error("others may read this private key (mode {0:04o}); make it 0600")]
    Exposed(u32),
    /// The key is not the certificate's.
    #[error("is not the key of the certificate")]
    Mismatch,
    /// The certificate is not valid.
    #[error("the certificate is not valid now: from {} to {}", .0, .1)]
    Validity(jiff::Timestamp, jiff::Timestamp),
}

/// What tells one state of the files from another: their places, sizes, times and modes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesState([Option<FileState>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    mode: u32,
}

impl CertificateFiles {
    /// How the files are now. Blocks.
    pub fn state(&self) -> FilesState {
        let facts = |path: &Path| {
            let facts = fs::metadata(path).ok()?;
            let modified = (facts.mtime(), facts.mtime_nsec());
            Some(FileState { inode: facts.ino(), size: facts.size(), modified, mode: facts.mode() })
        };
        FilesState([facts(&self.certificate), facts(&self.key)])
    }

    /// Reads the pair. Blocks.
    pub fn load(&self) -> Result<CertifiedKey, CertificateFileError> {
        let chain = self.chain().map_err(at(&self.certificate))?;
        let key = self.private_key().map_err(at(&self.key))?;
        let key = any_supported_type(&key).map_err(|_| at(&self.key)(FileFault::Key))?;
        let pair = CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|_| at(&self.key)(FileFault::Mismatch))?;
        Ok(pair)
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, FileFault> {
        let (text, _) = read(&self.certificate)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(FileFault::Chain)?;
        let leaf = chain.first().ok_or(FileFault::Chain)?;
        let (from, to) = certificate_validity(leaf).ok_or(FileFault::Chain)?;
        let now = SystemTime::now();
        if now < from || now >= to {
            let moment = crate::authority::timestamp;
            return Err(FileFault::Validity(moment(from), moment(to)));
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, FileFault> {
        let (text, mode) = read(&self.key)?;
        if mode & 0o077 != 0 {
            return Err(FileFault::Exposed(mode & 0o7777));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| FileFault::Key)
    }
}

fn at(path: &Path) -> impl Fn(FileFault) -> CertificateFileError + use<> {
    let path = path.to_owned();
    move |fault| CertificateFileError { path: path.clone(), fault }
}

/// The content and the mode of a regular file, without waiting for anything.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() || facts.size() > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file of at most 1 MiB"));
    }
    let mut content = Zeroizing::new(Vec::new());
    file.take(FILE_MAX).read_to_end(&mut content)?;
    Ok((content, facts.mode()))
}

/// The certificates as they are now; a handshake takes the one that suits its client.
#[derive(Debug)]
pub(super) struct ServerCertificates {
    cluster: RwLock<Arc<CertifiedKey>>,
    operator: Option<RwLock<Arc<CertifiedKey>>>,
}

impl ServerCertificates {
    pub(super) fn new(cluster: CertifiedKey, operator: Option<CertifiedKey>) -> Self {
        let shared = |pair| RwLock::new(Arc::new(pair));
        Self { cluster: shared(cluster), operator: operator.map(shared) }
    }

    /// From now on this is the one of the cluster's TLS CA.
    pub(super) fn set_cluster(&self, pair: CertifiedKey) {
        *self.cluster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }

    /// From now on this is the operator's.
    pub(super) fn set_operator(&self, pair: CertifiedKey) {
        if let Some(operator) = &self.operator {
            *operator.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        }
    }
}

impl ResolvesServerCert for ServerCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let knows_ca = hello.alpn().is_some_and(|mut names| names.any(|name| name == CLUSTER_CA));
        let shown = self.operator.as_ref().filter(|_| !knows_ca).unwrap_or(&self.cluster);
        Some(Arc::clone(&shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
