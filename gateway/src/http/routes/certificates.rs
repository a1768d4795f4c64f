//! Certificates for users and hosts.

use std::sync::Arc;

use mezite_access::{Resource, Verb};
use mezite_api::certificate::{HostSignRequest, HostSignResponse, SignRequest, SignResponse};
use mezite_api::user::UserKind;
use mezite_api::{Host, Invalid, Problem, ProblemCode, TlsPublicKey, UserName, pem};
use mezite_ca::PublicKey;
use mezite_store::{AuditEntry, Batch};

use super::Api;
use crate::authority::{HostOrder, NODE_LIFETIME, SignedUser, UserCertificateOrder, timestamp_of_seconds};
use crate::connection::Services;
use crate::http::app::Answer;
use crate::http::problem;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::route::Route;
use crate::http::schema;
use crate::inventory::{By as _, Operator, Refusal};

pub(super) fn add(api: &mut Api<'_>) {
    api.rule(
        Route::post("/v1/certificates/user", "Certifies keys of a user").takes(schema::sign).creates(),
        (Resource::Ca, Verb::Create),
        sign,
    );
    api.rule(
        Route::post("/v1/certificates/host", "Certifies the key of a host")
            .takes(schema::sign_host)
            .creates(),
        (Resource::HostCert, Verb::Create),
        sign_host,
    );
}

/// For a host that an administrator answers for. Never for the gateway: who has such a certificate could stand in its place.
async fn sign_host(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted: HostSignRequest = request.json()?;
    wanted.check()?;
    let key = PublicKey::from_key_data(wanted.public_key.key_data());
    let key = key.map_err(|error| Invalid::new("public_key", error.to_string()))?;
    let mut names: Vec<String> = Vec::new();
    for name in wanted.names.iter().map(Host::folded) {
        if services.shared.config.is_own_name(&name) {
            return Err(Invalid::new("names", "must not have a name of the gateway").into());
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let order = HostOrder {
        key,
        key_id: format!("host={}", names.first().map_or("", String::as_str)),
        names,
        lifetime: wanted.ttl.unwrap_or(NODE_LIFETIME),
    };
    let (certificate, event) = services.shared.authority.sign_host(order).await?;
    let batch = Batch::new().audit(event.by(&operator));
    services.shared.store.commit(batch).await.map_err(|error| problem::commit(&error))?;
    let body = certificate.body();
    Ok(Response::json(
        201,
        &HostSignResponse {
            certificate: certificate.line(),
            serial: body.serial,
            principals: body.principals.clone(),
            valid_after: timestamp_of_seconds(body.valid_after),
            valid_before: timestamp_of_seconds(body.valid_before),
        },
    ))
}

async fn sign(services: Arc<Services>, operator: Operator, request: Request) -> Answer {
    let wanted: SignRequest = request.json()?;
    let key = PublicKey::from_key_data(wanted.public_key.key_data());
    let key = key.map_err(|error| Invalid::new("public_key", error.to_string()))?;
    let issuance = match services.inventory.issuance(wanted.user.clone(), None).await {
        Ok(issuance) => issuance,
        Err(refusal) => {
            let event = refused(&operator, &wanted.user, &refusal);
            services.shared.auditor.record(event).await.map_err(|error| problem::commit(&error))?;
            return Err(explained(&refusal, &wanted.user));
        }
    };
    if services.inventory.user(&wanted.user)?.kind == UserKind::Bot {
        let why = format!("{} is a bot: its certificates come from 'mezd identity'", wanted.user);
        return Err(Problem::new(ProblemCode::Forbidden, why));
    }
    let order = UserCertificateOrder {
        user: wanted.user,
        bot: None,
        key,
        tls_key: wanted.tls_public_key.map(TlsPublicKey::into_der),
        issuance,
        ttl: wanted.ttl,
        source: None,
        actor: (&operator).into(),
        asked_from: operator.source(),
    };
    Ok(Response::json(201, &answer(&services.shared.authority.sign_user(order).await?)))
}

fn answer(signed: &SignedUser) -> SignResponse {
    let body = signed.certificate.body();
    SignResponse {
        certificate: signed.certificate.line(),
        tls_certificate: signed.tls.as_ref().map(|tls| pem(&tls.der)),
        serial: body.serial,
        principals: body.principals.clone(),
        valid_after: timestamp_of_seconds(body.valid_after),
        valid_before: timestamp_of_seconds(body.valid_before),
        ttl_cut: signed.ttl_cut,
    }
}

fn refused(operator: &Operator, user: &UserName, refusal: &Refusal) -> AuditEntry {
    AuditEntry::new("cert.refuse")
        .by(operator)
        .with("outcome", "refused")
        .with("subject", user.as_str())
        .with("reason", refusal.reason())
}

fn explained(refusal: &Refusal, user: &UserName) -> Problem {
    let (code, why) = match refusal {
        Refusal::UnknownUser => (ProblemCode::NotFound, format!("there is no user {user}")),
        Refusal::Disabled => (ProblemCode::Forbidden, format!("{user} is disabled")),
        Refusal::NoRoles => (ProblemCode::Forbidden, format!("{user} has no roles")),
        Refusal::Locked(_) => (ProblemCode::Forbidden, format!("{user} is locked")),
        Refusal::Unavailable(why) => (ProblemCode::Unavailable, why.clone()),
        other => (ProblemCode::Forbidden, other.user_line(user)),
    };
    Problem::new(code, why)
}
