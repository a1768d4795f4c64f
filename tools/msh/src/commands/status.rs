//! `msh status`

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use jiff::Timestamp;
use mezite_api::client::Server;
use mezite_ca::ssh_key::Certificate;
use mezite_console::output::{Output, joined, local};
use mezite_console::{CommandError, Kind};
use serde::Serialize;

use crate::profile;

/// Shows who is logged in, with what, and until when; exits with 1 when the certificates have expired.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The gateway; by default that of the profile in use.
    #[arg(long, env = "MSH_PROXY", value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// What is shown.
#[derive(Serialize)]
struct Shown {
    server: String,
    ssh: String,
    cluster: String,
    user: String,
    /// At the last login.
    roles: Vec<String>,
    /// Those that the certificate opens without the gateway's help.
    logins: Vec<String>,
    valid_after: Timestamp,
    valid_before: Timestamp,
    expired: bool,
    /// `file`, or `agent`.
    key: &'static str,
    folder: String,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let out = || CommandError::new(Kind::NotFound, "not logged in").hint("log in with 'msh login'");
        let server: Server = match &self.proxy {
            Some(proxy) => proxy.parse()?,
            None => profile::current()?.ok_or_else(out)?,
        };
        let folder = profile::folder(&server)?;
        let kept = profile::read(&folder)?.ok_or_else(out)?;
        if !folder.join(profile::SSH_CERTIFICATE).exists() {
            return Err(out());
        }
        let damaged = || CommandError::new(Kind::Failed, "the certificate cannot be read").within(&folder);
        let certificate =
            Certificate::from_openssh(&profile::certificate(&folder)?).map_err(|_| damaged())?;
        let moment = |seconds: u64| {
            let moment =
                UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH);
            Timestamp::try_from(moment).unwrap_or(Timestamp::MAX)
        };
        let valid_before = moment(certificate.valid_before());
        let principals = certificate.valid_principals().iter();
        let shown = Shown {
            server: kept.server,
            ssh: kept.ssh,
            cluster: kept.cluster,
            logins: principals.filter(|name| **name != kept.user.as_str()).cloned().collect(),
            user: kept.user.to_string(),
            roles: kept.roles.iter().map(ToString::to_string).collect(),
            valid_after: moment(certificate.valid_after()),
            valid_before,
            expired: valid_before <= Timestamp::now(),
            key: if folder.join(profile::SSH_KEY).exists() { "file" } else { "agent" },
            folder: folder.display().to_string(),
        };
        self.output.one(&shown, |shown| {
            let end = local(shown.valid_before);
            vec![
                ("gateway", shown.server.clone()),
                ("cluster", shown.cluster.clone()),
                ("user", shown.user.clone()),
                ("roles", joined(&shown.roles)),
                ("logins", joined(&shown.logins)),
                ("valid until", if shown.expired { format!("{end} (expired)") } else { end }),
                ("key", shown.key.to_owned()),
                ("folder", shown.folder.clone()),
            ]
        })?;
        Ok(if shown.expired { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
