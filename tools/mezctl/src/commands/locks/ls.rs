//! `mezctl locks ls`

use clap::Args;
use mezite_api::LockTarget;
use mezite_api::client::Client;
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local, local_or_dash};

/// Lists the locks that are in force.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let locks = client.locks()?;
        self.output.list(&locks, &["ID", "LOCKED", "SINCE", "UNTIL", "BY", "MESSAGE"], |lock| {
            vec![
                lock.id.to_string(),
                target(&lock.target),
                local(lock.created),
                local_or_dash(lock.expires),
                lock.created_by.clone(),
                lock.message.clone().unwrap_or_else(dash),
            ]
        })
    }
}

fn target(target: &LockTarget) -> String {
    match target {
        LockTarget::User(name) => format!("user {name}"),
        LockTarget::Role(name) => format!("role {name}"),
        LockTarget::Login(name) => format!("login {name}"),
        LockTarget::Node(id) => format!("node {id}"),
        LockTarget::Bot(name) => format!("bot {name}"),
        LockTarget::Instance(id) => format!("instance {id}"),
        LockTarget::Session(id) => format!("session {id}"),
        LockTarget::MfaDevice(id) => format!("mfa device {id}"),
        LockTarget::SourceIp(ip) => format!("source {ip}"),
    }
}
