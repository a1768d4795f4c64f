//! `mezctl users`

mod add;
mod get;
mod ls;
mod reset;
mod rm;
mod update;

use std::time::Duration;

use clap::Subcommand;
use mezite_api::client::Client;
use mezite_api::person::SetupToken;
use mezite_api::user::Traits;
use mezite_api::{Invalid, Login, RoleName, User, duration};
use mezite_console::CommandError;
use mezite_console::output::{local, print};

use crate::listing::Ls;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a user.
    Add(add::Add),
    /// Show a user.
    Get(get::Get),
    /// List the users.
    Ls(Ls<User>),
    /// Change a user.
    Update(update::Update),
    /// Make the password of a user void; prints the line to set a new one up.
    Reset(reset::Reset),
    /// Remove a user.
    Rm(rm::Rm),
}

impl Verb {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        match self {
            Self::Add(add) => add.run(client),
            Self::Get(get) => get.run(client),
            Self::Ls(ls) => ls.run(client),
            Self::Update(update) => update.run(client),
            Self::Reset(reset) => reset.run(client),
            Self::Rm(rm) => rm.run(client),
        }
    }
}

fn token_ttl(text: &str) -> Result<Duration, Invalid> {
    duration::parse(text).map_err(|invalid| invalid.in_field("token_ttl"))
}

/// The line that the person is to be given.
fn line(setup: &SetupToken) -> Result<(), CommandError> {
    eprintln!("good once, until {}; give it to {} and nobody else:", local(setup.expires), setup.user);
    print(&format!("msh setup --proxy {} --token {}\n", setup.proxy, setup.token.expose()))
}

fn roles(names: &[String]) -> Result<Vec<RoleName>, Invalid> {
    given(names).map(|name| RoleName::parse(name).map_err(|invalid| invalid.in_field("roles"))).collect()
}

fn logins(names: &[String]) -> Result<Vec<Login>, Invalid> {
    given(names).map(|name| Login::parse(name).map_err(|invalid| invalid.in_field("logins"))).collect()
}

/// `--set-logins=` gives one empty name: none.
fn given(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| !name.is_empty())
}

/// `name=value`, as often as there are values.
fn traits(pairs: &[String]) -> Result<Traits, Invalid> {
    let mut traits = Traits::new();
    for pair in given(pairs) {
        let (name, value) = pair.split_once('=').ok_or(Invalid::new("trait", "must be name=value"))?;
        traits.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    Ok(traits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn traits_gather_their_values() {
        let traits = traits(&strings(&["team=db", "team=web", "site=a=b"])).unwrap();
        assert_eq!(traits["team"], ["db", "web"]);
        assert_eq!(traits["site"], ["a=b"]);
        super::traits(&strings(&["team"])).unwrap_err();
    }

    #[test]
    fn nothing_given_is_nothing() {
        assert_eq!(logins(&strings(&[""])).unwrap(), []);
        assert_eq!(roles(&strings(&["a b"])).unwrap_err().field, "roles");
    }
}
