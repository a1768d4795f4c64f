//! `mezctl bots`

mod add;
mod instances;
mod lock;
mod ls;
mod oidc;
mod reusable;
mod rm;
mod rotate_token;
mod show;
mod unlock;

use clap::Subcommand;
use mezite_api::bot::{Bot, BotIssued, IssuedToken, TokenState};
use mezite_api::client::Client;
use mezite_api::{Invalid, UserName, duration};
use mezite_console::CommandError;
use mezite_console::error::Kind;
use mezite_console::output::{Format, Output, dash, joined, local, print};

use crate::listing::Ls;

/// What to do with bots.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a bot; prints its join token, or the job that joins without one.
    Add(add::Add),
    /// List the bots.
    Ls(Ls<Bot>),
    /// Show a bot.
    Show(show::Show),
    /// List the instances of a bot: one for each join.
    Instances(instances::Instances),
    /// Replace the join token; prints the new one.
    RotateToken(rotate_token::RotateToken),
    /// Lock a bot with all its instances.
    Lock(lock::Lock),
    /// Unlock a bot, or one of its instances.
    Unlock(unlock::Unlock),
    /// Remove a bot with its token and its instances.
    Rm(rm::Rm),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Add(add) => add.run(client),
            Self::Ls(ls) => ls.run(client),
            Self::Show(show) => show.run(client),
            Self::Instances(instances) => instances.run(client),
            Self::RotateToken(rotate) => rotate.run(client),
            Self::Lock(lock) => lock.run(client),
            Self::Unlock(unlock) => unlock.run(client),
            Self::Rm(rm) => rm.run(client),
        }
    }
}

fn named(bot: &str) -> Result<UserName, Invalid> {
    UserName::parse(bot).map_err(|invalid| invalid.in_field("bot"))
}

fn time(text: Option<&str>, field: &'static str) -> Result<Option<std::time::Duration>, Invalid> {
    text.map(duration::parse).transpose().map_err(|invalid| invalid.in_field(field))
}

/// What has become of the token, in a word.
fn token_state(bot: &Bot) -> String {
    match &bot.token {
        None if bot.oidc.is_some() => "id tokens".to_owned(),
        None => dash(),
        Some(token) => match token.state {
            TokenState::Open => {
                let left = token.uses_left.map(|left| format!(", {left} uses left")).unwrap_or_default();
                format!("open until {}{left}", local(token.expires))
            }
            TokenState::Spent => "used".to_owned(),
            TokenState::Expired => "expired".to_owned(),
        },
    }
}

fn state(bot: &Bot) -> String {
    let words = [(bot.locked, "locked"), (bot.disabled, "disabled")];
    let words: Vec<&str> = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word).collect();
    if words.is_empty() { "active".to_owned() } else { words.join(",") }
}

/// Shows a fresh token, with the commands to go on with; or the job of a bot that needs none.
fn issued(output: Output, said: &str, issued: &BotIssued) -> Result<(), CommandError> {
    if output.format != Format::Text {
        return output.document(issued);
    }
    if let Some(trust) = &issued.bot.oidc {
        return print(&oidc::workflow(issued, trust));
    }
    let Some(IssuedToken { token, expires }) = &issued.token else {
        return Err(CommandError::new(Kind::Failed, "the gateway has given no token"));
    };
    let token = token.expose();
    print(&format!(
        "{said}: {} (roles: {})\nJoin token: {token} (expires: {})\n\n\
         Use this token with mezd identity:\n  mezd identity start --auth-server={} --join-token={token} \
         --destination=DIR\n",
        issued.bot.name,
        joined(&issued.bot.roles),
        expires,
        issued.auth_server,
    ))
}
