//! `msh login`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use mezite_api::client::profile::Profile;
use mezite_api::client::{Client, ClientKey, Server};
use mezite_api::person::{LoginReply, LoginRequest};
use mezite_api::{CaPin, SecretText, UserKey, UserName, duration};
use mezite_ca::Statement;
use mezite_console::output::{joined, local};
use mezite_console::{CommandError, Kind, files};
use mezite_identity::{Key, KeyType, has_pin, reply};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::usage;
use crate::profile::KeyPlace;
use crate::{agent, gateway, profile, prompt};

/// Longest file with a public key, in bytes.
const KEY_FILE_MAX: u64 = 64 * 1024;

/// Gets certificates with password and code, and keeps them in a profile.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The HTTPS address of the gateway; the port is 3025 where none is given. By default that of the profile in use.
    #[arg(long, env = "MSH_PROXY", value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    /// Who logs in; by default who did last, else the name of this account.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How long: 30m, 8h, 2d; what the roles allow when it is not given.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// The folder to write to, in place of the profile.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The file with the password, - for stdin.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The code that the authenticator app shows.
    #[arg(long, value_name = "CODE")]
    otp: Option<String>,
    /// The pin of the gateway's TLS CA; kept in the profile.
    #[arg(long, env = "MEZITE_CA_PIN", hide_env_values = true, value_name = "sha256:HEX")]
    ca_pin: Option<String>,
    /// The kind of key to make: ed25519 or ecdsa.
    #[arg(long, value_name = "KIND", default_value = "ed25519", conflicts_with = "key")]
    key_type: String,
    /// Certify this public key (a .pub file, of a security key perhaps) in place of a new one.
    #[arg(long, value_name = "FILE.pub", conflicts_with = "agent")]
    key: Option<PathBuf>,
    /// Keep the new key in the running ssh-agent only, for as long as the certificate is valid.
    #[arg(long)]
    agent: bool,
}

/// The key for SSH.
enum SshKey {
    /// One that was just made.
    Fresh(Box<Key>),
    /// One of the user's own.
    Own {
        public: UserKey,
        /// The private half or the handle of it, where it lies beside.
        private: Option<PathBuf>,
    },
}

/// A login that is wanted, checked.
struct Wanted {
    server: Server,
    user: UserName,
    ttl: Option<Duration>,
    pin: Option<CaPin>,
    folder: PathBuf,
    /// Where to find the CA that was believed before.
    known: PathBuf,
    key: SshKey,
}

impl Login {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let wanted = self.wanted()?;
        let client = gateway::client(&wanted.server, wanted.pin, Some(&wanted.known))?;
        let question = format!("Password of {} at {}: ", wanted.user, wanted.server);
        let password = prompt::password(self.password_file.as_deref(), &question)?;
        let code = match &self.otp {
            Some(code) => Zeroizing::new(code.clone()),
            None => prompt::code()?,
        };
        let tls_key = ClientKey::generate();
        let reply = ask(&client, &wanted, &tls_key, password.into(), code.into())?;
        if wanted.pin.is_some_and(|pin| !has_pin(reply.tls_ca.as_bytes(), &pin)) {
            return Err(CommandError::new(Kind::Failed, "the gateway's TLS CA is not the pinned one"));
        }
        self.keep(&wanted, &tls_key, &reply)?;
        if reply.ttl_cut {
            eprintln!("note: the roles of {} do not allow certificates that long", reply.user);
        }
        let until = local(reply.valid_before);
        eprintln!(
            "logged in as {} (roles: {}) at {}, until {until}",
            reply.user,
            joined(&reply.roles),
            reply.cluster
        );
        Ok(ExitCode::SUCCESS)
    }

    fn wanted(&self) -> Result<Wanted, CommandError> {
        if self.agent {
            agent::check()?;
        }
        let server = match &self.proxy {
            Some(proxy) => proxy.parse()?,
            None => profile::current()?.ok_or_else(|| CommandError::usage("--proxy says which gateway"))?,
        };
        let known = profile::folder(&server)?;
        let before = profile::read(&known)?;
        let user = match (&self.user, before) {
            (Some(user), _) => UserName::parse(user)?,
            (None, Some(before)) => before.user,
            (None, None) => account()?,
        };
        let ttl = self.ttl.as_deref().map(duration::parse).transpose();
        let key = if let Some(path) = &self.key {
            SshKey::own(path)?
        } else {
            let kind = self.key_type.parse::<KeyType>().map_err(usage)?;
            SshKey::Fresh(Box::new(Key::generate(kind).map_err(usage)?))
        };
        let pin = self.ca_pin.as_deref().filter(|pin| !pin.is_empty()).map(str::parse).transpose()?;
        let folder = match &self.out {
            Some(out) => whole(out)?,
            None => known.clone(),
        };
        Ok(Wanted {
            server,
            user,
            ttl: ttl.map_err(|invalid| invalid.in_field("ttl"))?,
            pin,
            folder,
            known,
            key,
        })
    }

    /// Writes the folder, once everything in the answer has been checked.
    fn keep(&self, wanted: &Wanted, tls_key: &ClientKey, reply: &LoginReply) -> Result<(), CommandError> {
        let public = wanted.key.public()?;
        let checked = reply::check(&reply.into(), &public)
            .map_err(|error| CommandError::new(Kind::Failed, error.to_string()))?;
        if reply.user != wanted.user {
            return Err(CommandError::new(Kind::Failed, "the gateway's answer is for somebody else"));
        }
        let text;
        let key = match &wanted.key {
            SshKey::Own { private: Some(private), .. } => KeyPlace::Elsewhere(private),
            SshKey::Own { private: None, .. } => KeyPlace::Agent,
            SshKey::Fresh(key) => {
                text = key.openssh().map_err(usage)?;
                if self.agent {
                    agent::add(&text, life(reply))?;
                    KeyPlace::Agent
                } else {
                    KeyPlace::File(&text)
                }
            }
        };
        let kept = Profile {
            version: 1,
            server: wanted.server.to_string(),
            ssh: reply.ssh.clone(),
            cluster: reply.cluster.clone(),
            user: reply.user.clone(),
            ca_pin: super::pin_of(&reply.tls_ca)?,
            roles: reply.roles.clone(),
            key_in_agent: self.agent,
        };
        let login = profile::Login {
            profile: &kept,
            key,
            public_key: &format!("{} {}@{}\n", line(&public), reply.user, reply.cluster),
            certificate: &checked.certificate,
            known_hosts: &checked.known_hosts,
            tls_key: &tls_key.private_pem()?,
            tls_certificate: &reply.tls_certificate,
            tls_ca: &reply.tls_ca,
        };
        profile::forget_key(&wanted.folder);
        profile::write(&wanted.folder, &login)?;
        if self.out.is_none() { profile::use_from_now_on(&wanted.server) } else { Ok(()) }
    }
}

