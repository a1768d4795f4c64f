//! What the gateway answers, believed only as far as it is what was asked for.

use std::time::Duration;

use jiff::Timestamp;
use mezite_api::bot::Credentials;
use mezite_api::person::LoginReply;
use mezite_api::{UserKey, UserName};
use mezite_ca::ssh_key::Certificate;
use mezite_ca::ssh_key::certificate::CertType;

use crate::IdentityError;

/// The most lines of `known_hosts`: one for each key of the Host CA.
const MAX_KNOWN_HOSTS: usize = 16;
/// A life beyond any that a role can give.
const MAX_LIFETIME: Duration = Duration::from_hours(31 * 24);

/// What the gateway gives to whoever gets certificates.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    name: &'a UserName,
    certificate: &'a str,
    tls_certificate: &'a str,
    known_hosts: &'a str,
    tls_ca: &'a str,
    ssh: &'a str,
    now: Timestamp,
    valid_before: Timestamp,
}

impl<'a> From<&'a Credentials> for Answer<'a> {
    fn from(given: &'a Credentials) -> Self {
        Self {
            name: &given.bot,
            certificate: &given.certificate,
            tls_certificate: &given.tls_certificate,
            known_hosts: &given.known_hosts,
            tls_ca: &given.tls_ca,
            ssh: &given.ssh,
            now: given.now,
            valid_before: given.valid_before,
        }
    }
}

impl<'a> From<&'a LoginReply> for Answer<'a> {
    fn from(given: &'a LoginReply) -> Self {
        Self {
            name: &given.user,
            certificate: &given.certificate,
            tls_certificate: &given.tls_certificate,
            known_hosts: &given.known_hosts,
            tls_ca: &given.tls_ca,
            ssh: &given.ssh,
            now: given.now,
            valid_before: given.valid_before,
        }
    }
}

/// The parts of an answer that go to files, checked.
#[derive(Debug)]
pub struct Checked {
    /// One line, with its end.
    pub certificate: String,
    /// Lines of host CAs and no others.
    pub known_hosts: String,
}

/// Checks that an answer is for this key, for a user, and says nothing that other programs would take for more.
pub fn check(answer: &Answer<'_>, own: &UserKey) -> Result<Checked, IdentityError> {
    let wrong = |what: &str| IdentityError::Answer(what.to_owned());
    let line = one_line(answer.certificate).ok_or_else(|| wrong("the certificate is not one line"))?;
    let certificate = Certificate::from_openssh(line).map_err(|_| wrong("the certificate cannot be read"))?;
    if certificate.public_key() != own.key_data() {
        return Err(wrong("the certificate is for another key"));
    }
    if certificate.cert_type() != CertType::User {
        return Err(wrong("the certificate is not one of a user"));
    }
    let name = answer.name.as_str();
    if certificate.key_id() != name || !certificate.valid_principals().iter().any(|one| one == name) {
        return Err(wrong("the certificate is for another user"));
    }
    let ends = certificate.valid_before_time();
    let ends = Timestamp::try_from(ends).unwrap_or(Timestamp::MAX);
    if ends != answer.valid_before || answer.valid_before <= answer.now {
        return Err(wrong("the certificate ends at another time"));
    }
    let lifetime = answer.valid_before.duration_since(answer.now).unsigned_abs();
    if lifetime > MAX_LIFETIME {
        return Err(wrong("the certificate lives too long"));
    }
    if !is_pem(answer.tls_certificate) || !is_pem(answer.tls_ca) {
        return Err(wrong("the TLS certificates are no PEM"));
    }
    if !is_host_port(answer.ssh) {
        return Err(wrong("the gateway's address is not HOST:PORT"));
    }
    Ok(Checked { certificate: format!("{line}\n"), known_hosts: known_hosts(answer.known_hosts)? })
}

/// Only lines `@cert-authority * TYPE BASE64`: nothing else may make `ssh` believe a host. Comments are left out.
fn known_hosts(text: &str) -> Result<String, IdentityError> {
    let wrong = || IdentityError::Answer("known_hosts has lines that are not of a host CA".to_owned());
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > MAX_KNOWN_HOSTS {
        return Err(wrong());
    }
    let mut checked = String::new();
    for line in &lines {
        let words: Vec<&str> = line.split(' ').collect();
        let ["@cert-authority", "*", kind, key, ..] = words[..] else { return Err(wrong()) };
        let key = mezite_ca::PublicKey::from_line(&format!("{kind} {key}")).map_err(|_| wrong())?;
        checked.extend(["@cert-authority * ", &key.line(), "\n"]);
    }
    Ok(checked)
}

fn one_line(text: &str) -> Option<&str> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.chars().all(|c| c.is_ascii_graphic() || c == ' ').then_some(line)
}

fn is_pem(text: &str) -> bool {
    text.starts_with("-----BEGIN CERTIFICATE-----\n")
        && text.trim_end().ends_with("-----END CERTIFICATE-----")
        && text.len() < 64 * 1024
        && text.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic())
}

/// It goes into `ssh_config` and from there to a shell: letters, digits, dots, brackets and colons only.
fn is_host_port(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let port = text.rsplit_once(':').and_then(|(host, port)| {
        let host = !host.is_empty() && !host.starts_with('-');
        host.then(|| port.parse::<u16>().ok()).flatten()
    });
    text.len() <= 300 && text.bytes().all(plain) && port.is_some_and(|port| port != 0)
}

/// The gateway's clock less ours, in seconds.
pub(crate) fn clock_offset(answer: &Credentials, now: Timestamp) -> i64 {
    answer.now.duration_since(now).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_082_known_hosts_has_host_cas_and_nothing_else() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM//rrPhRsSNpIYAm49H434ndxFOZ4Xf3mQ3o052lX8f";
        let good = format!("@cert-authority * {key}\n");
        assert_eq!(known_hosts(&good).unwrap(), good);
        assert_eq!(known_hosts(&good.replace('\n', " a comment\n")).unwrap(), good);
        for bad in [
            String::new(),
            format!("evil.example {key}\n"),
            format!("{good}evil.example {key}\n"),
            format!("@cert-authority *,evil {key}\n"),
            format!("@revoked * {key}\n"),
            "@cert-authority * ssh-ed25519 AAAA\n".to_owned(),
            good.repeat(MAX_KNOWN_HOSTS + 1),
        ] {
            assert!(known_hosts(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_082_an_address_is_no_shell_code() {
        for good in ["gw.example.com:3023", "10.0.0.1:22", "[::1]:3023"] {
            assert!(is_host_port(good), "{good}");
        }
        for bad in
            ["", "gw", "gw:0", "gw:65536", "$(id):22", "a b:22", "gw:22\n", "gw';id;':22", "-oX:22", "%h:22"]
        {
            assert!(!is_host_port(bad), "{bad}");
        }
    }
}
