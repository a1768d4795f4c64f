//! The destination: what lies where, and how a pair gets there whole or not at all.
//!
//! ```text
//! DIR/lock                  who works here
//! DIR/next/                 a pair in the making: its key and its request before anything is asked for
//! DIR/gen-007/              a pair, complete
//! DIR/current -> gen-007    the pair in use, swapped by one rename
//! DIR/ssh_key -> current/ssh_key    and so on: names that stay
//! ```
//!
//! Where there are no symbolic links `current` is a file with the folder's name in it and the names are files, each
//! renamed into its place, the certificate last.

mod attempt;
mod claim;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::IdentityError;
use crate::folder::{Entry, Folder};
use crate::key::Key;
use crate::record::{Record, VERSION};

pub(crate) use attempt::Attempt;

/// The files of a pair, in the order in which they get their names where there are no links: the key before what
/// belongs to it, the certificate last.
pub const FILES: [&str; 9] = [
    "ssh_key",
    "tls_key.pem",
    "tls_ca.pem",
    "known_hosts",
    "ssh_config",
    "ssh_key.pub",
    "tls_cert.pem",
    "identity.json",
    "ssh_key-cert.pub",
];
const CURRENT: &str = "current";
const NEXT: &str = "next";
const LOCK: &str = "lock";
const ATTEMPT: &str = "attempt.json";
const SWAP: &str = ".swap";
const GENERATION: &str = "gen-";
/// Longest file that is read.
const FILE_MAX: u64 = 1 << 20;

/// Whether names lead to the current pair by links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Names {
    /// Links: one rename changes all.
    #[default]
    Links,
    /// Files, for file systems that have no links.
    Files,
}

/// A pair in use.
pub(crate) struct Held {
    pub(crate) record: Record,
    pub(crate) key: Key,
    pub(crate) tls_certificate: Zeroizing<Vec<u8>>,
    pub(crate) tls_ca: Zeroizing<Vec<u8>>,
}

/// The files of a new pair but for its key.
pub(crate) struct Pair<'a> {
    pub(crate) certificate: &'a str,
    pub(crate) tls_certificate: &'a str,
    pub(crate) tls_ca: &'a str,
    pub(crate) known_hosts: &'a str,
    pub(crate) ssh_config: &'a str,
    pub(crate) record: &'a Record,
}

/// A destination that is ours alone until it is dropped.
pub struct Destination {
    folder: Folder,
    names: Names,
    _lock: File,
}

