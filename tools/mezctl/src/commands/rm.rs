//! `mezctl rm`

use std::path::PathBuf;

use clap::Args;
use mezite_api::Invalid;
use mezite_api::client::Client;
use mezite_console::CommandError;

use crate::documents::{Kind, reader};

/// Removes things by name, or those that documents describe.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// role/NAME, user/NAME, bot/NAME, node/NAME or lock/UUID.
    #[arg(value_name = "KIND/NAME", required_unless_present = "files")]
    names: Vec<String>,
    /// Documents whose names count; - is stdin. May be repeated.
    #[arg(short, long = "file", value_name = "FILE", conflicts_with = "names")]
    files: Vec<PathBuf>,
}

impl Rm {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let names = self.names.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
        for (kind, name) in names {
            kind.remove(client, name)?;
            eprintln!("removed {kind} {name}");
        }
        if self.files.is_empty() {
            return Ok(());
        }
        let mut all = reader::read(&self.files)?;
        // What refers to others goes before them.
        all.sort_by_key(|found| std::cmp::Reverse(found.document.kind()));
        for found in all {
            let (kind, name) = (found.document.kind(), found.document.name());
            found.document.remove(client).map_err(|error| {
                error
                    .within(&PathBuf::from(format!("line {}: {kind} {name}", found.line)))
                    .within(&found.file)
            })?;
            eprintln!("removed {kind} {name}");
        }
        Ok(())
    }
}

fn named(text: &str) -> Result<(Kind, &str), Invalid> {
    let (kind, name) = text.split_once('/').ok_or(Invalid::new("name", "must be KIND/NAME"))?;
    Ok((Kind::parse(kind)?, name))
}
