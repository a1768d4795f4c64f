//! `msh scp` and `msh sftp`

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use mezite_console::CommandError;

use crate::access::Access;
use crate::openssh::{self, Destination};

/// Copies files from or to a node, with scp's own options.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of scp")]
pub(crate) struct Scp {
    #[command(flatten)]
    access: Access,
    /// Copy folders
    #[arg(short = 'r')]
    recursive: bool,
    /// Keep times and modes
    #[arg(short = 'p')]
    preserve: bool,
    /// Compress
    #[arg(short = 'C')]
    compress: bool,
    /// Quiet
    #[arg(short = 'q')]
    quiet: bool,
    /// Say more
    #[arg(short = 'v')]
    verbose: bool,
    /// The old protocol of scp. Not with -p: it would keep the setuid bits that a node sends
    #[arg(short = 'O', conflicts_with = "preserve")]
    old: bool,
    /// An option as in ssh's files
    #[arg(short = 'o', value_name = "OPTION")]
    option: Vec<OsString>,
    /// At most so many Kbit/s
    #[arg(short = 'l', value_name = "KBITS")]
    limit: Option<u64>,
    /// Sources, and where to: local paths, or `[LOGIN@]NODE:PATH` of one node
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    paths: Vec<String>,
}

/// Works with files on a node, with sftp's own commands.
#[derive(Debug, Args)]
pub(crate) struct Sftp {
    #[command(flatten)]
    access: Access,
    /// A file with commands
    #[arg(short = 'b', value_name = "FILE")]
    batch: Option<OsString>,
    /// Copy folders
    #[arg(short = 'r')]
    recursive: bool,
    /// `[LOGIN@]NODE`
    destination: String,
}

/// A path on this machine or on a node.
#[derive(Debug, PartialEq, Eq)]
enum Operand {
    Local(String),
    Remote(Destination, String),
}

impl Operand {
    /// As scp decides it: what has a colon before its first slash is on a node.
    fn parse(text: &str) -> Result<Self, CommandError> {
        let (at, rest) = match text.rfind("]:").filter(|end| text[..*end].contains('[')) {
            Some(end) => (Some(end + 1), text),
            None => (text.find(':').filter(|colon| !text[..*colon].contains('/')), text),
        };
        match at {
            Some(colon) => {
                Ok(Self::Remote(Destination::parse(&rest[..colon])?, rest[colon + 1..].to_owned()))
            }
            None => Ok(Self::Local(text.to_owned())),
        }
    }

    /// For scp: the login is among the options.
    fn word(&self) -> String {
        match self {
            // No option.
            Self::Local(path) if path.starts_with('-') => format!("./{path}"),
            Self::Local(path) => path.clone(),
            Self::Remote(to, path) => {
                let host = to.node.host.to_string();
                if host.contains(':') { format!("[{host}]:{path}") } else { format!("{host}:{path}") }
            }
        }
    }
}

impl Scp {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let operands = self.paths.iter().map(|path| Operand::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let mut nodes = operands.iter().filter_map(|operand| match operand {
            Operand::Remote(to, _) => Some(to),
            Operand::Local(_) => None,
        });
        let to =
            nodes.next().ok_or_else(|| CommandError::usage("no path is on a node: [LOGIN@]NODE:PATH"))?;
        if nodes.any(|other| other != to) {
            return Err(CommandError::usage("the paths are on several nodes; copy in two steps"));
        }
        let mut command = openssh::command("scp", &self.access.open()?, to)?;
        let flags = [
            ("-r", self.recursive),
            ("-p", self.preserve),
            ("-C", self.compress),
            ("-q", self.quiet),
            ("-v", self.verbose),
            ("-O", self.old),
        ];
        command.args(flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
        for option in &self.option {
            command.arg("-o").arg(option);
        }
        if let Some(limit) = self.limit {
            command.arg("-l").arg(limit.to_string());
        }
        command.arg("--").args(operands.iter().map(Operand::word));
        Err(openssh::run(command))
    }
}

impl Sftp {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        let to = Destination::parse(&self.destination)?;
        let mut command = openssh::command("sftp", &self.access.open()?, &to)?;
        if let Some(batch) = &self.batch {
            command.arg("-b").arg(batch);
        }
        if self.recursive {
            command.arg("-r");
        }
        let host = to.node.host.to_string();
        command.arg("--").arg(if host.contains(':') { format!("[{host}]") } else { host });
        Err(openssh::run(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_here_or_on_a_node() {
        let word = |text: &str| Operand::parse(text).map(|operand| operand.word()).ok();
        for (text, given) in [
            ("a.txt", "a.txt"),
            ("./a:b", "./a:b"),
            ("/tmp/a:b", "/tmp/a:b"),
            ("-rf", "./-rf"),
            ("node1:", "node1:"),
            ("deploy@node1:/tmp/x y", "node1:/tmp/x y"),
            ("deploy@[fd00::7]:x", "[fd00::7]:x"),
        ] {
            assert_eq!(word(text).as_deref(), Some(given), "{text}");
        }
        for text in ["-oX:y", "$(id):x", "a b:x", "x@y@z:p"] {
            assert_eq!(word(text), None, "{text}");
        }
    }
}
