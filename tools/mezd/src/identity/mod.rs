//! `mezd identity start` and `status`.

mod settings;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mezite_identity::{Daemon, Hook, IdentityError, SystemClock, events, hide_id_token, status};

use crate::process;
use settings::Given;

/// Where the files lie when nothing is said.
const DEFAULT_DESTINATION: &str = "/var/lib/mezite/identity/certs";

/// What can be done with an identity.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Get certificates and keep them fresh; it stays in the foreground
    ///
    /// Exit codes: 0 stopped or done, 1 failed, 2 usage, 3 token refused, 4 gateway not trusted, 5 locked. SIGHUP renews
    /// now, SIGUSR1 logs the status.
    Start(Box<Start>),
    /// Show until when the certificates are valid; exits with 1 when they have expired
    Status(Show),
}

#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    given: Given,
    /// Join or renew, write the files, and end: for CI
    #[arg(long)]
    one_shot: bool,
    /// Write the process id to this file, and remove it at the end
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Show {
    /// The folder that 'mezd identity start' writes to
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DESTINATION)]
    destination: PathBuf,
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// JSON
    Json,
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        let done = match self {
            Self::Start(start) => start.run(),
            Self::Status(show) => show.run(),
        };
        done.unwrap_or_else(|error| {
            eprintln!("mezd: {}", printable(&error.to_string()));
            ExitCode::from(error.exit_code())
        })
    }
}

/// Without what a terminal would obey: some of it comes from outside.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl Start {
    fn run(self) -> Result<ExitCode, IdentityError> {
        // Ends this program and begins it anew where others can see the token now.
        settings::TOKEN.hide(self.given.join_token.as_deref())?;
        if let Some(variable) = &self.given.id_token_env {
            hide_id_token(variable)?;
        }
        if let Err(error) = process::harden() {
            log::warn!(error:%; "the process is not hardened");
        }
        let settings = self.given.load()?;
        let events = events().map_err(|error| IdentityError::Usage(format!("signals: {error}")))?;
        let mut daemon = Daemon::new(&settings, &SystemClock, events, Hook::default())?;
        let pid_file = self.pid_file.as_deref().map(PidFile::write).transpose()?;
        if self.one_shot {
            daemon.once()?;
        } else {
            daemon.keep()?;
        }
        drop(pid_file);
        Ok(ExitCode::SUCCESS)
    }
}

/// A file with our process id, until it is dropped.
struct PidFile<'a>(&'a Path);

impl<'a> PidFile<'a> {
    fn write(path: &'a Path) -> Result<Self, IdentityError> {
        let nofollow = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = nofollow.bits().cast_signed();
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o644).custom_flags(flags).open(path);
        file.and_then(|mut file| writeln!(file, "{}", std::process::id()))
            .map_err(|error| IdentityError::Destination { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self(path))
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(self.0) {
            log::warn!(error:%; "the pid file is not removed");
        }
    }
}

impl Show {
    fn run(self) -> Result<ExitCode, IdentityError> {
        let status = status(&self.destination, Timestamp::now())?;
        let record = &status.record;
        let text = if self.format == Format::Json {
            let mut value = serde_json::to_value(record).unwrap_or_default();
            value["expires"] = record.expires().to_string().into();
            value["expired"] = status.expired.into();
            value["overdue"] = status.overdue.into();
            format!("{value:#}\n")
        } else {
            let local = |moment: Timestamp| {
                moment.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
            };
            let mark = |is_so: bool, word: &str| if is_so { format!(" ({word})") } else { String::new() };
            format!(
                "bot:          {}\ncluster:      {}\ngateway:      {}\ninstance:     {}\ngeneration:   {}\n\
                 valid until:  {}{}\nnext renewal: {}{}\n",
                record.bot,
                record.cluster,
                record.gateway,
                record.instance,
                record.generation,
                local(record.expires()),
                mark(status.expired, "expired"),
                local(record.renew_at),
                mark(status.overdue, "overdue"),
            )
        };
        // Whoever read the output may have gone.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(if status.expired { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Arguments;

    fn given(arguments: &[&str]) -> Given {
        let all = ["mezd", "identity", "start"].iter().chain(arguments);
        match Arguments::try_parse_from(all).unwrap().command {
            crate::Command::Identity(Command::Start(start)) => start.given,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn flags_become_settings() {
        let settings = given(&[
            "--auth-server=gateway.example.com:3025",
            "--destination=/var/lib/x",
            "--renewal-interval=30m",
            "--key-type=ed25519",
            "--key-lifetime=2d",
            "--on-renew=systemctl reload x",
            "--no-symlinks",
            &format!("--ca-pin=sha256:{}", "0f".repeat(32)),
        ])
        .load()
        .unwrap();
        assert_eq!(settings.auth_server.to_string(), "gateway.example.com:3025");
        assert_eq!(settings.renewal_interval, Some(std::time::Duration::from_mins(30)));
        assert_eq!(settings.names, mezite_identity::Names::Files);
        assert!(settings.ca_pin.is_some() && settings.admission.is_none());
    }

    #[test]
    fn a_file_stands_behind_the_flags() {
        let file = tempfile("auth-server = \"a.example\"\ndestination = \"/d\"\nrenewal_interval = \"5m\"\n");
        let path = format!("--config={}", file.path().display());
        let settings = given(&[&path, "--auth-server=b.example:1"]).load().unwrap();
        assert_eq!(settings.auth_server.to_string(), "b.example:1");
        assert_eq!(settings.destination, Path::new("/d"));
        let file = tempfile("auth_server = \"a\"\nrenew = 1\n");
        let error = given(&[&format!("--config={}", file.path().display())]).load().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("renew"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_usage() {
        for arguments in [
            &[][..],
            &["--auth-server=a b"],
            &["--auth-server=a", "--renewal-interval=0s"],
            &["--auth-server=a", "--ca-pin=sha256:00"],
            &["--auth-server=a", "--key-type=rsa"],
            &["--auth-server=a", "--join-token=@/nowhere"],
            &["--auth-server=a", "--destination=/a\"b"],
            &["--auth-server=a", "--join-method=oidc"],
            &["--auth-server=a", "--join-method=saml"],
            &["--auth-server=a", "--id-token-file=/t"],
            &["--auth-server=a", "--bot=ci"],
            &["--auth-server=a", "--join-method=oidc", "--id-token-file=/t", "--bot=a b"],
            &["--auth-server=a", "--join-method=oidc", "--id-token-file=/t", "--join-token=@/t"],
        ] {
            let error = given(arguments).load().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}: {error}");
        }
    }

    fn tempfile(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }
}
