//! The user's own editor, on a text of ours in a file that nobody else can read.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use mezite_console::{CommandError, Kind, files};
use tempfile::TempDir;

/// Longest text that comes back, in bytes.
const TEXT_MAX: u64 = 1024 * 1024;
/// Where nothing else is said. POSIX has it.
const DEFAULT: &str = "vi";

/// A text in a file of its own, in a fresh folder; both are gone with it.
pub(crate) struct Draft {
    folder: TempDir,
    path: PathBuf,
}

impl Draft {
    /// Writes the text to a file of this name.
    pub(crate) fn new(name: &str, text: &str) -> Result<Self, CommandError> {
        let inner = || {
            let private = Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix("mezctl-edit-").permissions(private).tempdir()?;
            let path = folder.path().join(name);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            Ok(Self { folder, path })
        };
        inner().map_err(|error: io::Error| failed(&error).within(&std::env::temp_dir()))
    }

    /// Has it edited, by `$VISUAL` or `$EDITOR`. No shell looks at these: they are words with blanks between them.
    pub(crate) fn edit(&self) -> Result<(), CommandError> {
        let named = ["VISUAL", "EDITOR"].map(|name| std::env::var(name).unwrap_or_default());
        let line = named.iter().find(|line| !line.trim().is_empty()).map_or(DEFAULT, |line| line);
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or(DEFAULT);
        let status = Command::new(program).args(words).arg(&self.path).status().map_err(|error| {
            failed(&error).within(Path::new(program)).hint("VISUAL or EDITOR names the editor")
        })?;
        if status.success() {
            return Ok(());
        }
        Err(CommandError::new(Kind::Failed, format!("{program} ended with {status}; nothing was changed")))
    }

    /// The text as it is now.
    pub(crate) fn text(&self) -> Result<String, CommandError> {
        files::read(&self.path, TEXT_MAX)
    }

    /// Whether there is something in it that would be lost.
    pub(crate) fn is_other_than(&self, text: &str) -> bool {
        self.path.exists() && !self.text().is_ok_and(|edited| edited == text)
    }

    /// Leaves the file where it is, and says where that is.
    pub(crate) fn keep(self) -> PathBuf {
        let _ = self.folder.keep();
        self.path
    }
}

fn failed(error: &io::Error) -> CommandError {
    CommandError::new(Kind::Failed, error.to_string())
}
