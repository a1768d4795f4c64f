//! `mezctl auth sign`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use mezite_api::certificate::{CaType, SignRequest, SignResponse};
use mezite_api::client::{Client, ClientKey};
use mezite_api::{UserKey, UserName, duration};
use mezite_console::files;
use mezite_console::output::{joined, local, print};
use mezite_console::{CommandError, Kind};

use super::sign_host;

/// Longest file with a public key, in bytes.
pub(crate) const KEY_FILE_MAX: u64 = 64 * 1024;

/// Signs a public key, of a user or of a host, or makes a key with its certificates.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// For which user.
    #[arg(long, required_unless_present = "host")]
    user: Option<String>,
    /// For the host that clients call by these names, UUIDs and addresses. Without --key the host gets a new key,
    /// PREFIX, and its certificate is PREFIX-cert.pub.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "user")]
    host: Vec<String>,
    /// What to write: openssh: a certificate for --key. tls: a new key PREFIX.key with its certificates PREFIX.crt and
    /// PREFIX.key-cert.pub, and the CA of the gateway PREFIX.cas, for 'mezctl --server … --identity PREFIX'.
    #[arg(long, value_enum, default_value_t = Form::Openssh)]
    format: Form,
    /// The file with the public key, whose name ends in .pub; - is stdin.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long the certificate is valid: 30m, 8h, 2d; what the roles allow when it is not given, for hosts a year.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// Where to write the certificate, for ssh beside the key as KEY-cert.pub; stdout when it is not given. With
    /// --format=tls the PREFIX.
    #[arg(long, value_name = "FILE|PREFIX", required_if_eq("format", "tls"))]
    out: Option<PathBuf>,
}

/// The forms of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A certificate for `ssh`.
    Openssh,
    /// Files for TLS.
    Tls,
}

impl Sign {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let ttl = self.ttl.as_deref().map(duration::parse).transpose();
        let ttl = ttl.map_err(|invalid| invalid.in_field("ttl"))?;
        let Some(user) = &self.user else {
            if self.format == Form::Tls {
                return Err(CommandError::usage("--format=tls is for users"));
            }
            let out = self.out.as_deref();
            return sign_host::run(client, &self.host, self.key.as_deref(), ttl, out);
        };
        let user = UserName::parse(user)?;
        let signed = match (self.format, &self.key, &self.out) {
            (Form::Openssh, Some(key), out) => for_ssh(client, &user, ttl, key, out.as_deref())?,
            (Form::Tls, None, Some(prefix)) => for_tls(client, &user, ttl, prefix)?,
            (Form::Tls, Some(_), _) => {
                return Err(CommandError::usage("--format=tls makes its own key: no --key"));
            }
            (Form::Openssh, None, _) | (Form::Tls, None, None) => {
                return Err(CommandError::usage("--key or --out is missing"));
            }
        };
        if signed.ttl_cut {
            eprintln!("note: the roles of {user} do not allow certificates that long");
        }
        let until = local(signed.valid_before);
        eprintln!("certificate {} for {}, valid until {until}", signed.serial, joined(&signed.principals));
        Ok(())
    }
}

fn for_ssh(
    client: &Client,
    user: &UserName,
    ttl: Option<Duration>,
    key: &Path,
    out: Option<&Path>,
) -> Result<SignResponse, CommandError> {
    let public_key = UserKey::parse(&files::read(key, KEY_FILE_MAX)?);
    let public_key = public_key.map_err(|invalid| CommandError::from(invalid).within(key))?;
    let request = SignRequest { user: user.clone(), public_key, tls_public_key: None, ttl };
    let signed = client.sign(&request)?;
    match out {
        Some(path) => write_certificate(path, &line(&signed))?,
        None => print(&line(&signed))?,
    }
    Ok(signed)
}

/// In the place of an older certificate or of nothing. Whatever else has the name stays: it may be the private key.
pub(super) fn write_certificate(path: &Path, certificate: &str) -> Result<(), CommandError> {
    if path.symlink_metadata().is_err() {
        return files::create(path, certificate.as_bytes());
    }
    let old = files::read(path, KEY_FILE_MAX)?;
    let kind = old.split_ascii_whitespace().next();
    if kind.is_some_and(|kind| !kind.ends_with("-cert-v01@openssh.com")) {
        return Err(CommandError::new(Kind::Conflict, "is there already, and is no certificate").within(path));
    }
    files::write(path, certificate.as_bytes())
}

/// Everything that `mezctl --identity PREFIX` and `ssh -i PREFIX.key` need.
fn for_tls(
    client: &Client,
    user: &UserName,
    ttl: Option<Duration>,
    prefix: &Path,
) -> Result<SignResponse, CommandError> {
    let key = ClientKey::generate();
    let request = SignRequest {
        user: user.clone(),
        public_key: key.ssh_public_key()?,
        tls_public_key: Some(key.tls_public_key()?),
        ttl,
    };
    let signed = client.sign(&request)?;
    let certificate = signed.tls_certificate.as_deref();
    let certificate = certificate
        .ok_or_else(|| CommandError::new(Kind::Failed, "the gateway has issued no certificate for TLS"))?;
    let file = |ending: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    files::write(&file(".cas"), client.export_ca(CaType::Tls)?.as_bytes())?;
    files::write(&file(".key"), key.private_pem()?.as_bytes())?;
    files::write(&file(".key-cert.pub"), line(&signed).as_bytes())?;
    files::write(&file(".crt"), certificate.as_bytes())?;
    Ok(signed)
}

fn line(signed: &SignResponse) -> String {
    format!("{}\n", signed.certificate.trim_end())
}
