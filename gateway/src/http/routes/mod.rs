//! What is served: one file a resource.

mod access;
mod audit;
mod bots;
mod ca;
mod certificates;
mod find;
mod health;
mod locks;
mod nodes;
mod openapi;
mod people;
mod reachable;
mod recordings;
mod revocations;
mod rights;
mod roles;
mod ssh_config;
mod status;
mod tokens;
mod users;

use std::future::Future;
use std::sync::Arc;

use mezite_access::{Resource, Verb};

use super::app::{Answer, App};
use super::caller::TlsClient;
use super::request::Request;
use super::route::{Access, Route};
use crate::connection::Services;
use crate::inventory::Operator;
use crate::shared::Shared;

/// Everything that is served, the same over TLS and over the Unix socket.
pub fn application(services: &Arc<Services>) -> App {
    let mut api = Api { app: App::new(), services };
    access::add(&mut api);
    audit::add(&mut api);
    bots::add(&mut api);
    ca::add(&mut api);
    certificates::add(&mut api);
    find::add(&mut api);
    health::add(&mut api);
    locks::add(&mut api);
    nodes::add(&mut api);
    people::add(&mut api);
    reachable::add(&mut api);
    recordings::add(&mut api);
    revocations::add(&mut api);
    roles::add(&mut api);
    ssh_config::add(&mut api);
    status::add(&mut api);
    tokens::add(&mut api);
    users::add(&mut api);
    openapi::add(&mut api);
    api.app
}

/// An application in the making. Each route says who may take it; its handler runs for nobody else.
struct Api<'a> {
    app: App,
    services: &'a Arc<Services>,
}

impl Api<'_> {
    /// Adds a route that anybody may take.
    fn public<H, F>(&mut self, route: Route, handler: H)
    where
        H: Fn(Arc<Shared>, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.app.route(route, &self.services.shared, handler);
    }

    /// Adds a route that anybody may take and that does something: the handler judges.
    fn open<H, F>(&mut self, route: Route, handler: H)
    where
        H: Fn(Arc<Services>, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.app.route(route, self.services, handler);
    }

    /// Adds a route for whoever holds a client certificate of the cluster, perhaps an expired one, and whoever it
    /// names: the handler judges.
    fn certified<H, F>(&mut self, route: Route, handler: H)
    where
        H: Fn(Arc<Services>, Arc<TlsClient>, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let route = Route { access: Access::Certified, ..route };
        self.app.route(route, self.services, move |services, request| async move {
            let client = Arc::clone(rights::certified(&request.caller)?);
            handler(services, client, request).await
        });
    }

    /// Adds a route for every user who is not shut out, and for the operator at the socket. Its handler is told who
    /// asks.
    fn identified<H, F>(&mut self, route: Route, handler: H)
    where
        H: Fn(Arc<Services>, Operator, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let route = Route { access: Access::Identified, ..route };
        self.app.route(route, self.services, move |services, request| async move {
            let caller = rights::identified(&services, &request).await?;
            handler(services, caller, request).await
        });
    }

    /// Adds a route for administrators whose roles have a rule for it. Its handler is told who asks.
    fn rule<H, F>(&mut self, route: Route, (resource, verb): (Resource, Verb), handler: H)
    where
        H: Fn(Arc<Services>, Operator, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let route = Route { access: Access::Rule(resource, verb), ..route };
        self.app.route(route, self.services, move |services, request| async move {
            let operator = rights::administrator(&services, &request, resource, verb).await?;
            handler(services, operator, request).await
        });
    }
}

#[cfg(test)]
mod tests;
