//! The OpenAPI document: the descriptions of the handlers, completed from their contracts and with the parts that all
//! operations share.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use tenantry_files::FileType;
use tenantry_idempotency::IdempotencyKey;
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_MISMATCH};
use tenantry_kernel::{Action, ErrorCode, Permission, Requirement, TargetKind};
use utoipa::{
    OpenApi,
    openapi::{OpenApi as Document, tag::TagBuilder},
};

use crate::{
    request::{Operation, status_of},
    resources::{RESOURCES, operations},
};

/// Media type by which handlers mark a response with the bytes of a file.
const FILE_BYTES: &str = "application/octet-stream";

#[derive(OpenApi)]
#[openapi(info(
    title = "Tenantry",
    description = "A multi-tenant API for users, roles, sessions, files, background jobs and an audit log. Sign in \
            with `POST /api/v1/auth/register` or `POST /api/v1/auth/login`, and send the access token as a bearer \
            token.",
    license(name = "Apache-2.0", identifier = "Apache-2.0"),
))]
struct Base;

/// Creates the OpenAPI 3.1 document of the API. `all_codes` are the error codes of the program, in the order of the
/// documents, `actions` its actions, and `target_kinds` its kinds of targets.
pub fn document(all_codes: &[ErrorCode], actions: &[Action], target_kinds: &[TargetKind]) -> Value {
    complete(collect(), all_codes, actions, target_kinds)
}

/// Collects the descriptions of all handlers.
fn collect() -> Document {
    let mut document = Base::openapi();
    let mut tags = Vec::new();
    for resource in RESOURCES.iter() {
        if let Some((name, description)) = resource.tag {
            tags.push(TagBuilder::new().name(name).description(Some(description)).build());
        }
        for route in &resource.routes {
            let mut described = (route.describe)();
            let paths = std::mem::take(&mut described.paths.paths).into_iter();
            described.paths.paths = paths.map(|(path, item)| (format!("{}{path}", resource.root), item)).collect();
            document.merge(described);
        }
    }
    document.tags = Some(tags);
    document
}

fn complete(collected: Document, all_codes: &[ErrorCode], actions: &[Action], target_kinds: &[TargetKind]) -> Value {
    let mut document = serde_json::to_value(collected).unwrap_or_default();
    document["servers"] = json!([{ "url": "/" }]);
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }
    });
    document["components"]["schemas"]["Failure"] = failure_schema(all_codes);
    name_data(&mut document["components"]["schemas"]);
    let action_names = pattern_of_actions(actions);
    let kind_names = format!("^({})$", target_kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("|"));
    for operation in operations() {
        let method = operation.method.as_str().to_ascii_lowercase();
        let shape = &mut document["paths"][&operation.path][method];
        complete_operation(operation, shape, all_codes);
        set_pattern(shape, "action", &action_names);
        set_pattern(shape, "targetType", &kind_names);
    }
    document
}

/// Replaces the copies of a schema that the generator has put into an envelope by a reference to the schema.
fn name_data(schemas: &mut Value) {
    let Some(schemas) = schemas.as_object_mut() else { return };
    let names: HashSet<String> = schemas.keys().cloned().collect();
    for (envelope, schema) in schemas.iter_mut() {
        let (name, data) = match (envelope.strip_prefix("ListOf_"), envelope.strip_prefix("Of_Vec_")) {
            (Some(name), _) | (_, Some(name)) => (name, "/properties/data/items"),
            _ => (envelope.strip_prefix("Of_").unwrap_or_default(), "/properties/data"),
        };
        if names.contains(name)
            && let Some(data) = schema.pointer_mut(data)
        {
            *data = json!({ "$ref": format!("#/components/schemas/{name}") });
        }
    }
}

/// Returns the pattern of the actions and their groups.
fn pattern_of_actions(actions: &[Action]) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for action in actions {
        let verb = action.name().strip_prefix(action.group()).unwrap_or_default();
        groups.entry(action.group()).or_default().push(verb.trim_start_matches('.'));
    }
    let of_group =
        |(group, verbs): (&str, Vec<&str>)| format!(r"{group}\.(\*|{})", verbs.join("|").replace('.', r"\."));
    format!("^({})$", groups.into_iter().map(of_group).collect::<Vec<_>>().join("|"))
}

/// Sets the pattern of the query parameter of that name, if the operation has it.
fn set_pattern(shape: &mut Value, name: &str, pattern: &str) {
    for parameter in shape.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if parameter["name"] == name {
            parameter["schema"] = json!({ "type": "string", "pattern": pattern });
        }
    }
}

