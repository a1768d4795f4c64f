//! Schemas of what the API takes. The types in `mezite-api` judge; these say beforehand what they will take, and a test
//! holds both together.

use mezite_api::certificate::HOST_NAMES_MAX;
use serde_json::{Map, Value, json};

/// An object with these properties and no others; those whose names end in `!` must be there.
fn object(properties: &[(&str, Value)]) -> Value {
    let name = |name: &str| name.trim_end_matches('!').to_owned();
    let required: Vec<String> =
        properties.iter().filter(|(full, _)| full.ends_with('!')).map(|(full, _)| name(full)).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(full, schema)| (name(full), schema.clone())).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items, "maxItems": 256})
}

fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn user() -> Value {
    pattern("^[a-z0-9][a-z0-9._@+-]{0,63}$")
}

fn role() -> Value {
    pattern("^[a-z0-9][a-z0-9._-]{0,62}$")
}

fn login() -> Value {
    pattern("^[a-z_][a-z0-9_-]{0,31}$")
}

fn host() -> Value {
    pattern("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
}

fn duration() -> Value {
    pattern("^[1-9][0-9]{0,3}[smhd]$")
}

fn labels() -> Value {
    json!({"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9._/:-]{0,62}$"},
           "additionalProperties": {"type": "string", "pattern": "^[^=,]{1,256}$"}, "maxProperties": 64})
}

fn ssh_key() -> Value {
    json!({"type": "string", "maxLength": 8192,
           "description": "One line of OpenSSH: type, base64, and perhaps a comment"})
}

fn boolean() -> Value {
    json!({"type": "boolean"})
}

fn uuid() -> Value {
    json!({"type": "string", "format": "uuid"})
}

fn revision() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX})
}

fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
    }
    schema
}

/// What `mezctl users add` sends.
pub(super) fn user_add() -> Value {
    object(&[
        ("name!", user()),
        ("roles", list(&role())),
        ("logins", list(&login())),
        ("traits", traits()),
        ("disabled", boolean()),
        ("token_ttl", or_null(duration())),
    ])
}

/// What `mezctl users reset` sends.
pub(super) fn user_reset() -> Value {
    object(&[("token_ttl", or_null(duration()))])
}

/// What `msh setup` sends first.
pub(super) fn setup_begin() -> Value {
    object(&[
        ("token!", pattern("^tok-user-[0-9A-Za-z]{22}$")),
        ("password!", password()),
        ("request!", json!({"type": "string", "format": "uuid"})),
    ])
}

/// What `msh setup` sends then.
pub(super) fn setup_confirm() -> Value {
    object(&[
        ("token!", pattern("^tok-user-[0-9A-Za-z]{22}$")),
        ("request!", json!({"type": "string", "format": "uuid"})),
        ("code!", code()),
    ])
}

/// What `msh login` sends.
pub(super) fn login_request() -> Value {
    object(&[
        ("user!", user()),
        ("password!", password()),
        ("code!", code()),
        ("public_key!", ssh_key()),
        ("proof", or_null(proof())),
        ("tls_public_key!", json!({"type": "string", "description": "PEM of type PUBLIC KEY"})),
        ("ttl", or_null(duration())),
        ("request!", json!({"type": "string", "format": "uuid"})),
    ])
}

fn password() -> Value {
    json!({"type": "string", "minLength": 8, "maxLength": 1024})
}

fn code() -> Value {
    json!({"type": "string", "maxLength": 16, "description": "Six digits of an authenticator app"})
}

/// What `mezctl users update` sends.
pub(super) fn user_update() -> Value {
    object(&[
        ("roles", or_null(list(&role()))),
        ("logins", or_null(list(&login()))),
        ("traits", or_null(traits())),
        ("disabled", json!({"type": ["boolean", "null"]})),
        ("revision", revision()),
    ])
}

fn traits() -> Value {
    json!({"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,64}$"},
           "additionalProperties": {"type": "array", "items": {"type": "string", "maxLength": 256}, "maxItems": 64},
           "maxProperties": 64})
}

/// What `mezctl bots add` sends.
pub(super) fn bot_add() -> Value {
    let roles = json!({"type": "array", "items": role(), "minItems": 1, "maxItems": 256});
    object(&[
        ("name!", user()),
        ("roles!", roles),
        ("token_ttl", or_null(duration())),
        ("ttl", or_null(duration())),
        ("reusable", or_null(reusable())),
        ("oidc", or_null(oidc_trust())),
    ])
}

/// How often a join token may be used, and from where.
fn reusable() -> Value {
    object(&[
        ("max_uses!", json!({"type": "integer", "minimum": 1, "maximum": 1000})),
        (
            "sources!",
            json!({"type": "array", "items": pattern("^10[.][0-9][.]0[.]0/16$"), "minItems": 1, "maxItems": 32}),
        ),
    ])
}

