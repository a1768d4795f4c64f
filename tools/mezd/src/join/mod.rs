//! `mezd join openssh`: lets the sshd of this machine join, proves that it is open, and takes it out again.
//!
//! Nothing is replaced before sshd has approved of it, and everything is undone when the gateway does not find the node
//! open afterwards.

mod certificates;
mod config;
mod error;
mod exchange;
mod files;
mod host_keys;
mod install;
mod layout;
mod remove;
mod sshd;
mod state;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mezite_api::{Labels, Login, NodeAddress, NodeName};
use mezite_ca::TokenKind;
use mezite_identity::TokenArgument;

use crate::{join_token, process};
use error::JoinError;
use install::Join;
use sshd::Sshd;

/// The join token.
const TOKEN: TokenArgument = join_token("--token", TokenKind::Node);
/// A login that is everywhere.
const ROOT: &str = "root";

/// What joins.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// The OpenSSH server of this machine
    ///
    /// Exit codes: 0 joined or removed, 1 failed and everything undone, 2 usage, 3 token refused, 4 gateway not trusted, 5
    /// name or address taken.
    Openssh(Box<OpenSsh>),
}

#[derive(Args)]
pub(crate) struct OpenSsh {
    /// Where this machine's sshd is reached from the gateway
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "remove")]
    address: Option<String>,
    /// The HTTPS address of the gateway; the port is 3025 where none is given
    #[arg(
        long,
        visible_alias = "proxy-server",
        value_name = "HOST:PORT",
        env = "MEZITE_AUTH_SERVER",
        required_unless_present = "remove"
    )]
    server: Option<String>,
    /// The token of 'mezctl tokens add --type=node': better as @FILE, as @- for stdin, or in `MEZD_JOIN_TOKEN`
    #[arg(long, value_name = "TOKEN|@FILE")]
    token: Option<String>,
    /// How this machine proves that it may join: by a token is the only way
    #[arg(long, value_name = "METHOD", value_parser = ["token"], default_value = "token", hide_default_value = true)]
    join_method: String,
    /// Labels beside those of the token, which win: key=value,key2=value2
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    /// The node's name; the host name by default
    #[arg(long)]
    name: Option<String>,
    /// Get a host certificate too, for those who come by another way than the gateway
    #[arg(long)]
    host_cert: bool,
    /// The pin of the gateway's TLS CA, sha256:…; tokens bring it along
    #[arg(long, value_name = "PIN", env = "MEZITE_CA_PIN")]
    ca_pin: Option<String>,
    /// sshd's configuration
    #[arg(long, value_name = "PATH", default_value = "/etc/ssh/sshd_config")]
    sshd_config: PathBuf,
    /// sshd itself
    #[arg(long, value_name = "PATH")]
    sshd: Option<PathBuf>,
    /// How sshd is told to read its configuration again; by systemd, else by SIGHUP
    #[arg(long, value_name = "COMMAND")]
    reload_command: Option<String>,
    /// A login that exists here: the join fails when the gateway would not be let in as it
    #[arg(long, value_name = "LOGIN")]
    probe_login: Option<String>,
    /// Where sshd trusts another CA already, write the cluster's keys into that file
    #[arg(long)]
    merge_ca: bool,
    /// Take everything out again, and remove the node's entry; what else is given says nothing then
    #[arg(long)]
    remove: bool,
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        let Self::Openssh(wanted) = self;
        let done = if wanted.remove { remove::run(*wanted) } else { wanted.join() };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
                eprintln!("mezd: {}", error.to_string().chars().map(printable).collect::<String>());
                ExitCode::from(error.exit_code())
            }
        }
    }
}

impl OpenSsh {
    fn join(self) -> Result<(), JoinError> {
        // Ends this program and begins it anew where others can see the token now.
        TOKEN.hide(self.token.as_deref())?;
        if let Err(error) = process::harden() {
            log::warn!(error:%; "the process is not hardened");
        }
        self.checked()?.run()
    }

    fn checked(self) -> Result<Join, JoinError> {
        let missing = |flag: &str| JoinError::Usage(format!("--{flag} is not set"));
        let token = self.token.as_deref().map(|text| TOKEN.read(text)).transpose()?;
        let pin = self.ca_pin.as_deref().filter(|pin| !pin.is_empty()).map(str::parse).transpose()?;
        let name =
            self.name.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Ok(Join {
            addr: NodeAddress::parse(&self.address.ok_or_else(|| missing("address"))?)?,
            server: self.server.ok_or_else(|| missing("server"))?.parse()?,
            pin: pin.or(token.as_ref().and_then(|token| token.pin)),
            token,
            labels: Labels::parse(&self.labels)?,
            name: NodeName::parse(&name)?,
            login: Login::parse(self.probe_login.as_deref().unwrap_or(ROOT))?,
            must_trust: self.probe_login.is_some(),
            host_cert: self.host_cert,
            merge_ca: self.merge_ca,
            reload: self.reload_command,
            sshd: Sshd::find(self.sshd, &self.sshd_config)?,
        })
    }
}
