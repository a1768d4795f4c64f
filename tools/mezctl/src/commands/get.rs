//! `mezctl get`

use clap::Args;
use mezite_api::bot::Bot;
use mezite_api::client::{Client, ClientError};
use mezite_api::role::RoleDocument;
use mezite_api::user::UserKind;
use mezite_api::{Invalid, Lock, Node, NodeRef, ProblemCode, RoleName, User, UserName};
use mezite_console::output::{Format, Output, print};
use mezite_console::{CommandError, Kind as ErrorKind};
use serde::Serialize;
use serde_json::Value;

use super::nodes::ls::show_verbose;
use crate::documents::{BotDocument, Kind, LockDocument, NodeDocument, UserDocument, lock_id};
use crate::listing::{self, Listed};

/// Shows what there is, as documents.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// KIND, KIND/NAME or all; kinds are role, user, bot, node and lock.
    #[arg(value_name = "KIND[/NAME]", required = true)]
    wanted: Vec<String>,
    /// The form of the output; by default a table, and YAML where all that is wanted has a name.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl Get {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let mut wanted = Vec::new();
        for text in &self.wanted {
            match text.split_once('/') {
                Some((kind, name)) => wanted.push((Kind::parse(kind)?, Some(name))),
                None if text == "all" => wanted.extend(Kind::ALL.map(|kind| (kind, None))),
                None => wanted.push((Kind::parse(text)?, None)),
            }
        }
        let named = wanted.iter().all(|(_, name)| name.is_some());
        let format = self.format.unwrap_or(if named { Format::Yaml } else { Format::Text });
        let mut shown = Shown { output: Output { format }, several: wanted.len() > 1, documents: Vec::new() };
        for (kind, name) in wanted {
            shown.take(client, kind, name)?;
        }
        match format {
            Format::Text => Ok(()),
            Format::Json => shown.output.document(&shown.documents),
            Format::Yaml => shown.output.stream(&shown.documents),
        }
    }
}

/// What is shown: tables at once, documents at the end, as one array or stream.
struct Shown {
    output: Output,
    several: bool,
    documents: Vec<Value>,
}

impl Shown {
    fn take(&mut self, client: &Client, kind: Kind, name: Option<&str>) -> Result<(), CommandError> {
        match kind {
            Kind::Role => {
                let roles = one_or_all(client, name, RoleName::parse, Client::role)?;
                self.add(kind, &roles, |role: &RoleDocument| Ok(revised(role)))
            }
            Kind::User => {
                let mut users = one_or_all(client, name, UserName::parse, Client::user)?;
                users.retain(|user: &User| user.kind == UserKind::Person);
                if let (Some(name), []) = (name, &users[..]) {
                    return Err(CommandError::new(
                        ErrorKind::NotFound,
                        format!("{name} is a bot; see bot/{name}"),
                    ));
                }
                self.add(kind, &users, |user| value(&UserDocument::of(user)))
            }
            Kind::Bot => {
                let bots = one_or_all(client, name, UserName::parse, Client::bot)?;
                self.add(kind, &bots, |bot: &Bot| value(&BotDocument::of(bot)))
            }
            Kind::Node => {
                let nodes = match name {
                    Some(name) => nodes_meant(client, &NodeRef::parse(name)?)?,
                    None => Node::all(client)?,
                };
                if self.output.format == Format::Text {
                    self.heading(kind)?;
                    return show_verbose(self.output, &nodes);
                }
                self.add(kind, &nodes, |node: &Node| value(&NodeDocument::of(node)))
            }
            Kind::Lock => {
                let locks = one_or_all(client, name, lock_id, |client, id| client.lock(*id))?;
                self.add(kind, &locks, |lock: &Lock| value(&LockDocument::of(lock)))
            }
        }
    }

    fn heading(&self, kind: Kind) -> Result<(), CommandError> {
        if self.several { print(&format!("# {kind}\n")) } else { Ok(()) }
    }

    fn add<T: Listed>(
        &mut self,
        kind: Kind,
        items: &[T],
        document: impl Fn(&T) -> Result<Value, CommandError>,
    ) -> Result<(), CommandError> {
        if self.output.format == Format::Text {
            self.heading(kind)?;
            return listing::show(self.output, items);
        }
        for item in items {
            self.documents.push(document(item)?);
        }
        Ok(())
    }
}

/// The node of this UUID or name; else all at this address, for whoever may list them.
fn nodes_meant(client: &Client, node: &NodeRef) -> Result<Vec<Node>, CommandError> {
    match client.node(node) {
        Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Conflict => {
            client.nodes_meant(node).map_err(|_| problem.into())
        }
        answer => Ok(vec![answer?]),
    }
}

fn one_or_all<T: Listed, N>(
    client: &Client,
    name: Option<&str>,
    parse: impl Fn(&str) -> Result<N, Invalid>,
    one: impl Fn(&Client, &N) -> Result<T, ClientError>,
) -> Result<Vec<T>, CommandError> {
    match name {
        Some(name) => Ok(vec![one(client, &parse(name)?)?]),
        None => Ok(T::all(client)?),
    }
}

pub(super) fn value<T: Serialize>(document: &T) -> Result<Value, CommandError> {
    serde_json::to_value(document).map_err(|error| CommandError::new(ErrorKind::Failed, error.to_string()))
}

/// The document of a role with its revision.
pub(super) fn revised(role: &RoleDocument) -> Value {
    let mut document = role.document.clone();
    if let (Some(metadata), false) = (document["metadata"].as_object_mut(), role.built_in) {
        metadata.insert("revision".to_owned(), role.revision.into());
    }
    document
}
