//! With what `ssh` goes to the gateway: a folder with key and certificate, of a profile or of a machine's identity.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use mezite_api::client::Server;
use mezite_api::{Invalid, Login, UserName};
use mezite_ca::ssh_key::Certificate;
use mezite_console::output::local;
use mezite_console::{CommandError, Kind, files};
use mezite_identity::Record;

use crate::profile::{self, KNOWN_HOSTS, SSH_CERTIFICATE, SSH_KEY};

/// What `mezd identity` says of itself in its folder.
const IDENTITY: &str = "identity.json";
/// What stands behind the name of a key in that of its certificate.
const CERTIFICATE_SUFFIX: &str = "-cert.pub";
/// Longest of these files, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The options that say whose certificates are used.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The gateway of a profile; by default that of the profile in use.
    #[arg(long, env = "MSH_PROXY", value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    /// A folder of 'mezd identity', in place of a profile.
    #[arg(long, env = "MSH_IDENTITY", value_name = "DIR")]
    identity: Option<PathBuf>,
}

/// A key with a certificate that is valid, and the gateway that they are for.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// Where SSH is served.
    pub(crate) gateway: Place,
    /// The private key, or its public half where an agent has the private one.
    pub(crate) key: PathBuf,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// The lines of the Host CA.
    pub(crate) known_hosts: PathBuf,
    /// Local accounts that the certificate names.
    logins: Vec<String>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Access {
    /// The folder that is meant.
    pub(crate) fn folder(&self) -> Result<PathBuf, CommandError> {
        if let Some(folder) = &self.identity {
            return Ok(folder.clone());
        }
        let server: Option<Server> = match &self.proxy {
            Some(proxy) => Some(proxy.parse()?),
            None => profile::current()?,
        };
        server.map_or_else(|| Err(not_logged_in()), |server| profile::folder(&server))
    }

    /// What lies in it.
    pub(crate) fn open(&self) -> Result<Credentials, CommandError> {
        Credentials::beside(&self.folder()?.join(SSH_CERTIFICATE))
    }
}

impl Credentials {
    /// Those of a certificate: the key has its name without the end, the rest lies in the same folder.
    pub(crate) fn beside(certificate: &Path) -> Result<Self, CommandError> {
        if !certificate.exists() {
            return Err(not_logged_in().within(certificate));
        }
        let folder = certificate.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let About { ssh: gateway, user, .. } = about(folder)?;
        let parsed = Certificate::from_openssh(&files::read(certificate, FILE_MAX)?);
        let parsed = parsed.map_err(|_| CommandError::usage("is no certificate").within(certificate))?;
        let end = i64::try_from(parsed.valid_before()).ok().and_then(|end| Timestamp::from_second(end).ok());
        if let Some(end) = end.filter(|end| *end <= Timestamp::now()) {
            let why = format!("the certificate has expired at {}", local(end));
            return Err(CommandError::new(Kind::Refused, why).hint("log in again with 'msh login'"));
        }
        let principals = parsed.valid_principals().iter();
        Ok(Self {
            gateway: gateway.parse()?,
            key: key_of(certificate)?,
            certificate: certificate.to_owned(),
            known_hosts: folder.join(KNOWN_HOSTS),
            logins: principals.filter(|name| **name != user.as_str()).cloned().collect(),
        })
    }

    /// The login where none is named: the only one that the certificate has, else the name of this account.
    pub(crate) fn login(&self) -> Result<Login, CommandError> {
        if let [only] = self.logins.as_slice() {
            return Ok(Login::parse(only)?);
        }
        let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        Login::parse(&name).map_err(|_| {
            let all = if self.logins.is_empty() { "LOGIN".to_owned() } else { self.logins.join(", ") };
            CommandError::usage(format!("name a login: LOGIN@NODE or --login; there are: {all}"))
        })
    }
}

/// What a folder says of itself.
pub(crate) struct About {
    /// Where the API is served.
    pub(crate) server: String,
    /// Where SSH is served.
    ssh: String,
    /// Who it is.
    user: UserName,
}

/// Where the gateway is, and who it is for, as the folder says.
pub(crate) fn about(folder: &Path) -> Result<About, CommandError> {
    if let Some(profile) = profile::read(folder)? {
        return Ok(About { server: profile.server, ssh: profile.ssh, user: profile.user });
    }
    let path = folder.join(IDENTITY);
    if !path.exists() {
        let why = "neither a profile nor an identity: there is no profile.json and no identity.json";
        return Err(CommandError::usage(why).within(folder));
    }
    let record: Record = serde_json::from_str(&files::read(&path, FILE_MAX)?)
        .map_err(|error| CommandError::usage(error.to_string()).within(&path))?;
    Ok(About { server: record.auth_server, ssh: record.gateway, user: record.bot })
}

/// The key of a certificate: beside it, or only its public half where an agent has it.
fn key_of(certificate: &Path) -> Result<PathBuf, CommandError> {
    let name = certificate.file_name().and_then(|name| name.to_str());
    let name = name.and_then(|name| name.strip_suffix(CERTIFICATE_SUFFIX));
    let key = certificate.with_file_name(name.unwrap_or(SSH_KEY));
    let public = key.with_extension("pub");
    match (key.exists(), public.exists()) {
        (true, _) => Ok(key),
        (false, true) => Ok(public),
        (false, false) => {
            Err(CommandError::usage("not found; it must lie beside its certificate").within(&key))
        }
    }
}

fn not_logged_in() -> CommandError {
    CommandError::new(Kind::NotFound, "not logged in").hint("log in with 'msh login', or pass --identity")
}

impl std::str::FromStr for Place {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // A host that no shell and no option parser takes for something else.
        let server: Server = text.parse()?;
        Ok(Self { host: server.host().to_owned(), port: server.port() })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
