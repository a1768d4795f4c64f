//! `mezctl tokens ls`

use clap::Args;
use mezite_api::bot::TokenState;
use mezite_api::client::Client;
use mezite_api::token::TokenInfo;
use mezite_console::CommandError;
use mezite_console::output::{Output, dash, local};

/// Lists the tokens.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let tokens = client.tokens()?;
        self.output.list(&tokens, &["ID", "TYPE", "FOR", "STATE", "EXPIRES", "BY"], |token| {
            vec![
                token.id.to_string(),
                token.token_type.as_str().to_owned(),
                purpose(token),
                state(token),
                local(token.expires),
                token.created_by.clone(),
            ]
        })
    }
}

fn purpose(token: &TokenInfo) -> String {
    match &token.subject {
        Some(subject) => subject.to_string(),
        None if token.labels.is_empty() => dash(),
        None => token.labels.to_string(),
    }
}

fn state(token: &TokenInfo) -> String {
    match (token.state, &token.used) {
        (TokenState::Spent, Some(used)) => format!("used from {}", used.source),
        (TokenState::Spent, None) => "used".to_owned(),
        (TokenState::Open, _) => "open".to_owned(),
        (TokenState::Expired, _) => "expired".to_owned(),
    }
}
