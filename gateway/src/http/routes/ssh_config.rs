//! What stock clients need to know: lines for `ssh_config` and `known_hosts`.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_api::ssh_config::SshConfig;
use mezite_api::{Login, Problem, UserName};
use mezite_ca::{CaKind, ExportForm};

use super::{Api, rights};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::inventory::Operator;
use crate::shared::Shared;

pub(super) fn add(api: &mut Api<'_>) {
    let route = Route::get("/v1/ssh-config", "Gives lines for ssh_config and known_hosts of stock clients");
    api.identified(route.query(&[("user", "For whom; who asks where it is not said")]), ssh_config);
}

async fn ssh_config(services: Arc<Services>, caller: Operator, request: Request) -> Answer {
    let user = match (request.query.get("user").map(UserName::parse).transpose()?, &caller) {
        (Some(user), Operator::User(own, _)) if user != *own => {
            rights::administrator(&services, &request, Resource::User, Verb::Read).await?;
            Some(user)
        }
        (Some(user), _) => Some(user),
        (None, Operator::User(own, _)) => Some(own.clone()),
        (None, Operator::Uid(_)) => None,
    };
    let logins = match &user {
        Some(user) => logins(&services, user).await?,
        None => Vec::new(),
    };
    let known_hosts = services.shared.authority.export(CaKind::Host, ExportForm::KnownHosts).await?;
    let answer = SshConfig { ssh_config: block(&services.shared, user.as_ref(), &logins), known_hosts };
    Ok(Response::json(200, &answer))
}

/// The logins that a certificate of the user would carry now; none where nothing would be issued.
async fn logins(services: &Services, user: &UserName) -> Result<Vec<Login>, Problem> {
    // That there is such a user is asked first: everything else is no reason to give no configuration.
    services.inventory.user(user)?;
    Ok(services.inventory.issuance(user.clone(), None).await.map(|issued| issued.logins).unwrap_or_default())
}

/// Names end in the cluster's, so that the block changes nothing for other hosts.
fn block(shared: &Shared, user: Option<&UserName>, logins: &[Login]) -> String {
    let cluster = shared.authority.cluster();
    let (host, port) = ssh_address(shared);
    let whom = user.map(|user| format!(" for {user}")).unwrap_or_default();
    let logins: Vec<&str> = logins.iter().map(Login::as_str).collect();
    let login = match logins.as_slice() {
        [] => String::new(),
        [only] => format!("    User {only}\n"),
        many => format!("    # Logins: {}\n", many.join(", ")),
    };
    format!(
        "# Mezite cluster {cluster}{whom}: ssh NODE.{cluster}\n\
         Host *.{cluster}\n\
         {login}    ProxyCommand nc -X connect -x {host}:{port} '%h' '%p'\n\
         \x20   ServerAliveInterval 30\n"
    )
}

/// What clients are told to connect to for SSH.
fn ssh_address(shared: &Shared) -> (String, u16) {
    if let Some((host, port)) = &shared.config.ssh_public_addr {
        return (host.clone(), *port);
    }
    let port = shared.addresses.get().map_or(shared.config.ssh_listen.port(), |known| known.ssh.port());
    (shared.config.public_addr.first().cloned().unwrap_or_default(), port)
}