/// Asks for the certificates.
fn ask(
    client: &Client,
    wanted: &Wanted,
    tls_key: &ClientKey,
    password: SecretText,
    code: SecretText,
) -> Result<LoginReply, CommandError> {
    let request = Uuid::new_v4();
    let tls_public_key = tls_key.tls_public_key()?;
    let (text, user, der) = (request.to_string(), wanted.user.to_string(), tls_public_key.clone().into_der());
    let statement = Statement::Login { request: &text, user: &user, tls_key: &der };
    let proof = match &wanted.key {
        SshKey::Fresh(key) => Some(key.prove(&statement).map_err(usage)?),
        SshKey::Own { .. } => None,
    };
    let request = LoginRequest {
        user: wanted.user.clone(),
        password,
        code,
        public_key: wanted.key.public()?,
        proof,
        tls_public_key,
        ttl: wanted.ttl,
        request,
    };
    request.check()?;
    gateway::call(|| client.login(&request))
}

impl SshKey {
    fn own(path: &Path) -> Result<Self, CommandError> {
        let public = UserKey::parse(&files::read(path, KEY_FILE_MAX)?);
        let public = public.map_err(|invalid| CommandError::from(invalid).within(path))?;
        let private = path.extension().is_some_and(|ending| ending == "pub").then(|| path.with_extension(""));
        let private =
            private.filter(|private| private.is_file()).map(|private| whole(&private)).transpose()?;
        Ok(Self::Own { public, private })
    }

    fn public(&self) -> Result<UserKey, CommandError> {
        match self {
            Self::Fresh(key) => key.public().map_err(usage),
            Self::Own { public, .. } => Ok(public.clone()),
        }
    }
}

fn line(key: &UserKey) -> String {
    mezite_ca::PublicKey::from_key_data(key.key_data()).map(|key| key.line()).unwrap_or_default()
}

/// How long the certificate is valid yet, by the gateway's clock.
fn life(reply: &LoginReply) -> Duration {
    let left = reply.valid_before.duration_since(reply.now.max(Timestamp::UNIX_EPOCH));
    Duration::try_from(left).unwrap_or_default()
}

/// The name of this account.
fn account() -> Result<UserName, CommandError> {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    UserName::parse(&name).map_err(|_| CommandError::usage("--user says who logs in"))
}

/// `ssh` is run from anywhere, so its configuration names whole paths; what would be more than a path in it is refused.
fn whole(path: &Path) -> Result<PathBuf, CommandError> {
    let whole = std::path::absolute(path)?;
    let plain = |text: &str| !text.chars().any(|c| c.is_control() || "\"'\\$".contains(c));
    if whole.to_str().is_some_and(plain) {
        return Ok(whole);
    }
    let why = "must be UTF-8 without quotes, backslashes, dollars and control characters";
    Err(CommandError::usage(why).within(path))
}
