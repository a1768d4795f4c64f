//! `mezctl locks add`

use std::net::IpAddr;

use clap::Args;
use mezite_api::client::Client;
use mezite_api::lock::LockAdd;
use mezite_api::{Invalid, LockTarget, Login, NodeRef, RoleName, UserName, duration};
use mezite_console::CommandError;
use uuid::Uuid;

/// Locks something: no new connections, no certificates.
#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    target: Target,
    /// How long: 30m, 8h, 2d; for ever when it is not given.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// What is shown to whom it shuts out.
    #[arg(long)]
    message: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// A person or bot.
    #[arg(long)]
    user: Option<String>,
    /// Everybody with this role.
    #[arg(long)]
    role: Option<String>,
    /// A local account, on every node.
    #[arg(long)]
    login: Option<String>,
    /// A node, by UUID or name.
    #[arg(long)]
    node: Option<String>,
    /// A bot with all its instances.
    #[arg(long)]
    bot: Option<String>,
    /// One instance of a bot.
    #[arg(long, value_name = "UUID")]
    instance: Option<String>,
    /// One session.
    #[arg(long, value_name = "UUID")]
    session: Option<String>,
    /// A second factor.
    #[arg(long, value_name = "UUID")]
    mfa_device: Option<String>,
    /// An address that clients come from.
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<String>,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let ttl = self.ttl.as_deref().map(duration::parse).transpose();
        let request = LockAdd {
            ttl: ttl.map_err(|invalid| invalid.in_field("ttl"))?,
            message: self.message,
            ..LockAdd::on(self.target.read(client)?)
        };
        request.check()?;
        let lock = client.add_lock(&request)?;
        eprintln!("added lock {}", lock.id);
        Ok(())
    }
}

impl Target {
    fn read(self, client: &Client) -> Result<LockTarget, CommandError> {
        let given = [
            self.user.map(|name| UserName::parse(&name).map(LockTarget::User)),
            self.role.map(|name| RoleName::parse(&name).map(LockTarget::Role)),
            self.login.map(|name| Login::parse(&name).map(LockTarget::Login)),
            self.bot.map(|name| UserName::parse(&name).map(LockTarget::Bot)),
            self.instance.map(|id| uuid("instance", &id).map(LockTarget::Instance)),
            self.session.map(|id| uuid("session", &id).map(LockTarget::Session)),
            self.mfa_device.map(|id| uuid("mfa_device", &id).map(LockTarget::MfaDevice)),
            self.source_ip.map(|ip| address(&ip).map(LockTarget::SourceIp)),
        ];
        if let Some(target) = given.into_iter().flatten().next() {
            return Ok(target?);
        }
        // Locks name a node by its UUID, so that they outlive its name.
        let node = NodeRef::parse(&self.node.unwrap_or_default())?;
        Ok(LockTarget::Node(client.node(&node)?.id()))
    }
}

fn uuid(field: &'static str, text: &str) -> Result<Uuid, Invalid> {
    Uuid::try_parse(text).map_err(|_| Invalid::new(field, "must be a UUID"))
}

fn address(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new("source_ip", "must be an IP address"))
}
