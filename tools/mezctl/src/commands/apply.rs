//! `mezctl create`, `mezctl apply`

use std::path::PathBuf;

use clap::Args;
use mezite_api::client::Client;
use mezite_console::{CommandError, Kind};

use crate::documents::reader::{self, Found};
use crate::documents::{Kind as DocumentKind, Stored};

/// Most documents that are named in an error.
const MAX_NAMED: usize = 20;

#[derive(Debug, Args)]
struct Files {
    /// The documents; - is stdin.
    #[arg(value_name = "FILE", required_unless_present = "files")]
    given: Vec<PathBuf>,
    /// The documents; - is stdin. May be repeated.
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Files {
    /// All documents, in an order in which none refers to one behind it.
    fn read(self) -> Result<Vec<Found>, CommandError> {
        let mut all = reader::read(&[self.files, self.given].concat())?;
        all.sort_by_key(|found| found.document.kind());
        Ok(all)
    }
}

/// Makes what documents describe. One that exists already is a conflict, and then nothing is made.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    files: Files,
    /// Replace what exists already.
    #[arg(long)]
    force: bool,
}

impl Create {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let all = self.files.read()?;
        if self.force {
            return carry_out(client, &all, &applied(client, &all)?);
        }
        for found in &all {
            let document = &found.document;
            let stored = match look(client, found) {
                // Who may not look may make all the same: then the gateway says what exists.
                Err(error) if error.kind() == Kind::Refused => continue,
                stored => stored?,
            };
            if let Stored::Same(_) | Stored::Other(_) = stored {
                let said =
                    format!("line {}: {} {} exists already", found.line, document.kind(), document.name());
                let error = CommandError::new(Kind::Conflict, said).within(&found.file);
                let other = if document.kind() == DocumentKind::Node {
                    "; another machine needs another hostname"
                } else {
                    ""
                };
                return Err(
                    error.hint(format!("nothing was made; --force or 'mezctl apply' replaces it{other}"))
                );
            }
        }
        carry_out(client, &all, &vec![Act::Create; all.len()])
    }
}

/// Makes what documents describe, or makes it so where it is otherwise.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
}

impl Apply {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let all = self.files.read()?;
        carry_out(client, &all, &applied(client, &all)?)
    }
}

/// What is to be done about a document.
#[derive(Debug, Clone, Copy)]
enum Act {
    Create,
    Replace(Option<u64>),
    Leave(&'static str),
}

/// What the gateway has.
fn look(client: &Client, found: &Found) -> Result<Stored, CommandError> {
    found.document.stored(client).map_err(|error| error.within(&found.file))
}

/// What applying the documents takes.
fn applied(client: &Client, all: &[Found]) -> Result<Vec<Act>, CommandError> {
    let act = |found: &Found| {
        let (stored, wanted) = (look(client, found)?, found.document.revision());
        let (Stored::Same(is) | Stored::Other(is)) = stored else {
            return match (stored, wanted) {
                (Stored::Moot(why), _) => Ok(Act::Leave(why)),
                (_, None) => Ok(Act::Create),
                (_, Some(wanted)) => Err(outdated(found, wanted, "it does not exist")),
            };
        };
        match (wanted, is) {
            (Some(wanted), Some(is)) if wanted != is => {
                Err(outdated(found, wanted, &format!("it is at revision {is}")))
            }
            _ if matches!(stored, Stored::Same(_)) => Ok(Act::Leave("unchanged")),
            _ => Ok(Act::Replace(is)),
        }
    };
    all.iter().map(act).collect()
}

fn outdated(found: &Found, wanted: u64, but: &str) -> CommandError {
    let (line, kind, name) = (found.line, found.document.kind(), found.document.name());
    let said = format!("line {line}: {kind} {name} is wanted at revision {wanted}, but {but}");
    CommandError::new(Kind::Conflict, said).within(&found.file).hint("nothing was changed; look at it again")
}

/// Does it, one after the other. Where one fails, the error says what is not done.
fn carry_out(client: &Client, all: &[Found], acts: &[Act]) -> Result<(), CommandError> {
    for (index, (found, act)) in all.iter().zip(acts).enumerate() {
        let document = &found.document;
        let done = match act {
            Act::Create => document.create(client).map(|()| "created"),
            Act::Replace(revision) => document.replace(client, *revision).map(|()| "replaced"),
            Act::Leave(why) => Ok(*why),
        };
        let (kind, name) = (document.kind(), document.name());
        match done {
            Ok(done @ ("created" | "replaced" | "unchanged")) => eprintln!("{done} {kind} {name}"),
            Ok(why) => eprintln!("left out {kind} {name}: it {why}"),
            Err(error) => {
                let error = error.within(&PathBuf::from(format!("line {}: {kind} {name}", found.line)));
                return Err(error.within(&found.file).hint(undone(&all[index..], index)));
            }
        }
    }
    Ok(())
}

/// What was not done.
fn undone(rest: &[Found], done: usize) -> String {
    let title = |found: &Found| format!("{} {}", found.document.kind(), found.document.name());
    let names: Vec<String> = rest.iter().take(MAX_NAMED).map(title).collect();
    let more = if rest.len() > MAX_NAMED { ", …" } else { "" };
    format!("{done} done before it; {} not done: {}{more}", rest.len(), names.join(", "))
}
