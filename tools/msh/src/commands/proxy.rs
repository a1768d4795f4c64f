//! `msh proxy ssh`

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;

use clap::{Args, Subcommand};
use mezite_api::{Invalid, Login, NodeRef};
use mezite_console::{CommandError, Kind};
use mezite_identity::way;

use crate::access::{Access, Place};

/// Ways to nodes for other programs.
#[derive(Debug, Subcommand)]
pub(crate) enum Proxy {
    /// The way to a node, as ssh's proxy command; it hands the connection over where ssh asks for that.
    Ssh(SshProxy),
}

/// Opens the way to a node for ssh.
#[derive(Debug, Args)]
pub(crate) struct SshProxy {
    #[command(flatten)]
    access: Access,
    /// Where the gateway serves SSH, in place of what a profile says.
    #[arg(long, value_name = "HOST:PORT")]
    gateway: Option<String>,
    /// The cluster; there is one.
    #[arg(long)]
    cluster: Option<String>,
    /// `[LOGIN@]NODE:PORT`, as %r@%h:%p is.
    target: String,
}

impl Proxy {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let Self::Ssh(proxy) = self;
        proxy.run()
    }
}

impl SshProxy {
    fn run(self) -> Result<ExitCode, CommandError> {
        let node = match self.target.rsplit_once('@') {
            // Who logs in is said by ssh itself.
            Some((login, node)) => Login::parse(login).map(|_| node)?,
            None => self.target.as_str(),
        };
        let (host, port) =
            node.rsplit_once(':').ok_or_else(|| Invalid::new("target", "must be NODE:PORT"))?;
        let port: u16 = port.parse().map_err(|_| Invalid::new("target", "must be NODE:PORT"))?;
        NodeRef::parse(host.trim_start_matches('[').trim_end_matches(']'))?;
        let gateway: Place = match &self.gateway {
            Some(gateway) => gateway.parse()?,
            None => self.access.open()?.gateway,
        };
        let gateway = gateway.to_string();
        let failed = |error: io::Error| CommandError::new(Kind::Unreachable, format!("{gateway}: {error}"));
        let stream = way::open(&gateway, host, port).map_err(failed)?;
        if way::is_awaited() {
            way::hand_over(&stream).map_err(failed)?;
        } else {
            between(&stream)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Passes bytes on, where ssh has not asked for the connection itself.
fn between(stream: &TcpStream) -> io::Result<()> {
    let gateway = stream.try_clone()?;
    let stdin = File::from(rustix::io::dup(io::stdin())?);
    thread::spawn(move || {
        let _ = pass_on(&stdin, &gateway);
        let _ = gateway.shutdown(Shutdown::Write);
    });
    pass_on(stream, &File::from(rustix::io::dup(io::stdout())?))
}

/// Each piece as it comes: `io::copy` would let the kernel hold back what looks like a part of more.
fn pass_on(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(()),
            count => to.write_all(piece.get(..count).unwrap_or_default())?,
        }
    }
}
