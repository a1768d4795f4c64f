//! The settings of `mezd identity start`: flags before environment before file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mezite_api::{UserName, duration};
use mezite_ca::TokenKind;
use mezite_identity::{
    Admission, DEFAULT_KEY_LIFETIME, HOOK_LIMIT, IdTokenSource, IdentityError, KeyType, Names, Settings,
    TokenArgument, read_id_token, read_small_file,
};
use serde::Deserialize;

use super::DEFAULT_DESTINATION;
use crate::join_token;

/// The join token.
pub(super) const TOKEN: TokenArgument = join_token("--join-token", TokenKind::Bot);

/// What is given by flags, the environment, or the file.
#[derive(Args, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Given {
    /// The HTTPS address of the gateway; the port is 3025 where none is given
    #[arg(long, value_name = "HOST:PORT", env = "MEZITE_AUTH_SERVER")]
    #[serde(alias = "auth-server")]
    auth_server: Option<String>,
    /// The join token
    #[arg(
        long,
        value_name = "TOKEN|@FILE",
        help = "The join token of 'mezctl bots add': better as @FILE, as @- for stdin, or in MEZD_JOIN_TOKEN"
    )]
    #[serde(alias = "join-token")]
    pub(super) join_token: Option<String>,
    /// How to join: token, or oidc with an id token of the pipeline or cluster
    #[arg(long, value_name = "METHOD")]
    #[serde(alias = "join-method")]
    join_method: Option<String>,
    /// The environment variable with the id token; it is taken out of the environment at once
    #[arg(long, value_name = "NAME", conflicts_with = "id_token_file")]
    #[serde(skip)]
    pub(super) id_token_env: Option<String>,
    /// The file with the id token, read whenever one is needed; - for stdin
    #[arg(long, value_name = "FILE")]
    #[serde(alias = "id-token-file")]
    id_token_file: Option<PathBuf>,
    /// The bot, where several take the id token
    #[arg(long, value_name = "NAME")]
    bot: Option<String>,
    /// The folder for keys and certificates
    #[arg(long, value_name = "DIR")]
    destination: Option<PathBuf>,
    /// How often to renew; a third of the certificates' life by default
    #[arg(long, value_name = "TIME")]
    #[serde(alias = "renewal-interval")]
    renewal_interval: Option<String>,
    /// The pin of the gateway's TLS CA, sha256:…; tokens bring it along
    #[arg(long, value_name = "PIN", env = "MEZITE_CA_PIN")]
    #[serde(alias = "ca-pin")]
    ca_pin: Option<String>,
    /// The kind of key: ecdsa or ed25519
    #[arg(long, value_name = "KIND")]
    #[serde(alias = "key-type")]
    key_type: Option<String>,
    /// How long a key is kept over renewals: 24h by default
    #[arg(long, value_name = "TIME")]
    #[serde(alias = "key-lifetime")]
    key_lifetime: Option<String>,
    /// A command to run by sh after each renewal, at most a minute
    #[arg(long, value_name = "COMMAND")]
    #[serde(alias = "on-renew")]
    on_renew: Option<String>,
    /// Rename files one by one, where the file system has no symbolic links
    #[arg(long)]
    #[serde(alias = "no-symlinks")]
    no_symlinks: bool,
    /// A TOML file with these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

impl Given {
    /// Merges and checks.
    pub(super) fn load(self) -> Result<Settings, IdentityError> {
        let file = self.config.as_deref().map(from_file).transpose()?.unwrap_or_default();
        let admission = admission(Joining {
            method: self.join_method.or(file.join_method),
            token: self.join_token.or(file.join_token),
            id_token: self.id_token_file.or(file.id_token_file),
            bot: self.bot.or(file.bot),
        })?;
        let time = |flag: &str, own: Option<String>, below: Option<String>| {
            let text = own.or(below);
            let time = text.as_deref().map(duration::parse).transpose();
            time.map_err(|invalid| IdentityError::Usage(format!("--{flag} {}", invalid.reason)))
        };
        let usage =
            |flag: &str, why: &dyn std::fmt::Display| IdentityError::Usage(format!("--{flag}: {why}"));
        let server = self.auth_server.or(file.auth_server);
        let server = server.ok_or_else(|| usage("auth-server", &"is not set"))?;
        let pin = self.ca_pin.or(file.ca_pin).filter(|pin| !pin.is_empty());
        let kind = self.key_type.or(file.key_type);
        let settings = Settings {
            auth_server: server.parse().map_err(|error| usage("auth-server", &error))?,
            admission,
            ca_pin: pin.map(|pin| pin.parse().map_err(|error| usage("ca-pin", &error))).transpose()?,
            destination: absolute(self.destination.or(file.destination))?,
            renewal_interval: time("renewal-interval", self.renewal_interval, file.renewal_interval)?,
            key_type: kind.as_deref().map(str::parse::<KeyType>).transpose()?.unwrap_or_default(),
            key_lifetime: time("key-lifetime", self.key_lifetime, file.key_lifetime)?
                .unwrap_or(DEFAULT_KEY_LIFETIME),
            on_renew: self.on_renew.or(file.on_renew),
            hook_limit: HOOK_LIMIT.max(Duration::from_secs(1)),
            names: if self.no_symlinks || file.no_symlinks { Names::Files } else { Names::Links },
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("mezd")),
        };
        settings.check()?;
        Ok(settings)
    }
}

/// What is said about joining.
struct Joining {
    method: Option<String>,
    token: Option<String>,
    id_token: Option<PathBuf>,
    bot: Option<String>,
}

/// What to join with, by one method.
fn admission(said: Joining) -> Result<Option<Admission>, IdentityError> {
    let usage = |why: &str| Err(IdentityError::Usage(why.to_owned()));
    match (said.method.as_deref(), said.token, said.id_token) {
        (None | Some("token"), Some(text), None) if said.bot.is_none() => {
            Ok(Some(Admission::Token(TOKEN.read(&text)?)))
        }
        (None | Some("token"), None, None) if said.bot.is_none() => Ok(None),
        (None | Some("token"), ..) => {
            usage("--id-token-env, --id-token-file and --bot need --join-method oidc")
        }
        (Some("oidc"), None, Some(place)) => {
            let bot = said.bot.as_deref().map(UserName::parse).transpose();
            let bot = bot.map_err(|invalid| IdentityError::Usage(format!("--bot {}", invalid.reason)))?;
            let source = match place.to_str() {
                Some("-") => IdTokenSource::Given(read_id_token()?),
                _ => IdTokenSource::File(absolute(Some(place))?),
            };
            Ok(Some(Admission::IdToken { source, bot }))
        }
        (Some("oidc"), None, None) => usage("--join-method oidc needs --id-token-env or --id-token-file"),
        (Some("oidc"), Some(_), _) => usage("--join-method oidc takes no join token"),
        (Some(_), ..) => usage("--join-method: must be token or oidc"),
    }
}

fn from_file(path: &Path) -> Result<Given, IdentityError> {
    let refused =
        |why: String| IdentityError::Destination { path: path.to_owned(), why: why.trim_end().to_owned() };
    let text = read_small_file(path, 1 << 20).map_err(|error| refused(error.to_string()))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| refused(error.message().to_owned()))
}

/// `ssh` is run from anywhere, so its configuration names whole paths.
fn absolute(path: Option<PathBuf>) -> Result<PathBuf, IdentityError> {
    let path = path.unwrap_or_else(|| DEFAULT_DESTINATION.into());
    std::path::absolute(&path).map_err(|error| IdentityError::Destination { path, why: error.to_string() })
}
