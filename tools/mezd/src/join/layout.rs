//! Where our files lie beside an `sshd_config`, and what sshd is told of them. The shell script of 'mezctl nodes
//! join-script' uses the same names, so that either takes out what the other has put in.

use std::path::{Path, PathBuf};

use super::config;
use super::error::JoinError;

/// The folder that relative patterns of `Include` are in.
const SSH_FOLDER: &str = "/etc/ssh";
/// Our file where sshd includes a folder.
const DROP_IN: &str = "50-mezite.conf";

/// Where everything lies.
pub(super) struct Layout {
    folder: PathBuf,
    /// Our own file, where sshd includes the files of a folder; else our lines stand in `sshd_config`.
    pub(super) drop_in: Option<PathBuf>,
}

impl Layout {
    /// For a configuration and its text.
    pub(super) fn of(path: &Path, text: &[u8]) -> Result<Self, JoinError> {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        check_path(&folder)?;
        let drop_in = config::global_includes(text).iter().find_map(|pattern| included_folder(pattern));
        Ok(Self { folder, drop_in: drop_in.map(|folder| folder.join(DROP_IN)) })
    }

    /// The keys of the OpenSSH CA.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.join("mezite_ca.pub")
    }

    /// What is remembered of the join.
    pub(super) fn state_file(&self) -> PathBuf {
        self.folder.join("mezite_node")
    }

    /// The certificate of a host key.
    pub(super) fn certificate(&self, key: &Path) -> PathBuf {
        let name = key.file_name().unwrap_or_default().to_string_lossy();
        self.folder.join(format!("mezite_{name}-cert.pub"))
    }

    /// What sshd is told.
    pub(super) fn lines(&self, trust: bool, certificates: &[PathBuf]) -> Vec<String> {
        let mut lines = Vec::new();
        if trust {
            lines.push(format!("TrustedUserCAKeys {}", quoted(&self.ca_file())));
        }
        lines.extend(certificates.iter().map(|path| format!("HostCertificate {}", quoted(path))));
        lines
    }
}

/// The folder behind a pattern `FOLDER/*.conf`, where there is one.
fn included_folder(pattern: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(pattern.strip_suffix("/*.conf")?);
    let folder = if folder.is_absolute() { folder } else { Path::new(SSH_FOLDER).join(folder) };
    (folder.is_dir() && check_path(&folder).is_ok()).then_some(folder)
}

/// Paths stand in lines of `sshd_config`, between quotes where they have blanks.
fn check_path(path: &Path) -> Result<(), JoinError> {
    let fine = |text: &str| {
        !text.contains(|c: char| c.is_control() || matches!(c, '"' | '%' | '\\' | '*' | '?' | '['))
    };
    match path.to_str() {
        Some(text) if fine(text) => Ok(()),
        _ => Err(JoinError::Usage(format!("{}: sshd cannot be told such a path", path.display()))),
    }
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_lines_go_where_sshd_looks() {
        let folder = tempfile::tempdir().unwrap();
        let (config, included) = (folder.path().join("sshd_config"), folder.path().join("sshd_config.d"));
        let text = format!("Include {}/*.conf\n", included.display());
        let without = Layout::of(&config, text.as_bytes()).unwrap();
        assert!(without.drop_in.is_none(), "the folder is not there");
        std::fs::create_dir(&included).unwrap();
        let with = Layout::of(&config, text.as_bytes()).unwrap();
        assert_eq!(with.drop_in, Some(included.join(DROP_IN)));
        let other = Layout::of(&config, b"Include /etc/ssh/other.conf\n").unwrap();
        assert!(other.drop_in.is_none());
    }

    #[test]
    fn paths_cannot_become_other_lines() {
        for path in ["/a\nPermitRootLogin yes/sshd_config", "/a\"b/sshd_config", "/%h/sshd_config"] {
            assert!(Layout::of(Path::new(path), b"").is_err(), "{path:?}");
        }
        let layout = Layout::of(Path::new("/a b/sshd_config"), b"").unwrap();
        assert_eq!(layout.lines(true, &[]), ["TrustedUserCAKeys \"/a b/mezite_ca.pub\""]);
    }
}
