//! `ssh_config`: everything that stock `ssh` needs, for every host but the gateway itself.

use std::path::Path;

/// The file for a destination. `gateway` is `HOST:PORT`.
pub(crate) fn text(destination: &Path, gateway: &str, program: &Path) -> String {
    let host = gateway.rsplit_once(':').map_or(gateway, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Tokens begin with % in ssh's files.
    let plain = |path: &Path| path.display().to_string().replace('%', "%%");
    let folder = plain(destination);
    let program = plain(program);
    format!(
        "# Written by mezd identity with each renewal. ssh -F \"{shown}/ssh_config\" LOGIN@NODE\n\
         Host * !{host}\n\
         \x20   ProxyCommand '{program}' proxy {gateway} '%h' '%p'\n\
         \x20   ProxyUseFdpass yes\n\
         \x20   IdentityFile \"{folder}/ssh_key\"\n\
         \x20   CertificateFile \"{folder}/ssh_key-cert.pub\"\n\
         \x20   UserKnownHostsFile \"{folder}/known_hosts\"\n\
         \x20   GlobalKnownHostsFile /dev/null\n\
         \x20   IdentitiesOnly yes\n\
         \x20   IdentityAgent none\n\
         \x20   StrictHostKeyChecking yes\n\
         \x20   UpdateHostKeys no\n",
        shown = destination.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_blanks_and_percent_signs_stay_paths() {
        let text = text(Path::new("/a b/50%"), "gw.example.com:3023", Path::new("/usr/bin/mezd"));
        assert!(text.contains("IdentityFile \"/a b/50%%/ssh_key\"\n"), "{text}");
        assert!(text.contains("Host * !gw.example.com\n"));
        assert!(text.contains("ProxyCommand '/usr/bin/mezd' proxy gw.example.com:3023 '%h' '%p'\n"));
        let text = super::text(Path::new("/d"), "[::1]:3023", Path::new("/usr/bin/mezd"));
        assert!(text.contains("Host * !::1\n") && text.contains("proxy [::1]:3023 "));
    }
}