/// Whose id tokens a bot joins with.
fn oidc_trust() -> Value {
    let claims = json!({"type": "object", "propertyNames": {"pattern": "^[a-z]{1,2}$"}, "minProperties": 1,
                        "maxProperties": 16, "additionalProperties": pattern("^[a-z0-9/]{1,64}$")});
    object(&[
        ("issuer", or_null(pattern("^https://[a-z][a-z0-9]{0,30}(/[a-z]{1,8})?$"))),
        ("issuer_ca", or_null(json!({"type": "string", "maxLength": 65536, "description": "PEM"}))),
        ("jwks", json!({"type": ["object", "null"], "description": "A JWK set (RFC 7517)"})),
        ("audience!", pattern("^[a-z0-9]{1,64}$")),
        ("claims!", claims),
    ])
}

/// What `mezctl apply` sends for a bot.
pub(super) fn bot_put() -> Value {
    let roles = json!({"type": "array", "items": role(), "minItems": 1, "maxItems": 256});
    object(&[
        ("roles!", roles),
        ("logins", list(&login())),
        ("traits", traits()),
        ("ttl", or_null(duration())),
        ("disabled", boolean()),
        ("oidc", or_null(oidc_trust())),
        ("replace", boolean()),
        ("revision", revision()),
    ])
}

/// What `mezctl bots rotate-token` sends.
pub(super) fn token_rotate() -> Value {
    object(&[("token_ttl", or_null(duration())), ("revoke", boolean()), ("reusable", or_null(reusable()))])
}

/// What `mezctl bots lock` sends.
pub(super) fn bot_lock() -> Value {
    object(&[
        ("ttl", or_null(duration())),
        ("message", json!({"type": ["string", "null"], "maxLength": 200})),
    ])
}

/// What `mezctl bots unlock` sends.
pub(super) fn bot_unlock() -> Value {
    object(&[("instance", json!({"type": ["string", "null"], "format": "uuid"}))])
}

/// What a bot's instance sends that is not one yet.
pub(super) fn join() -> Value {
    object(&[
        ("token!", pattern("^tok-bot-[0-9A-Za-z]{22}$")),
        ("public_key!", ssh_key()),
        ("proof!", proof()),
        ("request!", json!({"type": "string", "format": "uuid"})),
        ("renewal_interval", or_null(duration())),
    ])
}

/// What a bot's instance sends that is not one yet, with an id token.
pub(super) fn oidc_join() -> Value {
    object(&[
        (
            "id_token!",
            json!({"type": "string", "maxLength": 16384, "description": "A JWT of the bot's issuer"}),
        ),
        ("bot", or_null(user())),
        ("public_key!", ssh_key()),
        ("proof!", proof()),
        ("request!", json!({"type": "string", "format": "uuid"})),
        ("renewal_interval", or_null(duration())),
    ])
}

/// What a bot's instance sends for its next certificates.
pub(super) fn renew() -> Value {
    object(&[
        ("public_key!", ssh_key()),
        ("proof!", proof()),
        ("request!", json!({"type": "string", "format": "uuid"})),
    ])
}

fn proof() -> Value {
    json!({"type": "string", "maxLength": 4096,
           "description": "An SSH signature (PEM) of this request by the key that it shows"})
}

/// What `mezctl roles create` sends.
pub(super) fn role_put() -> Value {
    object(&[
        ("yaml!", json!({"type": "string", "maxLength": 262_144, "description": "The role as YAML"})),
        ("replace", json!({"type": "boolean"})),
        ("revision", revision()),
    ])
}

/// What `mezctl nodes add` sends.
pub(super) fn node_add() -> Value {
    object(&[
        ("id", or_null(uuid())),
        ("name!", host()),
        ("host!", host()),
        ("port", json!({"type": "integer", "minimum": 1, "maximum": 65535})),
        ("labels", labels()),
        ("host_keys", json!({"type": "array", "items": ssh_key(), "maxItems": 16})),
        ("host_ca", boolean()),
        ("verify_host_key", json!({"type": "boolean"})),
    ])
}

/// What `mezctl nodes update` sends.
pub(super) fn node_update() -> Value {
    object(&[
        ("name", or_null(host())),
        ("labels", or_null(labels())),
        ("host", or_null(host())),
        ("port", json!({"type": ["integer", "null"], "minimum": 1, "maximum": 65535})),
        ("host_keys", json!({"type": ["array", "null"], "items": ssh_key(), "maxItems": 8})),
        ("host_ca", or_null(boolean())),
        ("revision", revision()),
    ])
}

