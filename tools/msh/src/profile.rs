//! The folder of a profile, as `docs/manual/profile.md` tells: what is written into it, and its removal.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mezite_api::client::Server;
use mezite_api::client::profile::{
    self, PROFILE, Profile, TLS_CA, TLS_CERTIFICATE, TLS_KEY, current_file, folder_of,
};
use mezite_console::{CommandError, Kind, files};
use mezite_identity::ssh_config::{Opener, SshConfig};

use crate::agent;

/// Names in the folder beside those that `mezctl` reads.
pub(crate) const SSH_KEY: &str = "ssh_key";
pub(crate) const SSH_PUBLIC_KEY: &str = "ssh_key.pub";
pub(crate) const SSH_CERTIFICATE: &str = "ssh_key-cert.pub";
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";
const SSH_CONFIG: &str = "ssh_config";
/// Longest of these files, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// Where the private key for SSH is.
pub(crate) enum KeyPlace<'a> {
    /// In the folder: its text.
    File(&'a str),
    /// In the running ssh-agent.
    Agent,
    /// In a file of the user's own.
    Elsewhere(&'a Path),
}

/// What a login leaves.
pub(crate) struct Login<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) key: KeyPlace<'a>,
    pub(crate) public_key: &'a str,
    pub(crate) certificate: &'a str,
    pub(crate) known_hosts: &'a str,
    pub(crate) tls_key: &'a str,
    pub(crate) tls_certificate: &'a str,
    pub(crate) tls_ca: &'a str,
}

/// The folder of all profiles.
pub(crate) fn root() -> Result<PathBuf, CommandError> {
    profile::folder(|name| std::env::var_os(name).map(PathBuf::from))
        .ok_or_else(|| CommandError::usage("neither XDG_CONFIG_HOME nor HOME is an absolute path"))
}

/// The folder for a server.
pub(crate) fn folder(server: &Server) -> Result<PathBuf, CommandError> {
    Ok(folder_of(&root()?, server))
}

/// The server of the profile in use.
pub(crate) fn current() -> Result<Option<Server>, CommandError> {
    let path = current_file(&root()?);
    if !path.exists() {
        return Ok(None);
    }
    let server = files::read(&path, FILE_MAX)?.trim_end().parse();
    server.map(Some).map_err(|invalid| CommandError::from(invalid).within(&path))
}

/// What a profile says about itself; nothing where there is none.
pub(crate) fn read(folder: &Path) -> Result<Option<Profile>, CommandError> {
    let path = folder.join(PROFILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read(&path, FILE_MAX)?;
    let profile: Profile =
        serde_json::from_str(&text).map_err(|error| CommandError::usage(error.to_string()).within(&path))?;
    if profile.version != 1 {
        let why = format!("version {} is of another release of this program", profile.version);
        return Err(CommandError::usage(why).within(&path));
    }
    Ok(Some(profile))
}

/// The certificate for SSH in a folder.
pub(crate) fn certificate(folder: &Path) -> Result<String, CommandError> {
    files::read(&folder.join(SSH_CERTIFICATE), FILE_MAX)
}

/// Keeps whom to believe, before there are certificates.
pub(crate) fn keep_trust(folder: &Path, profile: &Profile, tls_ca: &str) -> Result<(), CommandError> {
    make(folder)?;
    files::write(&folder.join(TLS_CA), tls_ca.as_bytes())?;
    describe(folder, profile)
}

/// Writes what a login has given: keys, then certificates, then what is said about them.
pub(crate) fn write(folder: &Path, login: &Login<'_>) -> Result<(), CommandError> {
    make(folder)?;
    let file = |name: &str| folder.join(name);
    let key = file(SSH_KEY);
    match login.key {
        KeyPlace::File(text) => files::write(&key, text.as_bytes())?,
        KeyPlace::Agent => absent(&key)?,
        KeyPlace::Elsewhere(own) => link(own, &key)?,
    }
    files::write(&file(SSH_PUBLIC_KEY), login.public_key.as_bytes())?;
    files::write(&file(TLS_KEY), login.tls_key.as_bytes())?;
    files::write(&file(TLS_CA), login.tls_ca.as_bytes())?;
    files::write(&file(SSH_CERTIFICATE), login.certificate.as_bytes())?;
    files::write(&file(TLS_CERTIFICATE), login.tls_certificate.as_bytes())?;
    files::write(&file(KNOWN_HOSTS), login.known_hosts.as_bytes())?;
    let program = own_program();
    let config = SshConfig {
        writer: "msh login",
        folder,
        gateway: &login.profile.ssh,
        opener: Opener::Msh(&program),
        hosts: "*",
        agent: matches!(login.key, KeyPlace::Agent),
    };
    files::write(&file(SSH_CONFIG), config.text().as_bytes())?;
    describe(folder, login.profile)
}

/// Makes this server's profile the one in use.
pub(crate) fn use_from_now_on(server: &Server) -> Result<(), CommandError> {
    let root = root()?;
    make(&root)?;
    files::write(&current_file(&root), format!("{server}\n").as_bytes())
}

/// Removes a profile, and its key from the ssh-agent. False where there is none.
pub(crate) fn remove(folder: &Path) -> Result<bool, CommandError> {
    forget_key(folder);
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(&error).within(folder)),
    }
}

