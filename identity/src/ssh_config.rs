//! `ssh_config`: everything that stock `ssh` needs, for every host but the gateway itself.

use std::path::Path;

/// What the file is made of.
#[derive(Clone, Copy, Debug)]
pub struct SshConfig<'a> {
    /// Who writes it, for its first line.
    pub writer: &'a str,
    /// The folder with keys and certificates, in which it will lie.
    pub folder: &'a Path,
    /// Where SSH is served, `HOST:PORT`.
    pub gateway: &'a str,
    /// What opens the way for `ssh`.
    pub opener: Opener<'a>,
    /// Which hosts it is for: patterns, `*` for all.
    pub hosts: &'a str,
    /// Whether the key lives in the running ssh-agent.
    pub agent: bool,
}

/// The program that opens the way for `ssh` and is gone.
#[derive(Clone, Copy, Debug)]
pub enum Opener<'a> {
    /// `mezd proxy`.
    Mezd(&'a Path),
    /// `msh proxy ssh`.
    Msh(&'a Path),
}

impl SshConfig<'_> {
    /// The text of the file. The gateway's address must be one; nobody else's text is in it but ssh's own host name and
    /// port, in quotes.
    pub fn text(&self) -> String {
        let Self { writer, folder, gateway, opener, hosts, agent } = *self;
        let host = gateway.rsplit_once(':').map_or(gateway, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let shown = folder.display();
        let folder = plain(folder);
        let proxy = match opener {
            Opener::Mezd(program) => format!("{} proxy {gateway} '%h' '%p'", quoted(program)),
            Opener::Msh(program) => format!("{} proxy ssh --gateway {gateway} '%h:%p'", quoted(program)),
        };
        let agent = if agent { "SSH_AUTH_SOCK" } else { "none" };
        format!(
            "# Written by {writer}. ssh -F \"{shown}/ssh_config\" LOGIN@NODE\n\
             Host {hosts} !{host}\n\
             \x20   ProxyCommand {proxy}\n\
             \x20   ProxyUseFdpass yes\n\
             \x20   IdentityFile \"{folder}/ssh_key\"\n\
             \x20   CertificateFile \"{folder}/ssh_key-cert.pub\"\n\
             \x20   UserKnownHostsFile \"{folder}/known_hosts\"\n\
             \x20   GlobalKnownHostsFile /dev/null\n\
             \x20   IdentitiesOnly yes\n\
             \x20   IdentityAgent {agent}\n\
             \x20   StrictHostKeyChecking yes\n\
             \x20   UpdateHostKeys no\n",
        )
    }
}

/// Tokens begin with % in ssh's files.
fn plain(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// A path as the shell takes it, which ssh asks to run the command.
fn quoted(path: &Path) -> String {
    format!("'{}'", plain(path).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config<'a>(folder: &'a str, gateway: &'a str) -> SshConfig<'a> {
        let (folder, opener) = (Path::new(folder), Opener::Mezd(Path::new("/usr/bin/mezd")));
        SshConfig { writer: "mezd", folder, gateway, opener, hosts: "*", agent: false }
    }

    #[test]
    fn paths_with_blanks_and_percent_signs_stay_paths() {
        let text = config("/a b/50%", "gw.example.com:3023").text();
        assert!(text.contains("IdentityFile \"/a b/50%%/ssh_key\"\n"), "{text}");
        assert!(text.contains("Host * !gw.example.com\n"));
        assert!(text.contains("ProxyCommand '/usr/bin/mezd' proxy gw.example.com:3023 '%h' '%p'\n"));
        let text = SshConfig { agent: true, ..config("/d", "[::1]:3023") }.text();
        assert!(text.contains("IdentityAgent SSH_AUTH_SOCK\n"));
        assert!(text.contains("Host * !::1\n") && text.contains("proxy [::1]:3023 "));
    }
    #[test]
    fn hostile_041_a_program_with_quotes_in_its_path_is_one_word() {
        let msh = Opener::Msh(Path::new("/o'x/$(id)/msh"));
        let text = SshConfig { opener: msh, hosts: "*.test", ..config("/d", "gw:3023") }.text();
        let command = r"ProxyCommand '/o'\''x/$(id)/msh' proxy ssh --gateway gw:3023 '%h:%p'";
        assert!(text.contains(command), "{text}");
        assert!(text.contains("Host *.test !gw\n"));
    }
}
