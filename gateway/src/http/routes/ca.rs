//! The public keys of the CAs, for other programs: public by design, and cacheable. And their rotation, which is not.

use std::sync::Arc;

use jiff::Timestamp;
use mezite_access::{Resource, Verb};
use mezite_actors::blocking;
use mezite_api::rotation::RotateRequest;
use mezite_api::{Problem, ProblemCode};
use mezite_ca::{CaKind, ExportForm};
use mezite_store::AuditEntry;
use sha2::{Digest as _, Sha256};

use super::Api;
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::http::schema;
use crate::inventory::{By as _, Operator};
use crate::rotation;
use crate::shared::Shared;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const PEM: &str = "application/x-pem-file";

pub(super) fn add(api: &mut Api<'_>) {
    api.public(
        Route::get("/v1/ca/user.pub", "Exports the keys of the User CA, one a line").answers(TEXT),
        |shared, request| ssh(shared, request, CaKind::User, ExportForm::Plain),
    );
    api.public(
        Route::get("/v1/ca/openssh.pub", "Exports the keys of the OpenSSH CA, one a line").answers(TEXT),
        |shared, request| ssh(shared, request, CaKind::OpenSsh, ExportForm::Plain),
    );
    api.public(
        Route::get("/v1/ca/host.pub", "Exports the keys of the Host CA, one a line").answers(TEXT),
        |shared, request| ssh(shared, request, CaKind::Host, ExportForm::Plain),
    );
    api.public(
        Route::get("/v1/ca/known_hosts", "Exports the keys of the Host CA as lines of known_hosts")
            .answers(TEXT),
        |shared, request| ssh(shared, request, CaKind::Host, ExportForm::KnownHosts),
    );
    api.public(Route::get("/v1/ca/tls.pem", "Exports the certificate of the TLS CA").answers(PEM), tls);
    api.open(
        Route::get("/v1/ca/revoked.krl", "Exports what is revoked as sshd's RevokedKeys reads it")
            .answers(BYTES),
        revoked,
    );
    api.rule(
        Route::get("/v1/ca/:ca/rotation", "Shows where the rotation of a CA stands"),
        (Resource::Ca, Verb::Read),
        status,
    );
    api.rule(
        Route::post("/v1/ca/:ca/rotate", "Takes a step of the rotation of a CA").takes(schema::ca_rotate),
        (Resource::Ca, Verb::Rotate),
        rotate,
    );
    api.public(
        Route::get("/webapi/auth/export", "Exports keys of CAs in the forms of Teleport")
            .query(&[("type", "user, openssh or host")])
            .answers(TEXT),
        teleport,
    );
}

async fn status(services: Arc<Services>, _: Operator, request: Request) -> Answer {
    Ok(Response::json(200, &rotation::status(&services, named(&request)?).await?))
}

async fn rotate(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted: RotateRequest = request.json()?;
    let event = AuditEntry::new("ca.rotate").by(&operator);
    Ok(Response::json(200, &rotation::rotate(&services, event, named(&request)?, &wanted).await?))
}

fn named(request: &Request) -> Result<CaKind, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "there is no such certificate authority");
    request.param("ca").parse().map_err(|_| unknown())
}

async fn ssh(shared: Arc<Shared>, request: Request, ca: CaKind, form: ExportForm) -> Answer {
    Ok(tagged(&request, TEXT, shared.authority.export(ca, form).await?))
}

async fn tls(shared: Arc<Shared>, request: Request) -> Answer {
    Ok(tagged(&request, PEM, shared.authority.tls_pem().to_owned()))
}

/// Certificates of every key that is trusted, also while the CA is rotated.
async fn revoked(services: Arc<Services>, request: Request) -> Answer {
    let trusted = services.shared.authority.trusted(CaKind::User).await?;
    let inventory = services.inventory.clone();
    let list = blocking::run(move || inventory.revocation_list(Timestamp::now())).await?;
    Ok(tagged(&request, BYTES, list.to_bytes(&trusted)))
}

/// The forms in which Teleport exports them, at the place where its documents look.
async fn teleport(shared: Arc<Shared>, request: Request) -> Answer {
    let (ca, form) = match request.query.get("type") {
        Some("user") => (CaKind::User, ExportForm::AuthorizedKeys),
        Some("openssh") => (CaKind::OpenSsh, ExportForm::AuthorizedKeys),
        Some("host") => (CaKind::Host, ExportForm::ClusterKnownHosts),
        _ => {
            let problem = Problem::new(ProblemCode::Invalid, "type must be user, openssh or host");
            return Err(problem.with_field("type"));
        }
    };
    ssh(shared, request, ca, form).await
}

/// A file with its digest as entity tag; 304 for who has it already (RFC 9110 section 13.1.2).
fn tagged(request: &Request, content_type: &'static str, file: impl Into<Vec<u8>>) -> Response {
    let file = file.into();
    let etag = format!("\"{:x}\"", Sha256::digest(&file));
    let known = request.if_none_match.as_deref().is_some_and(|tags| {
        tags.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag)
    });
    if known {
        return Response { status: 304, etag: Some(etag), ..Response::ok(content_type, Vec::new()) };
    }
    Response { etag: Some(etag), ..Response::ok(content_type, file) }
}
