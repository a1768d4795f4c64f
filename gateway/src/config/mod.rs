//! Settings of the gateway: flags before environment before file, then checked as a whole.

mod layer;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use mezite_ca::{KeyAlgorithm, Passphrase, SealError, SealSource};

pub use layer::{Layer, split_list};

use crate::http::CertificateFiles;

const DEFAULT_DATA_DIR: &str = "/var/lib/mezite";
const DEFAULT_SSH_LISTEN: &str = "0.0.0.0:3023";
const DEFAULT_HTTPS_LISTEN: [&str; 2] = ["0.0.0.0:3080", "0.0.0.0:3025"];
/// How long after its end a bot's certificate can still be renewed: a machine may sleep for a night.
const DEFAULT_RECOVERY_WINDOW: Duration = Duration::from_hours(24);
const MAX_RECOVERY_WINDOW: Duration = Duration::from_hours(30 * 24);
/// Longest file with a passphrase, in bytes.
const PASSPHRASE_MAX: u64 = 4096;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not TOML, or has a key that is not known or is there twice.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, key and cause.
        message: String,
    },
    /// A value that its key does not take.
    #[error("{key} = {value:?}: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What the key takes.
        why: &'static str,
    },
    /// A setting that has no default.
    #[error("{key} is not set")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("{0} and {1} exclude each other")]
    Conflict(&'static str, &'static str),
    /// A passphrase that cannot be used.
    #[error("seal_passphrase: {0}")]
    Passphrase(#[from] SealError),
}

impl ConfigError {
    fn value(key: &'static str, value: &str, why: &'static str) -> Self {
        Self::Value { key, value: value.to_owned(), why }
    }
}

/// Checked settings.
#[derive(Debug)]
pub struct Config {
    /// The folder that holds everything the gateway keeps.
    pub data_dir: PathBuf,
    /// The name of the cluster.
    pub cluster_name: String,
    /// Where SSH is served.
    pub ssh_listen: SocketAddr,
    /// Where HTTPS is served.
    pub https_listen: Vec<SocketAddr>,
    /// The names in the gateway's own certificates: names and addresses, no ports.
    pub public_addr: Vec<String>,
    /// What clients are told for SSH; without it the first of `public_addr` and the listener's port.
    pub ssh_public_addr: Option<(String, u16)>,
    /// The operator's own certificate for HTTPS.
    pub https_certificate: Option<CertificateFiles>,
    /// How the CA keys are sealed.
    pub seal: SealSource,
    /// Nothing was said about sealing: the key file is the gateway's own, made at the first start.
    pub own_seal_key: bool,
    /// Algorithm of the SSH CAs that the first start makes.
    pub key_algorithm: KeyAlgorithm,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol_from: Vec<IpNet>,
    /// How long after its end a bot's certificate can still be renewed.
    pub recovery_window: Duration,
}

impl Config {
    /// Whether clients know the gateway itself by this name or address.
    pub fn is_own_name(&self, name: &str) -> bool {
        let told = self.ssh_public_addr.iter().map(|(host, _)| host);
        let address = |text: &str| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let asked = address(name);
        let same = |own: &String| own.eq_ignore_ascii_case(name) || asked.is_some() && address(own) == asked;
        self.public_addr.iter().chain(told).any(same)
    }

    /// Merges and checks the settings of the command line and the environment with those of `file`.
    pub fn load(flags: Layer, environment: Layer, file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = file.map(Layer::from_file).transpose()?.unwrap_or_default();
        Self::check(flags.over(environment).over(file))
    }

    /// Checks merged settings and fills in the defaults.
    pub fn check(mut layer: Layer) -> Result<Self, ConfigError> {
        let data_dir = layer.data_dir.take().unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let chosen_seal = chosen_seal(&mut layer)?;
        let cluster_name = layer.cluster_name.ok_or(ConfigError::Missing { key: "cluster_name" })?;
        if !is_host_name(&cluster_name) {
            return Err(ConfigError::value("cluster_name", &cluster_name, "must be a DNS name"));
        }
        let ssh_listen = layer.ssh_listen.as_deref().unwrap_or(DEFAULT_SSH_LISTEN);
        let https_listen =
            layer.https_listen.unwrap_or_else(|| DEFAULT_HTTPS_LISTEN.map(str::to_owned).to_vec());
        if https_listen.is_empty() {
            return Err(ConfigError::value("https_listen", "", "needs at least one address"));
        }
        let ssh_listen = listen_address("ssh_listen", ssh_listen)?;
        let https_listen = https_listen
            .iter()
            .map(|address| listen_address("https_listen", address))
            .collect::<Result<Vec<_>, _>>()?;
        let public_addr = match layer.public_addr {
            Some(names) => public_names(&names)?,
            None => default_names(&cluster_name, ssh_listen, &https_listen),
        };
        Ok(Self {
            own_seal_key: chosen_seal.is_none(),
            seal: chosen_seal.unwrap_or_else(|| SealSource::KeyFile(data_dir.join("seal.key"))),
            data_dir,
            cluster_name,
            ssh_listen,
            https_listen,
            public_addr,
            https_certificate: certificate_files(layer.https_cert_file, layer.https_key_file)?,
            ssh_public_addr: layer.ssh_public_addr.as_deref().map(host_and_port).transpose()?,
            key_algorithm: key_algorithm(layer.key_algorithm.as_deref())?,
            proxy_protocol_from: networks(&layer.proxy_protocol_from.unwrap_or_default())?,
            recovery_window: recovery_window(layer.recovery_window.as_deref())?,
        })
    }