/// Takes the key of a folder out of the ssh-agent, where a login has put it there.
pub(crate) fn forget_key(folder: &Path) {
    // What cannot be read has put nothing there; a key of the user's own stays.
    if read(folder).ok().flatten().is_some_and(|profile| profile.key_in_agent) {
        agent::remove(&folder.join(SSH_PUBLIC_KEY));
    }
}

/// All profiles that there are.
pub(crate) fn all() -> Result<Vec<PathBuf>, CommandError> {
    let any: Server = "any".parse()?;
    let place = folder_of(&root()?, &any);
    let place = place.parent().unwrap_or(&place);
    let entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error).within(place)),
    };
    let folders = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    folders.map_err(|error| failed(&error).within(place))
}

/// Forgets which profile is in use, where it is this one or there is none named.
pub(crate) fn use_no_more(server: Option<&Server>) -> Result<(), CommandError> {
    // A file that cannot be read names nobody.
    let current = current().unwrap_or_default();
    if server.is_none() || current.as_ref() == server { absent(&current_file(&root()?)) } else { Ok(()) }
}

fn describe(folder: &Path, profile: &Profile) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(profile)
        .map_err(|error| CommandError::new(Kind::Failed, error.to_string()))?;
    files::write(&folder.join(PROFILE), format!("{text}\n").as_bytes())
}

/// Makes a folder for its owner only, with what leads to it. One that is there must be the owner's.
fn make(folder: &Path) -> Result<(), CommandError> {
    let inner = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let facts = fs::metadata(folder)?;
        if facts.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to somebody else"));
        }
        if facts.mode() & 0o077 != 0 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    inner().map_err(|error| failed(&error).within(folder))
}

fn absent(path: &Path) -> Result<(), CommandError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&error).within(path)),
        _ => Ok(()),
    }
}

fn link(target: &Path, path: &Path) -> Result<(), CommandError> {
    absent(path)?;
    std::os::unix::fs::symlink(target, path).map_err(|error| failed(&error).within(path))
}

/// This program, for ssh to begin.
pub(crate) fn own_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "msh".into())
}

fn failed(error: &io::Error) -> CommandError {
    CommandError::new(Kind::Failed, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            version: 1,
            server: "gw.example.com:3025".to_owned(),
            ssh: "gw.example.com:3023".to_owned(),
            cluster: "test".to_owned(),
            user: "alice".parse().unwrap(),
            ca_pin: "sha256:00".to_owned(),
            roles: Vec::new(),
            key_in_agent: false,
        }
    }

    fn login<'a>(profile: &'a Profile, key: KeyPlace<'a>) -> Login<'a> {
        Login {
            profile,
            key,
            public_key: "public\n",
            certificate: "certificate\n",
            known_hosts: "hosts\n",
            tls_key: "tls key\n",
            tls_certificate: "tls certificate\n",
            tls_ca: "ca\n",
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("mezite/profiles/gw_3025");
        fs::create_dir_all(&own).unwrap();
        let profile = profile();
        write(&own, &login(&profile, KeyPlace::File("key\n"))).unwrap();
        assert_eq!(mode(&own), 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&own).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        names.sort();
        assert_eq!(
            names,
            [
                "known_hosts",
                "profile.json",
                "ssh_config",
                "ssh_key",
                "ssh_key-cert.pub",
                "ssh_key.pub",
                "tls_ca.pem",
                "tls_cert.pem",
                "tls_key.pem",
            ]
        );
        assert_eq!(read(&own).unwrap(), Some(profile));
    }

    #[test]
    fn a_key_that_lives_elsewhere_is_not_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (own, profile) = (folder.path().join("profile"), profile());
        let elsewhere = folder.path().join("id_sk");
        fs::write(&elsewhere, "handle").unwrap();
        write(&own, &login(&profile, KeyPlace::File("key\n"))).unwrap();
        write(&own, &login(&profile, KeyPlace::Elsewhere(&elsewhere))).unwrap();
        assert_eq!(fs::read_to_string(own.join("ssh_key")).unwrap(), "handle");
        write(&own, &login(&profile, KeyPlace::Agent)).unwrap();
        assert!(!own.join("ssh_key").exists() && elsewhere.exists());
        assert!(fs::read_to_string(own.join("ssh_config")).unwrap().contains("IdentityAgent SSH_AUTH_SOCK"));
        assert!(remove(&own).unwrap() && !remove(&own).unwrap() && elsewhere.exists());
    }
}
