//! What the gateway is measured against. Each yardstick is this very program, started again with other arguments, so
//! that its processor time and memory can be seen.

mod node;
mod russh_relay;
mod tcp_relay;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use mezite_fixtures::Running;

/// The first argument of a program that is to be a yardstick.
const CALLED: &str = "yardstick";

/// What a started yardstick is told.
#[derive(Debug, Parser)]
pub enum Yardstick {
    /// A relay of TCP connections to `node` that knows nothing of SSH.
    TcpRelay {
        /// The node's sshd.
        node: SocketAddr,
    },
    /// A relay of SSH connections that is made of the `russh` crate.
    RusshRelay(RusshRelay),
    /// A node made of our own engine.
    Node {
        /// Its host key.
        key: PathBuf,
    },
}

/// Settings of the `russh` relay.
#[derive(Clone, Debug, Parser)]
pub struct RusshRelay {
    /// The node's sshd.
    pub node: SocketAddr,
    /// The login on the node.
    pub login: String,
    /// The relay's private key: its host key, and what it proves to the node.
    pub key: PathBuf,
    /// The only public key that it lets in.
    pub client: PathBuf,
    /// The only cipher on both legs; none: what `russh` prefers.
    pub cipher: Option<String>,
}

/// The yardstick that this process was started as, if it was.
pub fn from_arguments() -> Option<Yardstick> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // Instead of the name of the program, clap sees the word.
    arguments.next_if(|first| first == CALLED)?;
    Some(Yardstick::parse_from(std::iter::once(CALLED.into()).chain(arguments)))
}

impl Yardstick {
    /// Serves until it is killed.
    pub fn serve(self) -> ExitCode {
        let served = match self {
            Self::TcpRelay { node } => tcp_relay::serve(node).map_err(Into::into),
            Self::RusshRelay(settings) => russh_relay::serve(settings),
            Self::Node { key } => node::serve(&key),
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("yardstick: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::TcpRelay { node } => vec!["tcp-relay".to_owned(), node.to_string()],
            Self::Node { key } => vec!["node".to_owned(), key.display().to_string()],
            Self::RusshRelay(relay) => {
                let mut all = vec!["russh-relay".to_owned(), relay.node.to_string(), relay.login.clone()];
                all.extend([&relay.key, &relay.client].map(|path| path.display().to_string()));
                all.extend(relay.cipher.clone());
                all
            }
        }
    }

    /// Starts it as a process of its own.
    pub fn start(&self, log: &Path) -> Started {
        let mut command = Command::new(std::env::current_exe().expect("the path of the benchmark"));
        command.arg(CALLED).args(self.arguments()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command, log);
        let line = running.line();
        let address =
            line.parse().unwrap_or_else(|_| panic!("a yardstick does not start: {line}{}", running.log()));
        Started { running, address }
    }
}

/// A yardstick that runs.
pub struct Started {
    running: Running,
    address: SocketAddr,
}

impl Started {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}
