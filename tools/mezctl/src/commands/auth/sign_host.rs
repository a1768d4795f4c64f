//! `mezctl auth sign --host`

use std::path::{Path, PathBuf};
use std::time::Duration;

use mezite_api::certificate::HostSignRequest;
use mezite_api::client::Client;
use mezite_api::{Host, HostKey};
use mezite_console::output::{joined, local, print};
use mezite_console::{CommandError, Kind, files};
use rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use super::sign::{KEY_FILE_MAX, write_certificate};

/// Certifies the key in `key`, or makes a new one beside its certificate.
pub(super) fn run(
    client: &Client,
    names: &[String],
    key: Option<&Path>,
    ttl: Option<Duration>,
    out: Option<&Path>,
) -> Result<(), CommandError> {
    let names = names.iter().map(|name| Host::parse(name).map_err(|invalid| invalid.in_field("host")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    match (key, out) {
        (Some(key), out) => certify(client, names, key, ttl, out),
        (None, Some(prefix)) => generate(client, names, ttl, prefix),
        (None, None) => Err(CommandError::usage("--out PREFIX is missing: where to write the new key")),
    }
}

/// A certificate for a key that is there.
fn certify(
    client: &Client,
    names: Vec<Host>,
    key: &Path,
    ttl: Option<Duration>,
    out: Option<&Path>,
) -> Result<(), CommandError> {
    let public_key = HostKey::parse(&files::read(key, KEY_FILE_MAX)?);
    let public_key = public_key.map_err(|invalid| CommandError::from(invalid).within(key))?;
    let request = HostSignRequest { public_key, names, ttl };
    request.check()?;
    let certificate = signed(client, &request)?;
    match out {
        Some(path) => write_certificate(path, &certificate),
        None => print(&certificate),
    }
}

/// A new key and its certificate. A key that is there stays: it may be in use.
fn generate(
    client: &Client,
    names: Vec<Host>,
    ttl: Option<Duration>,
    prefix: &Path,
) -> Result<(), CommandError> {
    let mut certificate_path = prefix.as_os_str().to_owned();
    certificate_path.push("-cert.pub");
    let certificate_path = PathBuf::from(certificate_path);
    for path in [prefix, &certificate_path] {
        if path.symlink_metadata().is_ok() {
            let why = "is there already; move it away, or certify its key with --key FILE.pub";
            return Err(CommandError::new(Kind::Conflict, why).within(path));
        }
    }
    let failed =
        |error: ssh_key::Error| CommandError::new(Kind::Failed, format!("no key could be made: {error}"));
    let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    let secret = key.to_openssh(LineEnding::LF).map_err(failed)?;
    let public_key = HostKey::from_key_data(key.public_key().key_data().clone())?;
    let request = HostSignRequest { public_key, names, ttl };
    request.check()?;
    let certificate = signed(client, &request)?;
    files::create(prefix, secret.as_bytes())?;
    files::create(&certificate_path, certificate.as_bytes())?;
    eprintln!("The credentials have been written to {}, {}", prefix.display(), certificate_path.display());
    Ok(())
}

/// The certificate, one line.
fn signed(client: &Client, request: &HostSignRequest) -> Result<String, CommandError> {
    let signed = client.sign_host(request)?;
    let until = local(signed.valid_before);
    eprintln!("certificate {} for {}, valid until {until}", signed.serial, joined(&signed.principals));
    Ok(format!("{}\n", signed.certificate.trim_end()))
}
