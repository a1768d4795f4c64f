//! What is served: one file a resource.

mod access;
mod audit;
mod ca;
mod certificates;
mod health;
mod locks;
mod nodes;
mod recordings;
mod roles;
mod status;
mod users;

use std::future::Future;
use std::sync::Arc;

use mezite_api::{Problem, ProblemCode};

use super::app::{Answer, App};
use super::request::{Caller, Method, Request};
use crate::connection::Services;
use crate::inventory::Operator;
use crate::shared::Shared;

/// What anybody may ask, over TLS.
pub fn public(shared: &Arc<Shared>) -> App {
    let mut app = App::new();
    ca::add(&mut app, shared);
    health::add(&mut app, shared);
    app
}

/// What administrators may ask, over the Unix socket; everything that is public among it.
pub fn administration(services: &Arc<Services>) -> App {
    let mut admin = Admin { app: public(&services.shared), services };
    access::add(&mut admin);
    audit::add(&mut admin);
    certificates::add(&mut admin);
    locks::add(&mut admin);
    nodes::add(&mut admin);
    recordings::add(&mut admin);
    roles::add(&mut admin);
    status::add(&mut admin);
    users::add(&mut admin);
    admin.app
}

/// An application in the making whose routes are all for administrators.
struct Admin<'a> {
    app: App,
    services: &'a Arc<Services>,
}

impl Admin<'_> {
    /// Adds a route. Its handler is told who asks, and never called for anybody else than an administrator.
    fn route<H, F>(&mut self, method: Method, pattern: &'static str, handler: H)
    where
        H: Fn(Arc<Services>, Operator, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.app.route(method, pattern, self.services, move |services, request| async move {
            let operator = administrator(request.caller)?;
            handler(services, operator, request).await
        });
    }
}

/// Administrators are root and the account that the gateway itself runs under.
fn administrator(caller: Caller) -> Result<Operator, Problem> {
    let own = rustix::process::geteuid().as_raw();
    match caller {
        Caller::Operator(uid) if uid == 0 || uid == own => Ok(Operator::Uid(uid)),
        Caller::Operator(uid) => {
            log::warn!(uid; "administration refused at the socket");
            Err(Problem::new(
                ProblemCode::Forbidden,
                "only root and the account that runs the gateway may administer it here",
            ))
        }
        Caller::Public(_) => {
            Err(Problem::new(ProblemCode::Unauthenticated, "administration needs the gateway's socket"))
        }
    }
}

#[cfg(test)]
mod tests;
