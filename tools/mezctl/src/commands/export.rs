//! `mezctl export`

use clap::Args;
use mezite_api::bot::Bot;
use mezite_api::client::Client;
use mezite_api::role::RoleDocument;
use mezite_api::user::UserKind;
use mezite_api::{Lock, Node, User};
use mezite_console::CommandError;
use mezite_console::output::{Format, Output};
use serde::Serialize;

use crate::documents::{BotDocument, LockDocument, NodeDocument, RoleFile, UserDocument};
use crate::listing::Listed as _;

/// Prints all that is configured, as documents for 'mezctl apply'.
///
/// Roles that are not built in, people, bots, nodes and locks, without secrets: no passwords, no tokens.
#[derive(Debug, Args)]
pub(crate) struct Export {}

impl Export {
    #[expect(clippy::unused_self, reason = "as every command")]
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        // All of it is read before the first line is written: what is printed is whole.
        let roles = RoleDocument::all(client)?;
        let roles = roles.iter().filter(|role| !role.built_in).map(RoleFile::of);
        let roles = roles.collect::<Result<Vec<_>, _>>()?;
        let mut users = User::all(client)?;
        users.retain(|user| user.kind == UserKind::Person);
        let (bots, nodes, mut locks) = (Bot::all(client)?, Node::all(client)?, Lock::all(client)?);
        locks.sort_by_key(|lock| lock.id);

        write_all(&roles)?;
        write_all(&users.iter().map(|user| UserDocument::of(user).bare()).collect::<Vec<_>>())?;
        write_all(&bots.iter().map(|bot| BotDocument::of(bot).bare()).collect::<Vec<_>>())?;
        write_all(&nodes.iter().map(|node| NodeDocument::of(node).bare()).collect::<Vec<_>>())?;
        write_all(&locks.iter().map(|lock| LockDocument::of(lock).bare()).collect::<Vec<_>>())
    }
}

fn write_all<T: Serialize>(documents: &[T]) -> Result<(), CommandError> {
    Output { format: Format::Yaml }.stream(documents)
}
