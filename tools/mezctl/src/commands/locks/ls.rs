//! The list of locks.

use mezite_api::client::{Client, ClientError};
use mezite_api::{Lock, LockTarget};
use mezite_console::output::{dash, local, local_or_dash};

use crate::listing::Listed;

impl Listed for Lock {
    const HEADINGS: &'static [&'static str] = &["ID", "LOCKED", "SINCE", "UNTIL", "BY", "MESSAGE"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.locks()
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            target(&self.target),
            local(self.created),
            local_or_dash(self.expires),
            self.created_by.clone(),
            self.message.clone().unwrap_or_else(dash),
        ]
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
