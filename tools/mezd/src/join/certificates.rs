//! Host certificates beside `sshd_config`: those that are good stay. While the Host CA is rotated, one by its old key is not:
//! the key that signs comes first in what the gateway answers.

use std::path::PathBuf;

use mezite_api::join::NodeJoined;
use mezite_ca::PublicKey;

use super::error::JoinError;
use super::exchange::{self, is_good_certificate};
use super::files::{self, Changes};
use super::install::Found;

/// Whether the certificates that are here will do.
pub(super) fn are_good(found: &Found, joined: &NodeJoined) -> Result<bool, JoinError> {
    let (host_ca, name) = (exchange::ca_keys(&joined.host_ca)?, joined.node_id.to_string());
    for key in &found.keys {
        let present = files::read(&found.layout.certificate(&key.path))?;
        let line = present.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if !is_good_certificate(&line, key, signing(&host_ca), &name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the host certificates: those that are there and good stay.
pub(super) fn put(
    found: &Found,
    joined: &NodeJoined,
    changes: &mut Changes,
) -> Result<Vec<PathBuf>, JoinError> {
    let (host_ca, name) = (exchange::ca_keys(&joined.host_ca)?, joined.node_id.to_string());
    let mut paths = Vec::new();
    for key in &found.keys {
        let path = found.layout.certificate(&key.path);
        let good = |line: &str| is_good_certificate(line, key, &host_ca, &name);
        let stays = |line: &str| is_good_certificate(line, key, signing(&host_ca), &name);
        let present = files::read(&path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        if !present.is_some_and(|line| stays(&line)) {
            let fingerprint = key.public.fingerprint().to_string();
            let given = joined.host_certificates.iter().find(|given| given.fingerprint == fingerprint);
            let line = given.map(|given| given.certificate.as_str()).filter(|line| good(line));
            let line = line.ok_or_else(|| {
                JoinError::Gateway("the gateway's host certificate is not what was asked for".into())
            })?;
            changes.put(&path, format!("{}\n", line.trim()).as_bytes())?;
        }
        paths.push(path);
    }
    Ok(paths)
}

/// The key that signs.
fn signing(host_ca: &[PublicKey]) -> &[PublicKey] {
    host_ca.get(..1).unwrap_or_default()
}