fn complete_operation(operation: &Operation, shape: &mut Value, all_codes: &[ErrorCode]) {
    let (contract, is_limited) = (operation.contract, operation.is_limited());
    let mut codes = codes_of(operation, shape);
    if is_limited {
        codes.push(ErrorCode::RATE_LIMITED);
    }
    let takes_key = operation.takes_key();
    if takes_key {
        add_key(shape);
        codes.extend([IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_IN_PROGRESS]);
    }
    shape["security"] = match contract.requires {
        Some(_) => json!([{ "bearer": [] }]),
        None => json!([]),
    };
    if let Some(requirement) = contract.requires {
        shape["x-requires"] = requirement_value(requirement);
    }
    if contract.body_is_optional {
        shape["requestBody"]["required"] = false.into();
    }
    shape["x-events"] = contract.events.iter().map(|action| action.name()).collect();
    let Some(responses) = shape["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        add_header(response, "X-Request-Id", "The id of the request, as the server's log has it.", "string");
        if status == "201" {
            add_header(response, "Location", "Path of the new resource.", "string");
        }
        if response["content"].get(FILE_BYTES).is_some() {
            describe_file(status, response);
        }
        if status.starts_with('2') && contract.is_versioned {
            add_header(response, "ETag", "The version of the resource, for `If-Match`.", "string");
        }
        if status.starts_with('2') && takes_key {
            add_header(
                response,
                "Idempotency-Replayed",
                "`true` if this is the stored response to an earlier request.",
                "string",
            );
        }
        if status.starts_with('2') && contract.sets_cookie {
            add_header(response, "Set-Cookie", "The refresh token, if its transport is `cookie`.", "string");
        }
    }
    add_failures(responses, &codes, all_codes);
    if is_limited {
        for response in responses.values_mut() {
            let policy = "The limits that apply: a list of policies, each with a quota of `q` requests in `w` seconds.";
            add_header(response, "RateLimit-Policy", policy, "string");
            let remaining = "For each policy the remaining requests, `r`, and the seconds until there are more, `t`.";
            add_header(response, "RateLimit", remaining, "string");
        }
    }
}

/// Describes a response with the bytes of a file: its headers, and each media type that a file can have.
fn describe_file(status: &str, response: &mut Value) {
    // A range stands for JSON: generated clients parse what is described as `application/json` in place of its bytes.
    let media_type = |kind: &FileType| if *kind == FileType::Json { "application/*" } else { kind.media_type() };
    let types = FileType::ALL.iter().map(media_type).chain([FILE_BYTES]);
    let bytes = json!({ "schema": { "type": "string", "format": "binary" } });
    response["content"] = types.map(|media_type| (media_type.to_owned(), bytes.clone())).collect();
    add_header(response, "Content-Disposition", "`attachment`, with the name of the file (RFC 6266).", "string");
    add_header(response, "Accept-Ranges", "`bytes`: the request may have a `Range`.", "string");
    if status == "206" {
        add_header(response, "Content-Range", "The range of the bytes, and the size of the file.", "string");
    }
}

fn add_key(shape: &mut Value) {
    let key = json!({
        "in": "header",
        "name": "Idempotency-Key",
        "required": false,
        "description": "A unique key of the change. A repeated request with the same key is carried out only once: for \
            24 hours it gets the stored first success, with `Idempotency-Replayed: true`.",
        "schema": { "type": "string", "minLength": 1, "maxLength": IdempotencyKey::MAX_CHARS, "pattern": "^[!-~]+$" }
    });
    match shape["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(key),
        None => shape["parameters"] = json!([key]),
    }
}

fn requirement_value(requirement: Requirement) -> Value {
    let names = |permissions: &[Permission]| {
        let mut names: Vec<String> = permissions.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    };
    match requirement {
        Requirement::SignedIn => json!({ "signedIn": true }),
        Requirement::Member => json!({ "member": true }),
        Requirement::All(permissions) => json!({ "all": names(permissions) }),
        Requirement::Any(permissions) => json!({ "any": names(permissions) }),
        Requirement::Owner => json!({ "owner": true }),
        Requirement::Operator => json!({ "operator": true }),
        // The document is written for clients of the API. A client is never an operator.
        Requirement::OperatorOr(requirement) => requirement_value(*requirement),
    }
}

fn add_header(response: &mut Value, name: &str, description: &str, kind: &str) {
    response["headers"][name] = json!({ "description": description, "schema": { "type": kind } });
}