    /// The socket of the administration API.
    pub fn socket(&self) -> PathBuf {
        self.data_dir.join("mezctl.sock")
    }

    /// The folder of the recordings.
    pub fn recordings(&self) -> PathBuf {
        self.data_dir.join("recordings")
    }
}

/// How to seal, of what a merged layer says; `None` where it says nothing.
fn chosen_seal(layer: &mut Layer) -> Result<Option<SealSource>, ConfigError> {
    let passphrase_file = layer.seal_passphrase_file.take();
    let from_file = passphrase_file.as_deref().map(read_passphrase).transpose()?;
    let chosen = [
        ("seal_passphrase_file", from_file.map(SealSource::Passphrase)),
        ("MEZITE_SEAL_PASSPHRASE", layer.seal_passphrase.take().map(SealSource::Passphrase)),
        ("seal_key_file", layer.seal_key_file.take().map(SealSource::KeyFile)),
        ("unsealed", (layer.unsealed == Some(true)).then_some(SealSource::Unsealed)),
    ];
    let mut chosen = chosen.into_iter().filter_map(|(key, seal)| Some((key, seal?)));
    match (chosen.next(), chosen.next()) {
        (Some((first, _)), Some((second, _))) => Err(ConfigError::Conflict(first, second)),
        (chosen, _) => Ok(chosen.map(|(_, seal)| seal)),
    }
}

fn read_passphrase(path: &Path) -> Result<Passphrase, ConfigError> {
    let read = |error| ConfigError::Read { path: path.to_owned(), error };
    Ok(Passphrase::new(read_regular_file(path, PASSPHRASE_MAX).map_err(read)?)?)
}

/// `IP:PORT`, or `:PORT` for every IPv4 address.
fn listen_address(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse().map_err(|_| ConfigError::value(key, text, "must be IP:PORT"))
}

fn host_and_port(text: &str) -> Result<(String, u16), ConfigError> {
    let error = || ConfigError::value("ssh_public_addr", text, "must be HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if is_host_name(host) || host.parse::<IpAddr>().is_ok() {
        Ok((host.to_owned(), port))
    } else {
        Err(error())
    }
}

/// Names as given; a port behind one, as in other gateways' settings, is not part of it.
fn public_names(names: &[String]) -> Result<Vec<String>, ConfigError> {
    if names.is_empty() {
        return Err(ConfigError::value("public_addr", "", "needs at least one name"));
    }
    let mut public = Vec::new();
    for name in names {
        let host = match host_and_port(name) {
            Ok((host, _)) if name.parse::<IpAddr>().is_err() => host,
            _ => name.clone(),
        };
        if !is_host_name(&host) && host.parse::<IpAddr>().is_err() {
            return Err(ConfigError::value("public_addr", name, "must be a host name or an address"));
        }
        push_new(&mut public, host);
    }
    Ok(public)
}

fn default_names(cluster: &str, ssh: SocketAddr, https: &[SocketAddr]) -> Vec<String> {
    let host_name = rustix::system::uname().nodename().to_str().map(str::to_owned).unwrap_or_default();
    let listen = std::iter::once(&ssh).chain(https).map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    let host_name = Some(host_name).filter(|name| is_host_name(name));
    let others = listen.map(|ip| ip.to_string()).chain(["localhost".to_owned(), cluster.to_owned()]);
    let mut names = Vec::new();
    host_name.into_iter().chain(others).for_each(|name| push_new(&mut names, name));
    names
}

fn push_new(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}

/// Both files or none.
fn certificate_files(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<CertificateFiles>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::Missing { key: "https_key_file" }),
        (None, Some(_)) => Err(ConfigError::Missing { key: "https_cert_file" }),
    }
}

fn recovery_window(text: Option<&str>) -> Result<Duration, ConfigError> {
    let Some(text) = text else { return Ok(DEFAULT_RECOVERY_WINDOW) };
    let window = mezite_api::duration::parse(text).ok().filter(|window| *window <= MAX_RECOVERY_WINDOW);
    window.ok_or_else(|| {
        ConfigError::value("recovery_window", text, "must be a time like 30m, 24h or 7d, at most 30d")
    })
}

fn key_algorithm(name: Option<&str>) -> Result<KeyAlgorithm, ConfigError> {
    match name {
        None | Some("ed25519") => Ok(KeyAlgorithm::Ed25519),
        Some("p256") => Ok(KeyAlgorithm::P256),
        Some(other) => Err(ConfigError::value("key_algorithm", other, "must be ed25519 or p256")),
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let network = |text: &String| {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| ConfigError::value("proxy_protocol_from", text, "must be networks in CIDR form"))
    };
    texts.iter().map(network).collect()
}

/// A DNS name (RFC 1123): labels of letters, digits and inner hyphens, 253 bytes in all.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// The text of a regular file of at most `max` bytes. A FIFO or a device is refused, without waiting for it.
pub(crate) fn read_regular_file(path: &Path, max: u64) -> io::Result<String> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    file.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
