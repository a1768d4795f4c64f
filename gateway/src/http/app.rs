//! The table of routes. `tide` matches method and path and nothing else: requests and answers are our own types,
//! carried past it, and handlers are plain functions from one to the other.

use std::future::Future;
use std::sync::Arc;

use mezite_api::{Problem, ProblemCode};
use tide::http::{self, Url};

use super::request::{Method, Request};
use super::response::Response;
use super::route::Route;

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

/// An application: routes and the state that their handlers share.
#[derive(Clone)]
pub struct App {
    server: tide::Server<()>,
    routes: Vec<Route>,
}

impl App {
    /// An application without routes.
    pub fn new() -> Self {
        Self { server: tide::new(), routes: Vec::new() }
    }

    /// Adds a route, open to anybody who reaches it: who may take it is checked in the handler.
    pub fn route<T, H, F>(&mut self, route: Route, state: &Arc<T>, handler: H)
    where
        T: Send + Sync + 'static,
        H: Fn(Arc<T>, Request) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let state = Arc::clone(state);
        let (method, pattern) = (route.method, route.path);
        let endpoint = move |incoming: tide::Request<()>| {
            let answer = carried(incoming, pattern).map(|request| handler(Arc::clone(&state), request));
            async move {
                let answer = match answer {
                    Some(answer) => answer.await.unwrap_or_else(Response::from),
                    None => Problem::new(ProblemCode::Internal, "a request without its content").into(),
                };
                let mut outgoing = tide::Response::new(200);
                outgoing.insert_ext(answer);
                Ok(outgoing)
            }
        };
        if let Some(method) = known(method) {
            self.server.at(pattern).method(method, endpoint);
        }
        self.routes.push(route);
    }

    /// The routes as they were declared.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The methods that routes of this path take: where it is written out, those of no variable.
    fn allowed(&self, path: &str) -> String {
        let written_out = self.routes.iter().any(|route| route.path == path);
        let is_of_path = |route: &&Route| {
            if written_out { route.path == path } else { matches(route.path, path) }
        };
        let of_path = self.routes.iter().filter(is_of_path);
        let mut methods: Vec<_> = of_path.map(|route| route.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.join(", ")
    }

    /// The answer to a request.
    pub async fn respond(&self, request: Request) -> Response {
        let Ok(url) = Url::parse("http://gateway").and_then(|base| base.join(&request.path)) else {
            return Problem::new(ProblemCode::Invalid, "malformed path").into();
        };
        let allowed = self.allowed(&request.path);
        let Some(method) = known(request.method) else {
            return unrouted(http::StatusCode::MethodNotAllowed, allowed);
        };
        let mut incoming = http::Request::new(method, url);
        incoming.ext_mut().insert(request);
        let outgoing: Result<http::Response, _> = self.server.respond(incoming).await;
        match outgoing {
            Ok(mut outgoing) => match outgoing.ext_mut().remove::<Response>() {
                Some(answer) => answer,
                None => unrouted(outgoing.status(), allowed),
            },
            Err(error) => unrouted(error.status(), allowed),
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// Our request out of tide's, with the parameters that the pattern names.
fn carried(mut incoming: tide::Request<()>, pattern: &'static str) -> Option<Request> {
    let names = pattern.split('/').filter_map(|segment| segment.strip_prefix(':'));
    let params = names.filter_map(|name| Some((name, incoming.param(name).ok()?.to_owned()))).collect();
    let carried: &mut http::Request = incoming.as_mut();
    let mut request = carried.ext_mut().remove::<Request>()?;
    request.params = params;
    Some(request)
}

/// Whether a path is one that the pattern matches.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted.starts_with(':') || wanted == found => {}
            _ => return false,
        }
    }
}

/// What tide answers itself. `allowed`: the methods that the path takes, none where there is no such path.
fn unrouted(status: http::StatusCode, allowed: String) -> Response {
    match status {
        _ if allowed.is_empty() => Problem::new(ProblemCode::NotFound, "there is no such path").into(),
        _ if status == http::StatusCode::NotFound || status == http::StatusCode::MethodNotAllowed => {
            let problem = Problem::new(ProblemCode::Invalid, "the path does not take this method");
            Response { allow: Some(allowed), ..Response::from(Problem { status: 405, ..problem }) }
        }
        _ => Problem::new(ProblemCode::Internal, "routing failed").into(),
    }
}

/// The method as tide has it; nothing for one that no route takes.
fn known(method: Method) -> Option<http::Method> {
    Some(match method {
        Method::Get => http::Method::Get,
        Method::Head => http::Method::Head,
        Method::Post => http::Method::Post,
        Method::Put => http::Method::Put,
        Method::Patch => http::Method::Patch,
        Method::Delete => http::Method::Delete,
        Method::Other => return None,
    })
}
