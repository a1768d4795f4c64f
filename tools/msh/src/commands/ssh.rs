//! `msh ssh`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mezite_api::Login;
use mezite_console::{CommandError, Kind};

use crate::access::{Access, Credentials};
use crate::openssh::{self, Destination};

/// The exit code of ssh's own failures.
const SSH_FAILED: u8 = 255;

/// Runs ssh on a node, with ssh's own options; exits with the remote status.
#[derive(Debug, Args)]
pub(crate) struct Ssh {
    #[command(flatten)]
    access: Access,
    /// The local account; by default the only one that the certificate has, else the name of this account.
    #[arg(short = 'l', long, value_name = "LOGIN")]
    login: Option<String>,
    /// A certificate; its key, the known hosts and the gateway's address are found beside it.
    #[arg(long, value_name = "FILE-cert.pub", conflicts_with_all = ["proxy", "identity"])]
    cert: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// `[LOGIN@]NODE`
    destination: String,
    /// The command, as ssh takes it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Options that ssh gets as they are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of ssh")]
#[expect(clippy::struct_excessive_bools, reason = "flags of ssh")]
struct Options {
    /// Forward a local port: `[bind:]port:host:port`
    #[arg(short = 'L', value_name = "SPEC")]
    local: Vec<OsString>,
    /// Forward a remote port
    #[arg(short = 'R', value_name = "SPEC")]
    remote: Vec<OsString>,
    /// Serve SOCKS on a local port
    #[arg(short = 'D', value_name = "SPEC")]
    dynamic: Vec<OsString>,
    /// Forward stdin and stdout to host:port
    #[arg(short = 'W', value_name = "HOST:PORT")]
    stdio: Option<OsString>,
    /// An option as in ssh's files; what is for trust and the way is not changed by it
    #[arg(short = 'o', value_name = "OPTION")]
    option: Vec<OsString>,
    /// The escape character
    #[arg(short = 'e', value_name = "CHAR")]
    escape: Option<OsString>,
    /// Append what ssh says to a file
    #[arg(short = 'E', value_name = "FILE")]
    log: Option<OsString>,
    /// Ask for a terminal; twice: without one of our own too
    #[arg(short = 't', action = clap::ArgAction::Count)]
    tty: u8,
    /// Say more
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    /// No terminal
    #[arg(short = 'T')]
    no_tty: bool,
    /// No command
    #[arg(short = 'N')]
    no_command: bool,
    /// stdin from /dev/null
    #[arg(short = 'n')]
    no_stdin: bool,
    /// Into the background before the command
    #[arg(short = 'f')]
    background: bool,
    /// Forward the agent
    #[arg(short = 'A')]
    agent: bool,
    /// Do not forward the agent
    #[arg(short = 'a')]
    no_agent: bool,
    /// Forward X11
    #[arg(short = 'X')]
    x11: bool,
    /// Forward X11, trusted
    #[arg(short = 'Y')]
    x11_trusted: bool,
    /// Do not forward X11
    #[arg(short = 'x')]
    no_x11: bool,
    /// Compress
    #[arg(short = 'C')]
    compress: bool,
    /// Quiet
    #[arg(short = 'q')]
    quiet: bool,
    /// Begin a subsystem
    #[arg(short = 's')]
    subsystem: bool,
    /// Let others use forwarded ports
    #[arg(short = 'g')]
    gateway_ports: bool,
    /// Share this connection
    #[arg(short = 'M')]
    master: bool,
    /// IPv4 only
    #[arg(short = '4')]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    ipv6: bool,
}

impl Options {
    /// As ssh takes them.
    fn words(&self) -> Vec<OsString> {
        let one = |flag: &str, value: &Option<OsString>| {
            value.iter().flat_map(|value| [flag.into(), value.clone()]).collect::<Vec<OsString>>()
        };
        let many = |flag: &str, values: &[OsString]| {
            values.iter().flat_map(|value| [flag.into(), value.clone()]).collect::<Vec<OsString>>()
        };
        let counted = |flag: &str, count: u8| vec![OsString::from(flag); usize::from(count)];
        let flags = [
            ("-T", self.no_tty),
            ("-N", self.no_command),
            ("-n", self.no_stdin),
            ("-f", self.background),
            ("-A", self.agent),
            ("-a", self.no_agent),
            ("-X", self.x11),
            ("-Y", self.x11_trusted),
            ("-x", self.no_x11),
            ("-C", self.compress),
            ("-q", self.quiet),
            ("-s", self.subsystem),
            ("-g", self.gateway_ports),
            ("-M", self.master),
            ("-4", self.ipv4),
            ("-6", self.ipv6),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| OsString::from(flag));
        [
            many("-L", &self.local),
            many("-R", &self.remote),
            many("-D", &self.dynamic),
            many("-o", &self.option),
            one("-W", &self.stdio),
            one("-e", &self.escape),
            one("-E", &self.log),
            counted("-t", self.tty),
            counted("-v", self.verbose),
            flags.collect(),
        ]
        .concat()
    }
}

impl Ssh {
    pub(super) fn run(self) -> ExitCode {
        let error = self.become_ssh();
        let said = error.report("msh");
        // As ssh does for its own failures; what was asked for wrongly is no failure of ssh.
        if error.kind() == Kind::Usage { said } else { ExitCode::from(SSH_FAILED) }
    }

    /// Comes back with the reason why not.
    fn become_ssh(&self) -> CommandError {
        match self.command() {
            Ok(command) => openssh::run(command),
            Err(error) => error,
        }
    }

    fn command(&self) -> Result<std::process::Command, CommandError> {
        let mut to = Destination::parse(&self.destination)?;
        if let Some(login) = &self.login {
            let login = Login::parse(login)?;
            if to.login.as_ref().is_some_and(|named| *named != login) {
                return Err(CommandError::usage("the login is named twice"));
            }
            to.login = Some(login);
        }
        let credentials = match &self.cert {
            Some(certificate) => Credentials::beside(certificate)?,
            None => self.access.open()?,
        };
        let mut command = openssh::command("ssh", &credentials, &to)?;
        command.args(self.options.words()).arg(to.node.host.to_string());
        // ssh looks for options behind the host too.
        if !self.command.is_empty() {
            command.arg("--").args(&self.command);
        }
        Ok(command)
    }
}
