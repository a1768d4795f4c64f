//! The description of the API (`OpenAPI` 3.1), made from the routes as they are declared.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::request::Method;
use super::route::{Access, Route};
use super::schema;

const PROBLEM: &str = "application/problem+json";

/// The document.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(template(route.path)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mezite",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": schema::problem()},
            "securitySchemes": {"certificate": {
                "type": "mutualTLS",
                "description": "A client certificate of the cluster's TLS CA; on the Unix socket the operator's uid",
            }},
        },
    })
}

/// `/v1/nodes/:node` is written `/v1/nodes/{node}`.
fn template(path: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => segment.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route),
        "security": if route.access == Access::Public { json!([]) } else { json!([{"certificate": []}]) },
    });
    if let Some(body) = route.body {
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": body()}}});
    }
    if let Access::Rule(resource, verb) = route.access {
        operation["description"] = format!("Needs the rule {} {}.", verb.as_str(), resource.as_str()).into();
    }
    operation
}

/// The method and the path, in words.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(route.method.as_str()).chain(words).collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|segment| segment.strip_prefix(':')).map(
        |name| json!({"name": name, "in": "path", "required": true, "schema": schema::path_segment(name)}),
    );
    let in_query = route.query.iter().map(|(name, what)| {
        json!({"name": name, "in": "query", "description": what, "schema": schema::query_value(name)})
    });
    let conditional = matches!(route.method, Method::Patch | Method::Delete).then(|| {
        json!({"name": "If-Match", "in": "header", "description": "Only at the revision of this ETag",
               "schema": {"type": "string", "pattern": "^\"[0-9]{1,19}\"$"}})
    });
    in_path.chain(in_query).chain(conditional).collect()
}

fn responses(route: &Route) -> Value {
    let problem = |description: &str| {
        json!({"description": description,
               "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}})
    };
    let mut responses = Map::new();
    let mut success = json!({"description": "Done"});
    if let Some(content_type) = route.content_type {
        let content_type = content_type.split(';').next().unwrap_or(content_type);
        let schema = match content_type {
            "application/json" if is_list(route) => json!({"type": "array", "items": {"type": "object"}}),
            "application/json" => json!({"type": "object"}),
            _ => json!({"type": "string"}),
        };
        success["content"] = json!({content_type: {"schema": schema}});
    }
    responses.insert(route.status.to_string(), success);
    let mut refusals: BTreeSet<u16> = [400, 413, 503].into();
    match (route.access, route.method) {
        (Access::Public, Method::Get | Method::Head) => {}
        // A token stands in the place of a certificate.
        (Access::Public, _) => refusals.extend([401, 403, 429]),
        _ => refusals.extend([401, 403]),
    }
    if route.path.contains(':') || route.path.contains("explain") || route.path.contains("config") {
        refusals.insert(404);
    }
    if !matches!(route.method, Method::Get | Method::Head) {
        refusals.extend([404, 409, 412, 502, 507]);
    }
    if route.path.contains("explain") || route.path.starts_with("/v1/nodes/") {
        // An address may be that of several nodes.
        refusals.insert(409);
    }
    for status in refusals {
        responses.insert(status.to_string(), problem("Refused"));
    }
    responses.insert("500".to_owned(), problem("A defect of the gateway"));
    Value::Object(responses)
}

/// Whether the answer is an array.
fn is_list(route: &Route) -> bool {
    route.query.iter().any(|(name, _)| *name == "cursor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_becomes_an_operation() {
        let route = Route::patch("/v1/users/:user", "Changes a user").takes(schema::user_update);
        let document = document(&[route, Route::get("/v1/users/:user", "Shows a user")]);
        let path = &document["paths"]["/v1/users/{user}"];
        assert_eq!(path["patch"]["operationId"], "patch_v1_users_user");
        assert_eq!(path["patch"]["parameters"][0]["name"], "user");
        assert_eq!(
            path["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"],
            "object"
        );
        assert!(
            path["patch"]["requestBody"]["content"]["application/json"]["schema"]["properties"].is_object()
        );
    }
}
