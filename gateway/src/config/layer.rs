//! One source of settings, as written: every key optional, nothing checked yet.

use std::path::{Path, PathBuf};

use mezite_ca::Passphrase;
use serde::Deserialize;

use super::ConfigError;

/// Longest configuration file, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// Settings of one source: the command line, the environment or the file. The names are the keys of the file, the
/// flags with `_` for `-`, and the variables without `MEZITE_` and in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The folder that holds everything the gateway keeps.
    pub data_dir: Option<PathBuf>,
    /// The name of the cluster.
    pub cluster_name: Option<String>,
    /// Where SSH is served, `IP:PORT`.
    pub ssh_listen: Option<String>,
    /// Where HTTPS is served, `IP:PORT` each.
    pub https_listen: Option<Vec<String>>,
    /// The names by which clients reach the gateway.
    pub public_addr: Option<Vec<String>>,
    /// What clients are told to connect to for SSH, `HOST:PORT`.
    pub ssh_public_addr: Option<String>,
    /// The operator's own certificate for HTTPS: a PEM chain.
    pub https_cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub https_key_file: Option<PathBuf>,
    /// The file with the passphrase that seals the CA keys.
    pub seal_passphrase_file: Option<PathBuf>,
    /// The file with the key that seals the CA keys.
    pub seal_key_file: Option<PathBuf>,
    /// Keep the CA keys unsealed.
    pub unsealed: Option<bool>,
    /// Algorithm of the SSH CAs that the first start makes: `ed25519` or `p256`.
    pub key_algorithm: Option<String>,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxy_protocol_from: Option<Vec<String>>,
    /// How long after its end a bot's certificate can still be renewed.
    pub recovery_window: Option<String>,
    /// The passphrase itself; only from the environment.
    #[serde(skip)]
    pub seal_passphrase: Option<Passphrase>,
}

impl Layer {
    /// The settings of a TOML file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let read = |error| ConfigError::Read { path: path.to_owned(), error };
        let text = super::read_regular_file(path, FILE_MAX).map_err(read)?;
        Self::from_toml(&text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })
    }

    /// The settings of a TOML document.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The settings of the environment; `variable` looks a variable up by its name. Lists are split at commas, an
    /// empty variable counts as unset.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |key: &str| {
            let name = format!("MEZITE_{}", key.to_ascii_uppercase());
            variable(&name).filter(|value| !value.is_empty())
        };
        let list = |key: &str| text(key).map(|value| split_list(&value));
        let path = |key: &str| text(key).map(PathBuf::from);
        Ok(Self {
            data_dir: path("data_dir"),
            cluster_name: text("cluster_name"),
            ssh_listen: text("ssh_listen"),
            https_listen: list("https_listen"),
            public_addr: list("public_addr"),
            ssh_public_addr: text("ssh_public_addr"),
            https_cert_file: path("https_cert_file"),
            https_key_file: path("https_key_file"),
            seal_passphrase_file: path("seal_passphrase_file"),
            seal_key_file: path("seal_key_file"),
            unsealed: text("unsealed").map(|value| boolean("unsealed", &value)).transpose()?,
            key_algorithm: text("key_algorithm"),
            proxy_protocol_from: list("proxy_protocol_from"),
            recovery_window: text("recovery_window"),
            seal_passphrase: text("seal_passphrase").map(Passphrase::new).transpose()?,
        })
    }

    /// These settings, and those of `below` where these say nothing. How to seal is one setting with several
    /// spellings: who says anything about it says all.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let own_seal = self.says_how_to_seal();
        let seal = |own: Option<PathBuf>, other: Option<PathBuf>| if own_seal { own } else { other };
        Self {
            data_dir: self.data_dir.or(below.data_dir),
            cluster_name: self.cluster_name.or(below.cluster_name),
            ssh_listen: self.ssh_listen.or(below.ssh_listen),
            https_listen: self.https_listen.or(below.https_listen),
            public_addr: self.public_addr.or(below.public_addr),
            ssh_public_addr: self.ssh_public_addr.or(below.ssh_public_addr),
            https_cert_file: self.https_cert_file.or(below.https_cert_file),
            https_key_file: self.https_key_file.or(below.https_key_file),
            seal_passphrase_file: seal(self.seal_passphrase_file, below.seal_passphrase_file),
            seal_key_file: seal(self.seal_key_file, below.seal_key_file),
            unsealed: if own_seal { self.unsealed } else { below.unsealed },
            key_algorithm: self.key_algorithm.or(below.key_algorithm),
            proxy_protocol_from: self.proxy_protocol_from.or(below.proxy_protocol_from),
            recovery_window: self.recovery_window.or(below.recovery_window),
            seal_passphrase: if own_seal { self.seal_passphrase } else { below.seal_passphrase },
        }
    }

    fn says_how_to_seal(&self) -> bool {
        self.seal_passphrase_file.is_some()
            || self.seal_key_file.is_some()
            || self.seal_passphrase.is_some()
            || self.unsealed == Some(true)
    }
}

