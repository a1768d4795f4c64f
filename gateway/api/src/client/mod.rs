//! The blocking client of the administration API.
//!
//! Every call takes a connection of its own, has deadlines, follows no redirect, and reads no more than it must.

mod calls;
mod credentials;
mod error;
mod fetch;
mod key;
pub mod profile;
mod query;
mod server;
mod tls;
mod transport;
mod trust;
mod unix;

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::config::Config;
use ureq::http::{Method, Request, Response};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body};

pub use calls::Purpose;
pub use credentials::{Credentials, CredentialsError};
pub use error::ClientError;
pub use fetch::{Fetch, Judge};
pub use key::ClientKey;
pub use server::Server;
pub use trust::Trust;

use crate::{Invalid, Problem};
use query::Query;

/// Longest wait for an answer: a call may dial a node first.
const ANSWER_TIME: Duration = Duration::from_mins(1);
/// Longest pause inside a body.
const PAUSE_TIME: Duration = Duration::from_secs(30);
/// Longest answer that is kept in memory, in bytes.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// A gateway's administration API.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    /// The beginning of every URI.
    base: String,
    place: String,
}

impl Client {
    /// The gateway that listens on this Unix socket.
    pub fn unix(socket: &Path) -> Self {
        let connector = unix::UnixConnector { socket: socket.to_owned() };
        // A socket has no host.
        Self::new(connector, "http://gateway".to_owned(), socket.display().to_string())
    }

    /// The gateway at this address. Nothing is sent before it has proved itself to `trust`.
    pub fn https(server: &Server, trust: Trust, credentials: Option<Credentials>) -> Result<Self, Invalid> {
        let connector = tls::TlsConnector::new(server.clone(), trust, credentials)?;
        Ok(Self::new(connector, format!("https://{server}"), server.to_string()))
    }

    fn new(connector: impl Connector, base: String, place: String) -> Self {
        let config = Config::builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(0)
            .max_response_header_size(16 * 1024)
            .timeout_recv_response(Some(ANSWER_TIME))
            .timeout_per_read(Some(PAUSE_TIME.max(ANSWER_TIME)))
            .timeout_per_write(Some(PAUSE_TIME))
            .build();
        let agent = Agent::with_parts(config, connector, unix::NoResolver);
        Self { agent, base, place }
    }

    /// A whole JSON answer.
    fn get<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<T, ClientError> {
        self.json(Method::GET, &query.after(path), Vec::new())
    }

    /// All pages of a list.
    fn list<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        let mut target = query.after(path);
        loop {
            let answer = self.call(Method::GET, &target, Vec::new())?;
            let next = next_page(&answer, path);
            let page: Vec<T> = serde_json::from_slice(&whole(answer)?)
                .map_err(|error| ClientError::Answer(error.to_string()))?;
            all.extend(page);
            match next {
                Some(next) if next == target => {
                    return Err(ClientError::Answer("a list that has no end".into()));
                }
                Some(next) => target = next,
                None => return Ok(all),
            }
        }
    }

    /// The JSON answer to a JSON body.
    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Answer(error.to_string()))?;
        self.json(method, path, body)
    }

    /// Has something done whose answer says nothing but that it was.
    fn act(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Answer(error.to_string()))?;
        self.call(Method::POST, path, body).map(drop)
    }

    /// Removes what the path names.
    fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, path, Vec::new()).map(drop)
    }

    /// An answer that is plain text.
    fn text(&self, path: &str, query: &Query) -> Result<String, ClientError> {
        let bytes = self.bytes(Method::GET, &query.after(path), Vec::new())?;
        String::from_utf8(bytes).map_err(|_| ClientError::Answer("text that is not UTF-8".into()))
    }

    /// Copies an answer to `sink`, however long it is.
    fn download(&self, path: &str, query: &Query, sink: &mut impl Write) -> Result<u64, ClientError> {
        let answer = self.call(Method::GET, &query.after(path), Vec::new())?;
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(std::io::copy(&mut body, sink)?)
    }

    fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, ClientError> {
        let bytes = self.bytes(method, path, body)?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer(error.to_string()))
    }

    fn bytes(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.call(method, path, body).and_then(whole)
    }

    /// Sends a request; an answer that is not a success is an error.
    fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response<Body>, ClientError> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let unusual = |error: ureq::http::Error| ClientError::Answer(error.to_string());
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).map_err(unusual)?)
        } else {
            let request = request.header("Content-Type", "application/json");
            self.agent.run(request.body(body).map_err(unusual)?)
        };
        let answer = answer.map_err(|error| ClientError::from_transport(error, &self.place))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = whole(answer)?;
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(ClientError::Answer(format!("status {status} without a problem"))),
        }
    }
}

/// The target of the page behind this one, which must be of the same list.
fn next_page(answer: &Response<Body>, path: &str) -> Option<String> {
    let link = answer.headers().get("link")?.to_str().ok()?;
    let target = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    target.strip_prefix(path).filter(|rest| rest.starts_with('?')).map(|_| target.to_owned())
}

/// The whole body, within [`ANSWER_MAX`].
fn whole(answer: Response<Body>) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    answer.into_body().into_with_config().limit(ANSWER_MAX).reader().read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