/// What `mezctl nodes rotate-host-key` sends.
pub(super) fn rotate_host_key() -> Value {
    object(&[
        ("host_keys!", json!({"type": "array", "items": ssh_key(), "minItems": 1, "maxItems": 16})),
        ("verify_host_key", json!({"type": "boolean"})),
    ])
}

/// What `mezctl nodes check` sends.
pub(super) fn node_check() -> Value {
    object(&[("login", or_null(login()))])
}

/// What a node sends that joins.
pub(super) fn node_join() -> Value {
    let host_keys = json!({"type": "array", "items": proven_host_key(), "minItems": 1, "maxItems": 8});
    object(&[
        ("token", or_null(pattern("^tok-node-[0-9A-Za-z]{22}$"))),
        ("name!", host()),
        ("addr!", pattern("^[a-z][a-z0-9-]{0,30}:[1-9][0-9]{0,3}$")),
        ("labels", labels()),
        ("host_keys!", host_keys),
        ("request!", json!({"type": "string", "format": "uuid"})),
        ("host_certificates", json!({"type": "boolean"})),
    ])
}

/// What a node sends that wants to be looked at.
pub(super) fn node_confirm() -> Value {
    object(&[
        ("request!", json!({"type": "string", "format": "uuid"})),
        ("host_key!", proven_host_key()),
        ("login", or_null(login())),
    ])
}

/// What a node sends that leaves.
pub(super) fn node_leave() -> Value {
    object(&[("request!", json!({"type": "string", "format": "uuid"})), ("host_key!", proven_host_key())])
}

fn proven_host_key() -> Value {
    object(&[("key!", ssh_key()), ("proof!", proof())])
}

/// What `mezctl tokens add` sends.
pub(super) fn token_add() -> Value {
    object(&[("type!", json!({"enum": ["node"]})), ("ttl", or_null(duration())), ("labels", labels())])
}

/// What `mezctl locks add` sends.
pub(super) fn lock_add() -> Value {
    let target = |name: &str, schema: &Value| object(&[(&format!("{name}!"), schema.clone())]);
    let targets = [
        target("user", &user()),
        target("bot", &user()),
        target("role", &role()),
        target("login", &login()),
        target("node", &uuid()),
        target("instance", &uuid()),
        target("session", &uuid()),
        target("source_ip", &json!({"type": "string", "format": "ipv4"})),
    ];
    object(&[
        ("id", or_null(uuid())),
        ("replace", boolean()),
        ("target!", json!({"oneOf": targets})),
        ("expires", json!({"type": ["string", "null"], "format": "date-time"})),
        ("ttl", or_null(duration())),
        ("message", json!({"type": ["string", "null"], "maxLength": 200})),
    ])
}

/// What `mezctl ca rotate` sends.
pub(super) fn ca_rotate() -> Value {
    object(&[
        ("phase", json!({"enum": ["prepare", "activate", "finish", "rollback", null]})),
        ("revision", revision()),
        ("grace_period", or_null(duration())),
        ("force", boolean()),
        ("compromised", boolean()),
    ])
}

/// What `mezctl certs revoke` sends.
pub(super) fn revocation_add() -> Value {
    let target = |name: &str, schema: Value| object(&[(&format!("{name}!"), schema)]);
    let targets = [
        target("serial", json!({"type": "integer", "minimum": 1, "maximum": u64::MAX})),
        target("key", ssh_key()),
        target("user", user()),
    ];
    object(&[
        ("target!", json!({"oneOf": targets})),
        ("reason", json!({"type": ["string", "null"], "maxLength": 200})),
    ])
}

/// What `mezctl auth sign` sends.
pub(super) fn sign() -> Value {
    object(&[
        ("user!", user()),
        ("public_key!", ssh_key()),
        ("tls_public_key", json!({"type": ["string", "null"], "description": "PEM of type PUBLIC KEY"})),
        ("ttl", or_null(duration())),
    ])
}

/// What `mezctl auth sign --host` sends.
pub(super) fn sign_host() -> Value {
    object(&[
        ("public_key!", ssh_key()),
        ("names!", json!({"type": "array", "items": host(), "minItems": 1, "maxItems": HOST_NAMES_MAX})),
        ("ttl", or_null(duration())),
    ])
}

/// A problem (RFC 9457).
pub(super) fn problem() -> Value {
    let text = json!({"type": "string"});
    let members = [
        ("type!", text.clone()),
        ("title!", text.clone()),
        ("status!", json!({"type": "integer"})),
        ("detail!", text.clone()),
        ("code!", text.clone()),
        ("field", text),
        ("retry_after", json!({"type": "integer"})),
    ];
    object(&members)
}

