//! `mezd identity status`: what lies in a destination, without its lock and without a gateway.

use std::path::Path;

use jiff::Timestamp;
use mezite_api::escape;

use crate::IdentityError;
use crate::folder::{Folder, Hook};
use crate::record::{Record, VERSION};

/// The state of an identity.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it says about itself.
    pub record: Record,
    /// Whether its certificates have ended.
    pub expired: bool,
    /// Whether the next renewal is overdue.
    pub overdue: bool,
}

/// Reads the state of the identity in `destination` at this moment.
pub fn status(destination: &Path, now: Timestamp) -> Result<Status, IdentityError> {
    let failed = |error| IdentityError::File { path: destination.join("identity.json"), error };
    let folder = Folder::open(destination, Hook::default()).map_err(failed)?;
    let inner = folder.folder(&current(&folder)).ok();
    let text = inner.as_ref().unwrap_or(&folder).read("identity.json", 1 << 20).map_err(failed)?;
    let record = text.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    let record = record.filter(|record| record.version == VERSION).ok_or_else(|| {
        IdentityError::NoIdentity(format!(
            "there is no identity in {}",
            escape(destination.display().to_string())
        ))
    })?;
    Ok(Status { expired: record.is_expired(now), overdue: now > record.renew_at, record })
}

/// The folder of the pair in use, by link or by name.
fn current(folder: &Folder) -> String {
    let link = std::fs::read_link(folder.path().join("current")).ok();
    let link = link.and_then(|target| target.to_str().map(str::to_owned));
    let named = || folder.read("current", 64).ok().flatten();
    link.or_else(|| named().and_then(|text| String::from_utf8(text.to_vec()).ok())).unwrap_or_default()
}
