//! Host keys as they are given: pasted, or in a file.

use std::path::PathBuf;

use clap::Args;
use mezite_api::HostKey;
use mezite_console::CommandError;
use mezite_console::files;

/// Longest file with host keys, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The keys to pin.
#[derive(Debug, Args)]
pub(super) struct HostKeys {
    /// A public host key of the machine, "TYPE BASE64"; may be repeated.
    // Taken as it is, also where it looks like an option: `clap` would quote what it refuses, and what is pasted by
    // mistake is a private key.
    #[arg(long = "host-key", value_name = "KEY", allow_hyphen_values = true)]
    keys: Vec<String>,
    /// A file with public host keys, one a line, as those in /etc/ssh of the machine; may be repeated.
    #[arg(long = "host-key-file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Have the gateway dial the machine first, and refuse when it shows another key.
    #[arg(long = "verify-host-key")]
    pub(super) verify: bool,
}

impl HostKeys {
    /// All of them. What is no public key is refused without being repeated.
    pub(super) fn read(&self) -> Result<Vec<HostKey>, CommandError> {
        let mut keys = Vec::new();
        for key in &self.keys {
            keys.push(HostKey::parse(key)?);
        }
        for path in &self.files {
            let text = files::read(path, FILE_MAX)?;
            let in_file = |error: CommandError| error.within(path);
            if text.contains("PRIVATE KEY") {
                // Refused as a whole; its lines are nobody's to see.
                HostKey::parse(&text).map_err(|invalid| in_file(invalid.into()))?;
            }
            let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
            let before = keys.len();
            for line in lines {
                keys.push(HostKey::parse(line).map_err(|invalid| in_file(invalid.into()))?);
            }
            if keys.len() == before {
                return Err(in_file(CommandError::usage("host_keys: there is no key in the file")));
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU";

    fn read(keys: &[&str], files: &[&std::path::Path]) -> Result<Vec<HostKey>, String> {
        let keys = HostKeys {
            keys: keys.iter().map(ToString::to_string).collect(),
            files: files.iter().map(|path| path.to_path_buf()).collect(),
            verify: false,
        };
        keys.read().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn keys_come_from_arguments_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, format!("# the host's\n\n{KEY} root@host\n")).unwrap();
        assert_eq!(read(&[KEY], &[&file]).unwrap().len(), 2);
    }

    #[test]
    fn hostile_038_what_is_no_public_key_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n";
        for text in [private, "ssh-ed25519-cert-v01@openssh.com c2VjcmV0", "no-pty c2VjcmV0", ""] {
            std::fs::write(&file, text).unwrap();
            for error in [read(&[text], &[]), read(&[], &[&file])] {
                let error = error.unwrap_err();
                assert!(error.contains("host_keys") && !error.contains("c2VjcmV0"), "{text}: {error}");
            }
        }
    }
}
