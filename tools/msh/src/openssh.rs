//! The system's OpenSSH, run with the options that lead through the gateway.
//!
//! The gateway is the host and the node is part of the user name: so nothing runs in between, no shell is asked to run
//! anything, and what is in `~/.ssh/config` counts wherever it does not touch trust.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use mezite_api::{Login, NodeRef, Target};
use mezite_console::{CommandError, Kind};

use crate::access::Credentials;

/// A login on a node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Where it is to be the one that the certificate names, nothing.
    pub(crate) login: Option<Login>,
    /// The node.
    pub(crate) node: NodeRef,
}

impl Destination {
    /// Reads `[LOGIN@]NODE[:PORT]`.
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        let (login, node) = match text.rsplit_once('@') {
            Some((login, node)) => (Some(Login::parse(login)?), node),
            None => (None, text),
        };
        Ok(Self { login, node: NodeRef::parse(node)? })
    }
}

/// `program` with what makes it go to the gateway for this login on this node. Options on the command line win over those
/// in files.
pub(crate) fn command(
    program: &str,
    credentials: &Credentials,
    to: &Destination,
) -> Result<Command, CommandError> {
    let login = match &to.login {
        Some(login) => login.clone(),
        None => credentials.login()?,
    };
    let target = Target { login, node: to.node.clone() };
    let gateway = &credentials.gateway;
    let mut command = Command::new(program);
    for option in [
        format!("HostName={}", gateway.host),
        format!("Port={}", gateway.port),
        format!("User={target}"),
        format!("HostKeyAlias={}", gateway.host),
        format!("IdentityFile={}", path(&credentials.key)?),
        format!("CertificateFile={}", path(&credentials.certificate)?),
        format!("UserKnownHostsFile={}", path(&credentials.known_hosts)?),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "VerifyHostKeyDNS=no".to_owned(),
        "CanonicalizeHostname=no".to_owned(),
        "ProxyJump=none".to_owned(),
        "ProxyCommand=none".to_owned(),
        "AddKeysToAgent=no".to_owned(),
    ] {
        command.arg("-o").arg(option);
    }
    Ok(command)
}

/// Becomes the program; comes back only with the reason why not.
pub(crate) fn run(mut command: Command) -> CommandError {
    let error = command.exec();
    let program = command.get_program().to_string_lossy().into_owned();
    CommandError::new(Kind::Failed, format!("{program}: {error}")).hint("is OpenSSH installed?")
}

/// A path as a value of one of ssh's options: in quotes, without its tokens.
pub(crate) fn path(path: &Path) -> Result<String, CommandError> {
    let absolute = std::path::absolute(path)?;
    let text =
        absolute.to_str().filter(|text| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')));
    let text = text.ok_or_else(|| CommandError::usage("cannot stand in ssh's options").within(path))?;
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_041_destinations_are_logins_and_nodes_and_nothing_else() {
        let read = |text: &str| Destination::parse(text).ok().map(|to| (to.login, to.node.to_string()));
        let login = |text: &str| Some(Login::parse(text).unwrap());
        assert_eq!(read("node1"), Some((None, "node1".to_owned())));
        assert_eq!(read("deploy@web-1:3022"), Some((login("deploy"), "web-1:3022".to_owned())));
        assert_eq!(read("a@fd00::7"), Some((login("a"), "fd00::7".to_owned())));
        for text in [
            "",
            "-oProxyCommand=x",
            "a@-x",
            "-a@node1",
            "$(id)@node1",
            "a@$(id)",
            "a@`id`",
            "a@n;id",
            "a b@n",
            "a@n\n",
            "a@n\0",
            "a@%h",
            "%r@n",
            "a@n/../x",
            "a@@n",
            "@n",
            "a@",
            "a@n:x",
            "a\u{1b}@n",
            "a'@n",
            "a@n\"",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn hostile_041_paths_stay_paths() {
        assert_eq!(path(Path::new("/a b/50%h")).unwrap(), "\"/a b/50%%h\"");
        for bad in ["/a\"b", "/a\nb", "/a\\b"] {
            path(Path::new(bad)).unwrap_err();
        }
    }
}