impl Destination {
    /// The folder's path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn failed(&self, name: &str) -> impl FnOnce(io::Error) -> IdentityError + use<> {
        let path = self.folder.path().join(name);
        move |error| IdentityError::File { path, error }
    }

    /// Goes on where a process was killed: between a pair that is complete and its swap, or between two names.
    fn heal(&self) -> Result<(), IdentityError> {
        self.folder.remove(SWAP).map_err(self.failed(SWAP))?;
        if self.is_complete(NEXT) {
            let generation = self.following()?;
            self.folder.rename(NEXT, &generation).map_err(self.failed(&generation))?;
            self.folder.sync().map_err(self.failed(""))?;
        }
        let current = self.current_name()?;
        let names = self.folder.names().map_err(self.failed(""))?;
        let pairs = names.into_iter().filter(|name| sequence(name).is_some() && self.is_complete(name));
        let newest = pairs.max_by_key(|name| sequence(name));
        let Some(newest) = newest else { return Ok(()) };
        if current.as_deref().and_then(sequence) < sequence(&newest) {
            return self.swap(&newest);
        }
        self.name_files(&newest)
    }

    /// Whether a folder holds a pair with all its files.
    fn is_complete(&self, name: &str) -> bool {
        let whole = |folder: Folder| {
            let has = |file: &str| matches!(folder.entry(file), Ok(Some(Entry::File { .. })));
            FILES.into_iter().all(has) && !has(ATTEMPT)
        };
        self.folder.folder(name).is_ok_and(whole)
    }

    /// The folder of the pair in use.
    fn current_name(&self) -> Result<Option<String>, IdentityError> {
        let name = match self.folder.entry(CURRENT).map_err(self.failed(CURRENT))? {
            Some(Entry::Link(target)) => target.to_str().map(str::to_owned),
            Some(Entry::File { .. }) => {
                let text = self.folder.read(CURRENT, 64).map_err(self.failed(CURRENT))?;
                text.and_then(|text| String::from_utf8(text.to_vec()).ok())
            }
            _ => None,
        };
        Ok(name.filter(|name| sequence(name).is_some()))
    }

    /// The pair in use; nothing where there is none, or none that can be read.
    pub(crate) fn held(&self) -> Result<Option<Held>, IdentityError> {
        let Some(current) = self.current_name()? else { return Ok(None) };
        let Ok(folder) = self.folder.folder(&current) else { return Ok(None) };
        let read = |name: &str| folder.read(name, FILE_MAX).map_err(self.failed(name));
        let files = [read("identity.json")?, read("ssh_key")?, read("tls_cert.pem")?, read("tls_ca.pem")?];
        let [Some(record), Some(key), Some(tls_certificate), Some(tls_ca)] = files else { return Ok(None) };
        let record = serde_json::from_slice::<Record>(&record).ok().filter(|found| found.version == VERSION);
        let (Some(record), Ok(key)) = (record, Key::parse(&key)) else {
            log::warn!(folder:% = current; "the identity that lies here cannot be read");
            return Ok(None);
        };
        Ok(Some(Held { record, key, tls_certificate, tls_ca }))
    }

    /// Puts a new pair in the place of the current one.
    pub(crate) fn publish(&self, attempt: &Attempt, pair: &Pair<'_>) -> Result<(), IdentityError> {
        let next = self.folder.folder(NEXT).map_err(self.failed(NEXT))?;
        // A pair that could not be written whole before is written again.
        for name in FILES.into_iter().filter(|name| *name != "ssh_key") {
            next.remove(name).map_err(self.failed(name))?;
        }
        let record = serde_json::to_string_pretty(pair.record).unwrap_or_default() + "\n";
        let public = attempt.key.public()?.to_string() + "\n";
        let private = attempt.key.pkcs8()?;
        let files = [
            ("ssh_key.pub", public.as_str()),
            ("ssh_key-cert.pub", pair.certificate),
            ("known_hosts", pair.known_hosts),
            ("ssh_config", pair.ssh_config),
            ("tls_key.pem", &private),
            ("tls_cert.pem", pair.tls_certificate),
            ("tls_ca.pem", pair.tls_ca),
            ("identity.json", &record),
        ];
        for (name, content) in files {
            next.create(name, content.as_bytes()).map_err(self.failed(&format!("next/{name}")))?;
        }
        next.remove(ATTEMPT).map_err(self.failed("next/attempt.json"))?;
        next.sync().map_err(self.failed(NEXT))?;
        let generation = self.following()?;
        self.folder.rename(NEXT, &generation).map_err(self.failed(&generation))?;
        self.folder.sync().map_err(self.failed(""))?;
        let former = self.current_name()?;
        self.swap(&generation)?;
        self.clean(&generation, former.as_deref())
    }

    /// The name of the folder that comes after all that are there.
    fn following(&self) -> Result<String, IdentityError> {
        let names = self.folder.names().map_err(self.failed(""))?;
        let last = names.iter().filter_map(|name| sequence(name)).max().unwrap_or(0);
        Ok(format!("{GENERATION}{:03}", last.saturating_add(1)))
    }

    fn swap(&self, generation: &str) -> Result<(), IdentityError> {
        match self.names {
            Names::Links => {
                // Names first: they lead nowhere before the first swap, and to a whole pair after it.
                if self.current_name()?.is_none() {
                    self.name_files(generation)?;
                }
                self.folder.link(generation, SWAP).map_err(|error| self.without_links(error))?;
                self.folder.rename(SWAP, CURRENT).map_err(self.failed(CURRENT))?;
            }
            Names::Files => {
                self.folder.create(SWAP, generation.as_bytes()).map_err(self.failed(SWAP))?;
                self.folder.rename(SWAP, CURRENT).map_err(self.failed(CURRENT))?;
                self.folder.sync().map_err(self.failed(""))?;
            }
        }
        self.name_files(generation)?;
        self.folder.sync().map_err(self.failed(""))
    }

    /// Gives the files of the current pair their names, where they do not have them.
    fn name_files(&self, generation: &str) -> Result<(), IdentityError> {
        match self.names {
            Names::Links => FILES.into_iter().try_for_each(|name| self.name_by_link(name)),
            Names::Files => FILES.into_iter().try_for_each(|name| self.name_by_copy(generation, name)),
        }
    }

    fn name_by_link(&self, name: &str) -> Result<(), IdentityError> {
        let target = format!("{CURRENT}/{name}");
        let there = self.folder.entry(name).map_err(self.failed(name))?;
        if there == Some(Entry::Link(PathBuf::from(&target))) {
            return Ok(());
        }
        self.folder.link(&target, SWAP).map_err(|error| self.without_links(error))?;
        self.folder.rename(SWAP, name).map_err(self.failed(name))
    }

    fn name_by_copy(&self, generation: &str, name: &str) -> Result<(), IdentityError> {
        let folder = self.folder.folder(generation).map_err(self.failed(generation))?;
        let Some(content) = folder.read(name, FILE_MAX).map_err(self.failed(name))? else { return Ok(()) };
        let there = match self.folder.entry(name).map_err(self.failed(name))? {
            Some(Entry::File { .. }) => self.folder.read(name, FILE_MAX).map_err(self.failed(name))?,
            _ => None,
        };
        if there.as_ref() == Some(&content) {
            return Ok(());
        }
        self.folder.create(SWAP, &content).map_err(self.failed(SWAP))?;
        self.folder.rename(SWAP, name).map_err(self.failed(name))
    }

    fn without_links(&self, error: io::Error) -> IdentityError {
        let unsupported =
            matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied);
        if unsupported {
            let why = "the file system has no symbolic links; try --no-symlinks".to_owned();
            return IdentityError::Destination { path: self.folder.path().to_owned(), why };
        }
        self.failed(SWAP)(error)
    }

    /// Removes all pairs but the one in use and the one before it.
    fn clean(&self, current: &str, former: Option<&str>) -> Result<(), IdentityError> {
        for name in self.folder.names().map_err(self.failed(""))? {
            if sequence(&name).is_some() && name != current && Some(name.as_str()) != former {
                self.folder.remove_folder(&name).map_err(self.failed(&name))?;
            }
        }
        Ok(())
    }
}

/// The number in `gen-NNN`.
fn sequence(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(GENERATION)?;
    let digits =
        Some(digits).filter(|digits| digits.len() >= 3 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}
