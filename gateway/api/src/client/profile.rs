//! Folders with credentials: the profile that `msh login` leaves, and the folder that `mezd identity` keeps. Both have
//! the same names in them; `docs/manual/profile.md` tells what is where.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::credentials::{Credentials, CredentialsError, certificates};
use super::{Server, Trust};
use crate::{RoleName, UserName};

/// The certificate for TLS.
pub const TLS_CERTIFICATE: &str = "tls_cert.pem";
/// Its private key.
pub const TLS_KEY: &str = "tls_key.pem";
/// The TLS CA of the cluster.
pub const TLS_CA: &str = "tls_ca.pem";
/// What a profile says about itself.
pub const PROFILE: &str = "profile.json";
/// The file that names the profile in use.
const CURRENT: &str = "current";
/// The folder of the profiles.
const PROFILES: &str = "profiles";

/// What a profile says about itself, in `profile.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The version of this form: 1.
    pub version: u32,
    /// The HTTPS address of the gateway, `HOST:PORT`.
    pub server: String,
    /// The SSH address of the gateway, `HOST:PORT`.
    pub ssh: String,
    /// The name of the cluster.
    pub cluster: String,
    /// Who has logged in.
    pub user: UserName,
    /// The pin of the TLS CA.
    pub ca_pin: String,
    /// The roles at the last login.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Whether the login has put its key into the ssh-agent.
    #[serde(default)]
    pub key_in_agent: bool,
}

/// Where credentials lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl IdentityFiles {
    /// Those of `path`: a folder with `tls_cert.pem`, `tls_key.pem` and `tls_ca.pem`, or the beginning of the names of
    /// `….crt`, `….key` and `….cas`, as `mezctl auth sign --format=tls` writes them.
    pub fn at(path: &Path) -> Self {
        if path.is_dir() {
            let file = |name| path.join(name);
            return Self { certificate: file(TLS_CERTIFICATE), key: file(TLS_KEY), ca: file(TLS_CA) };
        }
        let file = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { certificate: file(".crt"), key: file(".key"), ca: file(".cas") }
    }

    /// What the client proves itself with.
    pub fn credentials(&self) -> Result<Credentials, CredentialsError> {
        Credentials::from_files(&self.certificate, &self.key)
    }

    /// Whether the CA lies beside the credentials.
    pub fn has_ca(&self) -> bool {
        self.ca.exists()
    }

    /// The CA beside the credentials.
    pub fn trust(&self) -> Result<Trust, CredentialsError> {
        certificates(&self.ca).map(Trust::Ca)
    }
}

/// The folder of the profiles: `$XDG_CONFIG_HOME/mezite`, by default `~/.config/mezite`; nothing where neither
/// `XDG_CONFIG_HOME` nor `HOME` is an absolute path. `variable` looks a variable up by its name.
pub fn folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let config = variable("XDG_CONFIG_HOME").filter(absolute);
    let config = config.or_else(|| variable("HOME").filter(absolute).map(|home| home.join(".config")))?;
    Some(config.join("mezite"))
}

/// The folder of the profile for a server.
pub fn folder_of(profiles: &Path, server: &Server) -> PathBuf {
    // A host has no slash, and no dot at its beginning.
    profiles.join(PROFILES).join(format!("{}_{}", server.host(), server.port()))
}

/// The name of the file that says which profile is in use: one line, the server.
pub fn current_file(profiles: &Path) -> PathBuf {
    profiles.join(CURRENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_environment() {
        let with = |config: Option<&str>, home: Option<&str>| {
            folder(|name| match name {
                "XDG_CONFIG_HOME" => config.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                _ => None,
            })
        };
        assert_eq!(with(Some("/c"), Some("/h")), Some("/c/mezite".into()));
        assert_eq!(with(Some("relative"), Some("/h")), Some("/h/.config/mezite".into()));
        assert_eq!(with(None, None), None);
    }

    #[test]
    fn a_folder_and_a_prefix_have_their_own_names() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(IdentityFiles::at(folder.path()).key, folder.path().join("tls_key.pem"));
        assert_eq!(IdentityFiles::at(&folder.path().join("alice")).key, folder.path().join("alice.key"));
    }

    #[test]
    fn a_profile_is_named_by_its_server() {
        let server: Server = "Gateway.example.com".parse().unwrap();
        let folder = folder_of(Path::new("/c/mezite"), &server);
        assert_eq!(folder, Path::new("/c/mezite/profiles/gateway.example.com_3025"));
    }
}
