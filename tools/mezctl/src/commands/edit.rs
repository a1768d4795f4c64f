//! `mezctl edit`

use std::path::Path;

use clap::Args;
use mezite_api::client::Client;
use mezite_api::user::UserKind;
use mezite_api::{NodeRef, RoleName, UserName};
use mezite_console::output::{Format, Output};
use mezite_console::{CommandError, Kind as ErrorKind};
use serde_json::Value;

use super::get::{revised, value};
use crate::documents::{BotDocument, Declared, Kind, NodeDocument, Stored, UserDocument, conflict, reader};
use crate::editor::Draft;

/// Changes a document in your editor ($VISUAL, $EDITOR, vi).
///
/// It is changed only where nobody else has changed it meanwhile. What cannot be taken is kept in a file.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// role/NAME, user/NAME, bot/NAME, or node/ and its UUID, name or address.
    #[arg(value_name = "KIND/NAME")]
    wanted: String,
}

impl Edit {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let parts = self.wanted.split_once('/');
        let (kind, name) = parts.ok_or_else(|| CommandError::usage("must be KIND/NAME, as node/db-1"))?;
        let kind = Kind::parse(kind)?;
        let text = Output { format: Format::Yaml }.text(&document(client, kind, name)?)?;
        let before = one(&text)?;
        let draft = Draft::new(&format!("{kind}.yaml"), &text)?;
        let done = draft.edit().and_then(|()| put_back(client, &draft, &text, before.as_ref()));
        match done {
            Ok(done) => {
                eprintln!("{done} {kind} {}", before.name());
                Ok(())
            }
            Err(error) if !draft.is_other_than(&text) => Err(error),
            Err(error) => Err(error.hint(format!("what you wrote is kept in {}", draft.keep().display()))),
        }
    }
}

/// The document as it is edited: what is configured, and at which revision.
fn document(client: &Client, kind: Kind, name: &str) -> Result<Value, CommandError> {
    let mut document = match kind {
        Kind::Role => {
            let role = client.role(&RoleName::parse(name)?)?;
            if role.built_in {
                return Err(conflict(format!("{} is a built-in role and cannot be changed", role.name)));
            }
            revised(&role)
        }
        Kind::User => {
            let user = client.user(&UserName::parse(name)?)?;
            if user.kind == UserKind::Bot {
                let error = CommandError::new(ErrorKind::NotFound, format!("{name} is a bot"));
                return Err(error.hint(format!("see bot/{name}")));
            }
            value(&UserDocument::of(&user))?
        }
        Kind::Bot => value(&BotDocument::of(&client.bot(&UserName::parse(name)?)?))?,
        Kind::Node => value(&NodeDocument::of(&client.node(&NodeRef::parse(name)?)?))?,
        Kind::Lock => {
            let error = CommandError::usage("a lock is made anew, not edited");
            return Err(error.hint("'mezctl locks rm' and 'mezctl locks add'"));
        }
    };
    if let Some(document) = document.as_object_mut() {
        document.remove("status");
    }
    Ok(document)
}

/// The one document of a text.
fn one(text: &str) -> Result<Box<dyn Declared>, CommandError> {
    let found = reader::read_text(Path::new("the edited text"), text)?;
    let [found] = <[_; 1]>::try_from(found)
        .map_err(|found| CommandError::usage(format!("there must be one document, not {}", found.len())))?;
    Ok(found.document)
}

/// Puts the edited document in the place of the one before; says what was done.
fn put_back(
    client: &Client,
    draft: &Draft,
    text: &str,
    before: &dyn Declared,
) -> Result<&'static str, CommandError> {
    let edited = draft.text()?;
    if edited == text {
        return Ok("unchanged");
    }
    let edited = one(&edited)?;
    if (edited.kind(), edited.identity()) != (before.kind(), before.identity()) {
        let (kind, identity) = (before.kind(), before.identity());
        return Err(CommandError::usage(format!(
            "kind and metadata.name may not be changed: they must be {kind} and {identity}"
        )));
    }
    match edited.stored(client)? {
        Stored::Same(_) => Ok("unchanged"),
        Stored::Absent | Stored::Moot(_) => Err(conflict("it was removed meanwhile")),
        // Not at the revision that the text says, which may have been edited.
        Stored::Other(_) => edited.replace(client, before.revision()).map(|()| "changed"),
    }
}
