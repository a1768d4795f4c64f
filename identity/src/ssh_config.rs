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
    /// The program that opens the way for `ssh`.
    pub program: &'a Path,
    /// Whether the key lives in the running ssh-agent.
    pub agent: bool,
}

impl SshConfig<'_> {
    /// The text of the file.
    pub fn text(&self) -> String {
        let Self { writer, folder, gateway, program, agent } = *self;
        text(writer, folder, gateway, program, if agent { "SSH_AUTH_SOCK" } else { "none" })
    }
}

fn text(writer: &str, destination: &Path, gateway: &str, program: &Path, agent: &str) -> String {
    let host = gateway.rsplit_once(':').map_or(gateway, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Tokens begin with % in ssh's files.
    let plain = |path: &Path| path.display().to_string().replace('%', "%%");
    let folder = plain(destination);
    let program = plain(program);
    format!(
        "# Written by {writer}. ssh -F \"{shown}/ssh_config\" LOGIN@NODE\n\
         Host * !{host}\n\
         \x20   ProxyCommand '{program}' proxy {gateway} '%h' '%p'\n\
         \x20   ProxyUseFdpass yes\n\
         \x20   IdentityFile \"{folder}/ssh_key\"\n\
         \x20   CertificateFile \"{folder}/ssh_key-cert.pub\"\n\
         \x20   UserKnownHostsFile \"{folder}/known_hosts\"\n\
         \x20   GlobalKnownHostsFile /dev/null\n\
         \x20   IdentitiesOnly yes\n\
         \x20   IdentityAgent {agent}\n\
         \x20   StrictHostKeyChecking yes\n\
         \x20   UpdateHostKeys no\n",
        shown = destination.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config<'a>(folder: &'a str, gateway: &'a str) -> SshConfig<'a> {
        let (folder, program) = (Path::new(folder), Path::new("/usr/bin/mezd"));
        SshConfig { writer: "mezd", folder, gateway, program, agent: false }
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
}
