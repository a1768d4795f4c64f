//! `msh status`

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mezite_api::client::Server;
use mezite_api::escape;
use mezite_ca::ssh_key::Certificate;
use mezite_console::output::{Format, Output, dash, print};
use mezite_console::{CommandError, Kind};
use serde::Serialize;

use crate::profile;

/// Shows who is logged in, with what, and until when; exits with 1 when the certificates have expired.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The gateway; by default that of the profile in use.
    #[arg(long, env = "MSH_PROXY", value_name = "HOST[:PORT]")]
    proxy: Option<String>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The same under the names of `tsh status`, which scripts read.
#[derive(Serialize)]
struct Active {
    profile_url: String,
    username: String,
    cluster: String,
    roles: Vec<String>,
    logins: Vec<String>,
    /// What the certificate permits at a node.
    extensions: Vec<String>,
    valid_until: Timestamp,
}

/// What is shown.
#[derive(Serialize)]
struct Shown {
    active: Active,
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
        let logins: Vec<String> = principals.filter(|name| **name != kept.user.as_str()).cloned().collect();
        let roles: Vec<String> = kept.roles.iter().map(ToString::to_string).collect();
        // Those of ours, with an @, are for the gateway.
        let extensions = certificate.extensions().keys().filter(|name| !name.contains('@'));
        let shown = Shown {
            active: Active {
                profile_url: format!("https://{}", kept.server),
                username: kept.user.to_string(),
                cluster: kept.cluster.clone(),
                roles: roles.clone(),
                logins: logins.clone(),
                extensions: extensions.cloned().collect(),
                valid_until: valid_before,
            },
            server: kept.server,
            ssh: kept.ssh,
            cluster: kept.cluster,
            logins,
            user: kept.user.to_string(),
            roles,
            valid_after: moment(certificate.valid_after()),
            valid_before,
            expired: valid_before <= Timestamp::now(),
            key: if folder.join(profile::SSH_KEY).exists() { "file" } else { "agent" },
            folder: folder.display().to_string(),
        };
        match self.format {
            Format::Text => print(&shown.text())?,
            format => Output { format }.document(&shown)?,
        }
        Ok(if shown.expired { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl Shown {
    /// A block as that of `tsh status`.
    fn text(&self) -> String {
        let list = |values: &[String]| if values.is_empty() { dash() } else { values.join(", ") };
        let lines = [
            ("Profile URL", self.active.profile_url.clone()),
            ("Logged in as", self.user.clone()),
            ("Cluster", self.cluster.clone()),
            ("Roles", list(&self.roles)),
            ("Logins", list(&self.logins)),
            ("Valid until", until(self.valid_before, Timestamp::now())),
            ("Extensions", list(&self.active.extensions)),
            ("SSH gateway", self.ssh.clone()),
            ("Key", self.key.to_owned()),
            ("Folder", self.folder.clone()),
        ];
        let line = |(index, (name, value)): (usize, &(&str, String))| {
            let mark = if index == 0 { ">" } else { " " };
            format!("{mark} {:<20}{}\n", format!("{name}:"), escape(value))
        };
        lines.iter().enumerate().map(line).collect()
    }
}

/// The end of a certificate, and how far it is away.
fn until(end: Timestamp, now: Timestamp) -> String {
    let moment = end.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z %Z");
    let left = end.duration_since(now);
    if left <= SignedDuration::ZERO {
        return format!("{moment} (expired)");
    }
    let (hours, minutes, seconds) = (left.as_hours(), left.as_mins() % 60, left.as_secs() % 60);
    let left = match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    };
    format!("{moment} [valid for {left}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_how_long_it_is_good() {
        let end: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        for (seconds, shown) in [(42_780, "11h53m0s"), (61, "1m1s"), (5, "5s")] {
            let said = until(end, end - SignedDuration::from_secs(seconds));
            assert!(
                said.starts_with("2026-11-2") && said.ends_with(&format!(" [valid for {shown}]")),
                "{said}"
            );
        }
        assert!(until(end, end).ends_with(" (expired)"));
    }
}
