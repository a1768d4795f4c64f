//! What `mezctl bots add` is told of id tokens, and the job that gets certificates with one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mezite_api::Invalid;
use mezite_api::bot::BotIssued;
use mezite_api::oidc::{HttpsUrl, MAX_JWKS_BYTES, OidcTrust, joined as claims};
use mezite_console::CommandError;
use mezite_console::files;
use mezite_console::output::joined;

/// How a bot joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum JoinMethod {
    /// With a join token, which is printed.
    #[default]
    Token,
    /// With id tokens that its pipeline or cluster signs; there is no secret to keep.
    Oidc,
}

/// Whose id tokens, and what must be said in them.
#[derive(Debug, Default, Args)]
pub(super) struct OidcArguments {
    /// How it joins.
    #[arg(long, value_enum, default_value_t)]
    join_method: JoinMethod,
    /// Who signs its id tokens: a URL, `https://token.actions.githubusercontent.com` for one.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The CA of the issuer's server, PEM, where the gateway's system does not trust it.
    #[arg(long, value_name = "FILE")]
    issuer_ca: Option<PathBuf>,
    /// The issuer's keys (a JWK set), where the gateway cannot fetch them; - for stdin.
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// What the id tokens must be for.
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// What the id tokens must say: repository=acme/app,ref=refs/heads/main.
    #[arg(long, value_name = "NAME=VALUE,…", value_delimiter = ',')]
    claims: Vec<String>,
}

impl OidcArguments {
    /// The trust; nothing for a bot with a join token.
    pub(super) fn trust(self) -> Result<Option<OidcTrust>, CommandError> {
        if self.join_method == JoinMethod::Token {
            let given = self.issuer.is_some()
                || self.issuer_ca.is_some()
                || self.jwks_file.is_some()
                || self.audience.is_some()
                || !self.claims.is_empty();
            if given {
                let why =
                    "--issuer, --issuer-ca, --jwks-file, --audience and --claims need --join-method oidc";
                return Err(CommandError::usage(why));
            }
            return Ok(None);
        }
        let max = MAX_JWKS_BYTES as u64;
        let keys = self.jwks_file.map(|path| files::read(&path, max)).transpose()?;
        let keys = keys.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Some(OidcTrust {
            issuer: self.issuer,
            issuer_ca: self.issuer_ca.map(|path| files::read(&path, max)).transpose()?,
            jwks: keys.map_err(|error| Invalid::new("jwks", error.to_string()))?,
            audience: self.audience.ok_or_else(|| CommandError::usage("--audience is not given"))?,
            claims: pairs(&self.claims)?,
        }))
    }
}

fn pairs(all: &[String]) -> Result<BTreeMap<String, String>, Invalid> {
    let mut claims = BTreeMap::new();
    for pair in all {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Invalid::new("claims", "must be NAME=VALUE,NAME=VALUE"))?;
        if claims.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Invalid::new("claims", "has a name twice"));
        }
    }
    Ok(claims)
}

/// What a bot trusts, in a line.
pub(super) fn summary(trust: &OidcTrust) -> String {
    let keys = if trust.jwks.is_some() { ", keys given" } else { "" };
    let issuer = trust.issuer.as_deref().unwrap_or("any issuer");
    format!("{issuer} for {}{keys}: {}", trust.audience, claims(&trust.claims))
}

/// The job that gets certificates, as YAML for GitHub or GitLab. All of it is YAML: what is said about the bot are comments.
pub(super) fn workflow(issued: &BotIssued, trust: &OidcTrust) -> String {
    let bot = &issued.bot;
    let said = format!(
        "# Bot created: {} (roles: {})\n# It joins with id tokens of {}\n",
        bot.name,
        joined(&bot.roles),
        summary(trust),
    );
    let start = |folder: &str| {
        format!(
            "mezd identity start --join-method oidc --bot={} --auth-server={} --ca-pin={} --id-token-env ID_TOKEN \
             --destination={folder} --one-shot",
            bot.name, issued.auth_server, issued.ca_pin,
        )
    };
    if is_gitlab(trust) { gitlab(&said, trust, &start) } else { github(&said, trust, &start) }
}

fn is_gitlab(trust: &OidcTrust) -> bool {
    let issuer = trust.issuer.as_deref().and_then(|issuer| HttpsUrl::parse(issuer).ok());
    issuer.is_some_and(|issuer| issuer.address().host.to_string().contains("gitlab"))
}

fn github(said: &str, trust: &OidcTrust, start: &dyn Fn(&str) -> String) -> String {
    format!(
        r#"{said}name: Deploy
on:
  push:
    branches: [main]
permissions:
  contents: read
  id-token: write
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - name: Get certificates
        run: |
          ID_TOKEN=$(curl -fsS -G -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
            --data-urlencode audience={audience} "$ACTIONS_ID_TOKEN_REQUEST_URL" | jq -r .value)
          export ID_TOKEN
          {start}
      - name: Deploy
        run: ssh -F "$RUNNER_TEMP/mezite/ssh_config" LOGIN@NODE ./deploy.sh
"#,
        audience = quoted(&trust.audience),
        start = start("\"$RUNNER_TEMP/mezite\""),
    )
}

fn gitlab(said: &str, trust: &OidcTrust, start: &dyn Fn(&str) -> String) -> String {
    // A JSON string is one in YAML, too.
    let audience = serde_json::Value::from(trust.audience.as_str());
    format!(
        r"{said}deploy:
  id_tokens:
    ID_TOKEN:
      aud: {audience}
  script:
    - {start}
    - ssh -F /tmp/mezite/ssh_config LOGIN@NODE ./deploy.sh
",
        start = start("/tmp/mezite"),
    )
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(claims: &[&str]) -> OidcArguments {
        OidcArguments {
            join_method: JoinMethod::Oidc,
            issuer: Some("https://git.example.com".to_owned()),
            audience: Some("mezite".to_owned()),
            claims: claims.iter().map(ToString::to_string).collect(),
            ..OidcArguments::default()
        }
    }

    #[test]
    fn claims_are_pairs() {
        let trust = given(&["repository=acme/app", "sub=a=b"]).trust().unwrap().unwrap();
        assert_eq!(claims(&trust.claims), "repository=acme/app,sub=a=b");
        assert_eq!(summary(&trust), "https://git.example.com for mezite: repository=acme/app,sub=a=b");
        assert!(given(&["repository"]).trust().is_err());
        assert!(given(&["a=1", "a=2"]).trust().is_err());
        let token = OidcArguments { join_method: JoinMethod::Token, ..given(&["a=1"]) };
        assert!(token.trust().is_err());
        assert!(OidcArguments::default().trust().unwrap().is_none());
    }

    #[test]
    fn an_audience_is_one_word() {
        assert_eq!(quoted("https://a.example"), "'https://a.example'");
        assert_eq!(quoted("a'$(x)"), r"'a'\''$(x)'");
    }
}