/// The parts of a comma-separated list, without empty ones.
pub fn split_list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn boolean(key: &'static str, value: &str) -> Result<bool, ConfigError> {
    match value {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(ConfigError::value(key, value, "must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = Layer::from_toml("data_dir = \"/x\"\nssh_lisen = \"a\"\n").unwrap_err().to_string();
        assert!(error.contains("ssh_lisen") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_repeated_key_is_an_error() {
        let error = Layer::from_toml("data_dir = \"/x\"\ndata_dir = \"/y\"\n").unwrap_err().to_string();
        assert!(error.contains("data_dir"), "{error}");
    }

    #[test]
    fn flags_go_before_the_environment_before_the_file() {
        let file = Layer::from_toml(
            "data_dir = \"/file\"\ncluster_name = \"file\"\nssh_listen = \"1.1.1.1:1\"\nhttps_listen = [\"1.1.1.1:2\"]",
        )
        .unwrap();
        let environment = Layer::from_env(|name| match name {
            "MEZITE_CLUSTER_NAME" => Some("environment".to_owned()),
            "MEZITE_HTTPS_LISTEN" => Some("2.2.2.2:1, 2.2.2.2:2,".to_owned()),
            "MEZITE_SSH_LISTEN" => Some(String::new()),
            _ => None,
        })
        .unwrap();
        let flags = Layer { data_dir: Some("/flag".into()), ..Layer::default() };
        let merged = flags.over(environment).over(file);
        assert_eq!(merged.data_dir.as_deref(), Some(Path::new("/flag")));
        assert_eq!(merged.cluster_name.as_deref(), Some("environment"));
        assert_eq!(merged.ssh_listen.as_deref(), Some("1.1.1.1:1"));
        assert_eq!(merged.https_listen, Some(vec!["2.2.2.2:1".to_owned(), "2.2.2.2:2".to_owned()]));
    }

    #[test]
    fn how_to_seal_is_taken_from_one_source_only() {
        let flags = Layer { seal_key_file: Some("/key".into()), ..Layer::default() };
        let passphrase = Passphrase::new("secret".to_owned()).unwrap();
        let environment = Layer { seal_passphrase: Some(passphrase), ..Layer::default() };
        let merged = flags.over(environment);
        assert_eq!(merged.seal_key_file.as_deref(), Some(Path::new("/key")));
        assert!(merged.seal_passphrase.is_none());
    }

    #[test]
    fn a_passphrase_is_not_printed() {
        let layer = Layer::from_env(|name| (name == "MEZITE_SEAL_PASSPHRASE").then(|| "hunter2".to_owned()));
        let layer = layer.unwrap();
        assert!(layer.seal_passphrase.is_some());
        assert!(!format!("{layer:?}").contains("hunter2"));
    }

    #[test]
    fn a_bad_boolean_is_refused() {
        let error = Layer::from_env(|name| (name == "MEZITE_UNSEALED").then(|| "maybe".to_owned()));
        assert!(error.unwrap_err().to_string().contains("unsealed"));
    }
}
