//! `mezctl tokens add`

use clap::{Args, ValueEnum};
use mezite_api::client::Client;
use mezite_api::token::{FreeTokenType, TokenAdd, TokenIssued};
use mezite_api::{Labels, duration};
use mezite_console::CommandError;
use mezite_console::output::{Format, Output, print};

/// Makes a join token.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What it is good for.
    #[arg(long = "type", value_enum)]
    token_type: Type,
    /// How long it is good: 30m, 1h (the default), 2d.
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// Labels that the node gets, whatever it says itself: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    /// The entry of a node.
    Node,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let Type::Node = self.token_type;
        let ttl = self.ttl.as_deref().map(duration::parse).transpose();
        let request = TokenAdd {
            token_type: FreeTokenType::Node,
            ttl: ttl.map_err(|invalid| invalid.in_field("ttl"))?,
            labels: Labels::parse(&self.labels)?,
        };
        request.check()?;
        let issued = client.add_token(&request)?;
        if self.output.format != Format::Text {
            return self.output.document(&issued);
        }
        explain(&issued);
        print(&format!("{}\n", issued.token.expose()))
    }
}

/// What to do with it. On stderr, so that `TOKEN=$(mezctl tokens add …)` has the token alone.
fn explain(issued: &TokenIssued) {
    let TokenIssued { info, server, .. } = issued;
    let labels = if info.labels.is_empty() { "none".to_owned() } else { info.labels.to_string() };
    eprintln!(
        "good for one node, until {}, labels: {labels}\n\n\
         On the node, as root, with mezd:\n  \
         mezd join openssh --address HOST:22 --server {server} --token TOKEN\n\n\
         Or by a script that needs nothing but sh and curl:\n  \
         mezctl nodes join-script --gateway {server} >mezite-join.sh\n  \
         MEZD_JOIN_TOKEN=TOKEN sh mezite-join.sh --address HOST:22\n",
        info.expires,
    );
}
