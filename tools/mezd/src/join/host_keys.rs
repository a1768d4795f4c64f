//! The host keys of this machine, which sign what is asked of the gateway.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mezite_api::HostKey;
use mezite_api::join::ProvenHostKey;
use mezite_api::node::MAX_HOST_KEYS;
use mezite_ca::{PROOF_NAMESPACE, Statement};
use ssh_key::PrivateKey;

use super::error::JoinError;
use super::sshd::Effective;

/// A host key that can sign.
pub(super) struct OwnKey {
    /// The private key's file.
    pub(super) path: PathBuf,
    /// The public key.
    pub(super) public: HostKey,
    /// The private key, where this program signs with it itself: of RSA keys `ssh-keygen` does that.
    private: Option<PrivateKey>,
}

/// The keys that sshd shows. Those that cannot be pinned, or do not sign, are left out with a word.
pub(super) fn own_keys(effective: &Effective) -> Result<Vec<OwnKey>, JoinError> {
    let paths = effective.all("hostkey").iter().map(PathBuf::from).filter(|path| path.is_file());
    let mut keys = Vec::new();
    for path in paths.take(MAX_HOST_KEYS) {
        match OwnKey::read(&path) {
            Ok(key) if keys.iter().any(|known: &OwnKey| known.public == key.public) => {}
            Ok(key) => keys.push(key),
            Err(why) => eprintln!("mezd: note: the host key {} is left out: {why}", path.display()),
        }
    }
    if keys.is_empty() {
        return Err(JoinError::Local("sshd has no host key that this program can use; are you root?".into()));
    }
    Ok(keys)
}

impl OwnKey {
    fn read(path: &Path) -> Result<Self, String> {
        let private = PrivateKey::read_openssh_file(path).ok().filter(|key| !key.is_encrypted());
        let signs = |key: &PrivateKey| key.key_data().is_ed25519() || key.key_data().is_ecdsa();
        if let Some(private) = private.filter(signs) {
            let public = HostKey::from_key_data(private.public_key().key_data().clone());
            let public = public.map_err(|invalid| invalid.to_string())?;
            return Ok(Self { path: path.to_owned(), public, private: Some(private) });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".pub");
        let line = fs::read_to_string(&name).map_err(|error| error.to_string())?;
        let public = HostKey::parse(line.trim_end()).map_err(|invalid| invalid.to_string())?;
        Ok(Self { path: path.to_owned(), public, private: None })
    }

    /// The key with its signature of a statement.
    pub(super) fn prove(&self, statement: &Statement<'_>) -> Result<ProvenHostKey, JoinError> {
        let failed = |why: &dyn std::fmt::Display| {
            JoinError::Local(format!("the host key {} does not sign: {why}", self.path.display()))
        };
        let proof = match &self.private {
            Some(private) => statement.sign(private).map_err(|error| failed(&error))?,
            None => self.ssh_keygen(&statement.to_string()).map_err(|error| failed(&error))?,
        };
        Ok(ProvenHostKey { key: self.public.clone(), proof })
    }

    fn ssh_keygen(&self, statement: &str) -> std::io::Result<String> {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "sign", "-q", "-n", PROOF_NAMESPACE, "-f"]).arg(&self.path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(statement.as_bytes())?;
        }
        let said = child.wait_with_output()?;
        if said.status.success() {
            return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
        }
        Err(std::io::Error::other("ssh-keygen -Y sign failed; it needs OpenSSH 8.0 or newer"))
    }
}
