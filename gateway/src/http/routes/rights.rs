//! Who may do what: asked of the store with each request, whatever was true when the connection began.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_api::{Problem, ProblemCode};
use mezite_store::AuditEntry;

use crate::connection::Services;
use crate::http::caller::{Caller, TlsClient};
use crate::http::problem;
use crate::http::request::Request;
use crate::inventory::{Operator, Refusal, Subject};

/// The administrator who asks: the operator at the socket, or a user whose roles permit it.
pub(super) async fn administrator(
    services: &Services,
    request: &Request,
    resource: Resource,
    verb: Verb,
) -> Result<Operator, Problem> {
    let client = match &request.caller {
        Caller::Public(_) => return Err(unauthenticated()),
        Caller::Operator(uid) => return operator(*uid),
        Caller::Client(client) => client,
    };
    let subject = current(client)?;
    let name = subject.user.clone();
    match services.inventory.permits(subject, resource, verb).await {
        Ok(true) => Ok(Operator::User(name, client.source)),
        Ok(false) => {
            let event = refused("access.refuse", "rules", client, request);
            services.shared.auditor.record_refusal(event).await;
            let detail =
                format!("the roles of {name} have no rule for {} {}", verb.as_str(), resource.as_str());
            Err(Problem::new(ProblemCode::Forbidden, detail))
        }
        Err(refusal) => Err(shut_out(services, &refusal, client, request).await),
    }
}

/// The user who asks, where any may, or the operator at the socket.
pub(super) async fn identified(services: &Services, request: &Request) -> Result<Operator, Problem> {
    if let Caller::Operator(uid) = request.caller {
        return operator(uid);
    }
    let client = certified(&request.caller)?;
    match services.inventory.identify(current(client)?).await {
        Ok(user) => Ok(Operator::User(user.name.clone(), client.source)),
        Err(refusal) => Err(shut_out(services, &refusal, client, request).await),
    }
}

/// As decisions take who asks, where that is a user or a bot.
pub(super) fn subject(request: &Request) -> Result<Subject, Problem> {
    match &request.caller {
        Caller::Operator(_) => Err(Problem::new(
            ProblemCode::Forbidden,
            "nobody has logged in at the socket, so there is nobody whose roles could reach a node",
        )),
        other => current(certified(other)?),
    }
}

/// Why the user of a certificate is refused, with the event of it.
pub(super) async fn refuse(services: &Services, refusal: &Refusal, request: &Request) -> Problem {
    match certified(&request.caller) {
        Ok(client) => shut_out(services, refusal, client, request).await,
        Err(problem) => problem,
    }
}

/// The holder of a client certificate who asks.
pub(super) fn certified(caller: &Caller) -> Result<&Arc<TlsClient>, Problem> {
    match caller {
        Caller::Client(client) => Ok(client),
        Caller::Public(_) | Caller::Operator(_) => Err(unauthenticated()),
    }
}

/// Administrators at the socket are root and the account that the gateway itself runs under.
fn operator(uid: u32) -> Result<Operator, Problem> {
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(Operator::Uid(uid));
    }
    log::warn!(uid; "administration refused at the socket");
    Err(Problem::new(
        ProblemCode::Forbidden,
        "only root and the account that runs the gateway may administer it here",
    ))
}

fn unauthenticated() -> Problem {
    Problem::new(ProblemCode::Unauthenticated, "this needs a client certificate of the cluster")
}

fn current(client: &TlsClient) -> Result<Subject, Problem> {
    if !client.is_current() {
        return Err(Problem::new(ProblemCode::Unauthenticated, "the client certificate has expired"));
    }
    client.subject().ok_or_else(unauthenticated)
}

/// Why the user of a certificate is refused whatever is asked for, and the event of it.
async fn shut_out(services: &Services, refusal: &Refusal, client: &TlsClient, request: &Request) -> Problem {
    let event = refused(refusal.event_type(), refusal.reason(), client, request);
    services.shared.auditor.record_refusal(event).await;
    let name = client.certificate.identity.name();
    match refusal {
        // One text for whoever is not this certificate's user any more.
        Refusal::UnknownUser | Refusal::OtherUser | Refusal::Disabled => Problem::new(
            ProblemCode::Unauthenticated,
            format!("the client certificate of {name} is not valid any more; log in again"),
        ),
        Refusal::Revoked => Problem::new(
            ProblemCode::Unauthenticated,
            format!("the client certificate of {name} was revoked; log in again"),
        ),
        Refusal::Locked(message) => problem::locked(name, message.as_deref()),
        Refusal::Unavailable(why) => Problem::new(ProblemCode::Unavailable, why.clone()),
        _ => Problem::new(ProblemCode::Forbidden, format!("{name} may do nothing here")),
    }
}

fn refused(kind: &str, reason: &str, client: &TlsClient, request: &Request) -> AuditEntry {
    AuditEntry::new(kind)
        .with("actor", client.certificate.identity.name())
        .with("outcome", "refused")
        .with("reason", reason)
        .with("source", client.source.to_string())
        .with("request", format!("{} {}", request.method.as_str(), mezite_api::escape(&request.path)))
}