/// A segment of a path.
pub(super) fn path_segment(name: &str) -> Value {
    match name {
        "user" | "bot" => user(),
        "role" => role(),
        "ca" => json!({"enum": ["user", "openssh", "host"]}),
        "lock" | "revocation" | "session" | "token" => json!({"type": "string", "format": "uuid"}),
        _ => host(),
    }
}

/// A value of a query.
pub(super) fn query_value(name: &str) -> Value {
    match name {
        "limit" => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        "after_seq" => json!({"type": "integer", "minimum": 0}),
        "since" => json!({"type": "string", "format": "date-time"}),
        "target" => pattern("^[a-z]{1,8}@[a-z0-9]{1,8}$"),
        "for" => json!({"enum": ["play", "export"]}),
        "labels" => pattern("^([a-z]{1,8}=[a-z0-9]{1,8})?$"),
        _ => json!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mezite_api::bot::{BotAdd, BotLock, BotPut, BotUnlock, JoinRequest, RenewRequest, TokenRotate};
    use mezite_api::certificate::SignRequest;
    use mezite_api::join::{NodeConfirm, NodeJoin, NodeLeave, ProvenHostKey};
    use mezite_api::lock::LockAdd;
    use mezite_api::node::{NodeAdd, NodeCheckRequest, NodeUpdate, RotateHostKey};
    use mezite_api::oidc::{OidcJoinRequest, OidcTrust};
    use mezite_api::person::{LoginRequest, SetupBegin, SetupConfirm, UserReset};
    use mezite_api::reusable::Reusable;
    use mezite_api::revocation::RevocationAdd;
    use mezite_api::role::RolePut;
    use mezite_api::token::TokenAdd;
    use mezite_api::user::{UserAdd, UserUpdate};
    use mezite_api::{Problem, ProblemCode, request};
    use serde::de::DeserializeOwned;

    use super::*;

    /// The fields that serde says it expects, when it meets one that it does not know.
    fn fields<T: DeserializeOwned>() -> BTreeSet<String> {
        let problem = request::parse::<T>(br#"{"no such field":1}"#).err().unwrap();
        let expected = problem.detail.split("expected").nth(1).unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    fn properties(schema: &Value) -> BTreeSet<String> {
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn schemas_name_the_fields_that_the_types_have() {
        assert_eq!(properties(&user_add()), fields::<UserAdd>());
        assert_eq!(properties(&user_update()), fields::<UserUpdate>());
        assert_eq!(properties(&user_reset()), fields::<UserReset>());
        assert_eq!(properties(&setup_begin()), fields::<SetupBegin>());
        assert_eq!(properties(&setup_confirm()), fields::<SetupConfirm>());
        assert_eq!(properties(&login_request()), fields::<LoginRequest>());
        assert_eq!(properties(&bot_add()), fields::<BotAdd>());
        assert_eq!(properties(&bot_put()), fields::<BotPut>());
        assert_eq!(properties(&token_rotate()), fields::<TokenRotate>());
        assert_eq!(properties(&bot_lock()), fields::<BotLock>());
        assert_eq!(properties(&bot_unlock()), fields::<BotUnlock>());
        assert_eq!(properties(&join()), fields::<JoinRequest>());
        assert_eq!(properties(&oidc_join()), fields::<OidcJoinRequest>());
        assert_eq!(properties(&oidc_trust()), fields::<OidcTrust>());
        assert_eq!(properties(&reusable()), fields::<Reusable>());
        assert_eq!(properties(&renew()), fields::<RenewRequest>());
        assert_eq!(properties(&role_put()), fields::<RolePut>());
        assert_eq!(properties(&node_add()), fields::<NodeAdd>());
        assert_eq!(properties(&node_update()), fields::<NodeUpdate>());
        assert_eq!(properties(&rotate_host_key()), fields::<RotateHostKey>());
        assert_eq!(properties(&node_check()), fields::<NodeCheckRequest>());
        assert_eq!(properties(&node_join()), fields::<NodeJoin>());
        assert_eq!(properties(&node_confirm()), fields::<NodeConfirm>());
        assert_eq!(properties(&node_leave()), fields::<NodeLeave>());
        assert_eq!(properties(&proven_host_key()), fields::<ProvenHostKey>());
        assert_eq!(properties(&token_add()), fields::<TokenAdd>());
        assert_eq!(properties(&lock_add()), fields::<LockAdd>());
        assert_eq!(properties(&revocation_add()), fields::<RevocationAdd>());
        assert_eq!(properties(&sign()), fields::<SignRequest>());
        let problem = Problem::new(ProblemCode::Invalid, "x").with_field("y").after(1);
        let written = serde_json::to_value(&problem).unwrap();
        assert_eq!(properties(&self::problem()), written.as_object().unwrap().keys().cloned().collect());
    }
}