/// Adds one response for each status, with the codes that the status can carry.
fn add_failures(responses: &mut Map<String, Value>, codes: &[ErrorCode], all_codes: &[ErrorCode]) {
    for code in all_codes.iter().filter(|code| codes.contains(code)) {
        let status = status_of(code.kind()).as_u16().to_string();
        let response = responses.entry(status.clone()).or_insert_with(|| {
            let mut response = json!({
                "description": "",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Failure" }, "examples": {}
                } }
            });
            add_header(&mut response, "X-Request-Id", "The id of the request, as the server's log has it.", "string");
            match status.as_str() {
                "401" => {
                    add_header(&mut response, "WWW-Authenticate", "The authentication scheme (RFC 6750).", "string")
                }
                "416" => {
                    add_header(&mut response, "Content-Range", "The size of the file, as `bytes */SIZE`.", "string")
                }
                "429" | "503" => {
                    add_header(&mut response, "Retry-After", "Seconds to wait before the next attempt.", "integer")
                }
                _ => {}
            }
            response
        });
        let described = response["description"].as_str().unwrap_or_default();
        let separator = if described.is_empty() { "" } else { "\n" };
        let is_envelope = response["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Failure";
        if is_envelope {
            response["description"] = format!("{described}{separator}`{code}`: {}", code.sentence()).into();
            response["content"]["application/json"]["examples"][code.name()] = json!({ "value": {
                "success": false,
                "error": { "code": code.name(), "message": code.sentence() },
                "requestId": "0192f0c1-2345-7abc-8def-0123456789ab"
            } });
        }
    }
}

fn failure_schema(all_codes: &[ErrorCode]) -> Value {
    json!({
        "type": "object",
        "description": "The reason why a request failed.",
        "required": ["success", "error", "requestId"],
        "additionalProperties": false,
        "properties": {
            "success": { "type": "boolean", "const": false },
            "requestId": { "type": "string", "format": "uuid" },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "additionalProperties": false,
                "properties": {
                    "code": { "type": "string", "enum": all_codes.iter().map(|c| c.name()).collect::<Vec<_>>() },
                    "message": { "type": "string" },
                    "details": { "type": "array", "items": {
                        "type": "object",
                        "required": ["field", "code", "message"],
                        "additionalProperties": false,
                        "properties": {
                            "field": { "type": "string" },
                            "code": { "type": "string" },
                            "message": { "type": "string" }
                        }
                    } }
                }
            }
        }
    })
}

/// Returns every error code of the operation: its own codes and those that follow from its shape.
fn codes_of(operation: &Operation, shape: &Value) -> Vec<ErrorCode> {
    let mut codes = operation.contract.errors.to_vec();
    let has_parameter = |place: &str| {
        let parameters = shape["parameters"].as_array();
        parameters.is_some_and(|list| list.iter().any(|parameter| parameter["in"] == place))
    };
    if let Some(requirement) = operation.contract.requires {
        use ErrorCode as E;
        codes.extend([E::UNAUTHENTICATED, E::TOKEN_INVALID, E::TOKEN_EXPIRED, E::SESSION_ENDED]);
        if requirement != Requirement::SignedIn {
            codes.extend([E::TENANT_REQUIRED, E::TENANT_SUSPENDED]);
        }
        if !matches!(requirement, Requirement::SignedIn | Requirement::Member) {
            codes.push(E::PERMISSION_DENIED);
        }
    }
    if shape.get("requestBody").is_some() {
        use ErrorCode as E;
        codes.extend([
            E::MALFORMED_BODY,
            E::TIMEOUT,
            E::PAYLOAD_TOO_LARGE,
            E::UNSUPPORTED_MEDIA_TYPE,
            E::VALIDATION_FAILED,
        ]);
    }
    if has_parameter("query") || operation.refuses_query() {
        codes.push(ErrorCode::VALIDATION_FAILED);
    }
    if has_parameter("path") {
        codes.push(ErrorCode::NOT_FOUND);
    }
    if has_parameter("header") {
        codes.push(ErrorCode::VERSION_CONFLICT);
    }
    codes.extend([ErrorCode::INTERNAL, ErrorCode::UNAVAILABLE]);
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Merging keeps the first of two schemas with the same name, so that the document would describe the other type's
    /// responses wrongly.
    #[test]
    fn no_two_types_share_the_name_of_a_schema() {
        let mut known = HashMap::new();
        for route in RESOURCES.iter().flat_map(|resource| &resource.routes) {
            for (name, schema) in (route.describe)().components.unwrap_or_default().schemas {
                let schema = serde_json::to_value(schema).expect("a schema is JSON");
                let earlier = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*earlier, schema, "two types have the schema name {name}, one in {}", route.operation.id);
            }
        }
        assert!(known.contains_key("PermissionCheckView") && known.contains_key("CheckView"));
    }
}
