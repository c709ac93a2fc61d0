//! The OpenAPI document: what the handlers say, completed from one table of operations with everything that all of
//! them share.

use actix_web::{dev::ResourceDef, http::Method};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, sync::OnceLock};
use tenantry_idempotency::IdempotencyKey;
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_MISMATCH};
use tenantry_kernel::{Action, Command, ErrorCode, Permission, Requirement};
use utoipa::{IntoParams, OpenApi, ToSchema, openapi::OpenApi as Document};
use utoipa_actix_web::AppExt;

use crate::vocabulary::error_codes;

use super::{
    audit_logs, auth, errors::status_of, files, health, invitations, jobs, permissions, roles, routes, tenant, tenants,
    users, well_known,
};

/// What the document says of an operation beside what stands at its handler.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The operation's id: the name of its handler.
    pub id: &'static str,
    /// What its caller must be allowed to do; `None` for whoever is not signed in.
    pub requires: Option<Requirement>,
    /// The events that it can leave when it succeeds.
    pub events: &'static [Action],
    /// The codes of its own failures, beside those that its shape implies.
    pub errors: &'static [ErrorCode],
    /// Whether its success carries the version of what it answers, as `ETag`.
    pub is_versioned: bool,
    /// Whether its success can set the cookie of the refresh token, or make the browser forget it.
    pub sets_cookie: bool,
    /// Whether its body may be left out.
    pub body_is_optional: bool,
    /// Whether its success shows a signed link, which is kept nowhere.
    pub shows_link: bool,
}

impl Operation {
    /// An operation that gives the command `C`.
    pub(crate) const fn of<C: Command>(id: &'static str, errors: &'static [ErrorCode]) -> Self {
        Self { requires: Some(C::REQUIRES), ..Self::public(id, C::EVENTS, errors) }
    }

    /// An operation for whoever is not signed in.
    pub(crate) const fn public(id: &'static str, events: &'static [Action], errors: &'static [ErrorCode]) -> Self {
        Self {
            id,
            requires: None,
            events,
            errors,
            is_versioned: false,
            sets_cookie: false,
            body_is_optional: false,
            shows_link: false,
        }
    }

    /// The same, with the version of what it answers.
    pub(crate) const fn versioned(self) -> Self {
        Self { is_versioned: true, ..self }
    }

    /// The same, with the cookie of the refresh token.
    pub(crate) const fn with_cookie(self) -> Self {
        Self { sets_cookie: true, ..self }
    }

    /// The same, with a body that may be left out.
    pub(crate) const fn with_optional_body(self) -> Self {
        Self { body_is_optional: true, ..self }
    }

    /// The same, with a signed link in its answer.
    pub(crate) const fn with_link(self) -> Self {
        Self { shows_link: true, ..self }
    }

    /// Whether requests of this method can be named by an `Idempotency-Key`: those that change something for somebody
    /// signed in, and whose answer shows nothing that is shown once.
    fn takes_key(&self, method: &str) -> bool {
        matches!(method, "post" | "patch") && self.requires.is_some() && !self.sets_cookie && !self.shows_link
    }

    /// Every code that the operation can answer: its own, and what follows from its shape.
    fn codes(&self, shape: &Value) -> Vec<ErrorCode> {
        let mut codes = self.errors.to_vec();
        let has_parameter = |place: &str| {
            let parameters = shape["parameters"].as_array();
            parameters.is_some_and(|list| list.iter().any(|parameter| parameter["in"] == place))
        };
        if let Some(requirement) = self.requires {
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
        if has_parameter("query") {
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
}

/// An id in a request.
#[derive(ToSchema)]
#[schema(value_type = String, format = "uuid")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Id(String);

/// The name of a permission of the catalogue, in a request.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 64, pattern = "^[a-z]+:[a-z-]+$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PermissionName(String);

/// Data in the envelope of every success.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct Of<T: ToSchema> {
    /// Always `true`.
    success: bool,
    data: T,
}

/// What is told of something that will be seen to: nothing yet.
#[derive(ToSchema)]
pub(crate) struct Accepted {}

/// A page of a list in the envelope of every success.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct ListOf<T: ToSchema> {
    /// Always `true`.
    success: bool,
    data: Vec<T>,
    meta: PageMeta,
}

/// Where a page ends.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct PageMeta {
    /// The limit that was used.
    #[schema(minimum = 1, maximum = 100)]
    limit: u32,
    /// Asks for the next page; `null` on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Which page of a list is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used: queries are read by `List`")]
pub(crate) struct PageParameters {
    /// How many rows at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 2000)]
    cursor: Option<String>,
}

/// The version that a change is for.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used: the header is read by `IfMatch`")]
pub(crate) struct IfMatchHeader {
    /// The `ETag` of what you have read; 412 when it has changed since.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tenantry",
        description = "Tenants, people, roles, sessions, files and an audit log, over HTTP. Sign in with \
            `POST /api/v1/auth/register` or `POST /api/v1/auth/login` and send the access token as a bearer token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "auth", description = "Signing in and out, one's own profile and sessions."),
        (name = "tenant", description = "The organisation that one is signed in to."),
        (name = "tenants", description = "The organisations that one belongs to."),
        (name = "invitations", description = "Taking people in by a mailed link."),
        (name = "users", description = "Who is a member, and with which roles."),
        (name = "roles", description = "Named sets of permissions."),
        (name = "permissions", description = "What can be allowed, and what is."),
        (name = "files", description = "Images, documents and tables that the organisation keeps."),
        (name = "jobs", description = "Work in the background: where it stands, trying again, calling off, clean-up."),
        (name = "audit", description = "Who did what."),
        (name = "health", description = "For load balancers and people who look after the service."),
    )
)]
struct Base;

/// Every operation, in the order of the routes.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    [
        auth::OPERATIONS,
        tenant::OPERATIONS,
        tenants::OPERATIONS,
        invitations::OPERATIONS,
        users::OPERATIONS,
        roles::OPERATIONS,
        permissions::OPERATIONS,
        files::OPERATIONS,
        jobs::OPERATIONS,
        audit_logs::OPERATIONS,
        health::OPERATIONS,
        well_known::OPERATIONS,
    ]
    .into_iter()
    .flatten()
}

/// The OpenAPI 3.1 document of the API.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| complete(collect()))
}

/// What the handlers say of themselves.
fn collect() -> Document {
    let base = Base::openapi();
    let (_, document) = actix_web::App::new().into_utoipa_app().openapi(base).configure(routes).split_for_parts();
    document
}

fn complete(collected: Document) -> Value {
    let mut document = serde_json::to_value(collected).unwrap_or_default();
    document["servers"] = json!([{ "url": "/" }]);
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }
    });
    document["components"]["schemas"]["Failure"] = failure_schema();
    name_data(&mut document["components"]["schemas"]);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths.iter_mut() {
            let is_limited = path.starts_with(LIMITED);
            for (method, shape) in item.as_object_mut().into_iter().flatten() {
                if shape.get("operationId").is_some() {
                    complete_operation(method, shape, is_limited);
                }
            }
        }
    }
    document
}

/// Puts the name of a schema where the generator has copied it into an envelope.
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

/// Requests below it count.
const LIMITED: &str = "/api/v1/";

fn complete_operation(method: &str, shape: &mut Value, is_limited: bool) {
    let Some(operation) = operations().find(|operation| shape["operationId"] == operation.id) else { return };
    let mut codes = operation.codes(shape);
    if is_limited {
        codes.push(ErrorCode::RATE_LIMITED);
    }
    let takes_key = operation.takes_key(method);
    if takes_key {
        add_key(shape);
        codes.extend([IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_IN_PROGRESS]);
    }
    shape["security"] = match operation.requires {
        Some(_) => json!([{ "bearer": [] }]),
        None => json!([]),
    };
    if let Some(requirement) = operation.requires {
        shape["x-requires"] = requirement_value(requirement);
    }
    if operation.body_is_optional {
        shape["requestBody"]["required"] = false.into();
    }
    shape["x-events"] = operation.events.iter().map(|action| action.name()).collect();
    let Some(responses) = shape["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        add_header(response, "X-Request-Id", "The id of the request, as in the log.", "string");
        if status == "201" {
            add_header(response, "Location", "Where it is found from now on.", "string");
        }
        if status.starts_with('2') && operation.is_versioned {
            add_header(response, "ETag", "The version of what is answered, for `If-Match`.", "string");
        }
        if status.starts_with('2') && takes_key {
            add_header(response, "Idempotency-Replayed", "`true` when this was answered before.", "string");
        }
        if status.starts_with('2') && operation.sets_cookie {
            add_header(response, "Set-Cookie", "The refresh token, where it travels so.", "string");
        }
    }
    add_failures(responses, &codes);
    if is_limited {
        for response in responses.values_mut() {
            let policy =
                "How many requests may come: a list of policies with a quota `q` for each window of `w` seconds.";
            add_header(response, "RateLimit-Policy", policy, "string");
            let standing = "How many remain, `r`, of each policy, and in how many seconds, `t`, there are more.";
            add_header(response, "RateLimit", standing, "string");
        }
    }
}

fn add_key(shape: &mut Value) {
    let key = json!({
        "in": "header",
        "name": "Idempotency-Key",
        "required": false,
        "description": "Names the request, so that it is done once however often it is sent: for 24 hours the first \
            success is answered again, with `Idempotency-Replayed: true`.",
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
        // The document tells clients of the API, which are never operators.
        Requirement::OperatorOr(requirement) => requirement_value(*requirement),
    }
}

fn add_header(response: &mut Value, name: &str, description: &str, kind: &str) {
    response["headers"][name] = json!({ "description": description, "schema": { "type": kind } });
}

/// Each status once, with the codes that it can carry.
fn add_failures(responses: &mut Map<String, Value>, codes: &[ErrorCode]) {
    for code in error_codes().into_iter().filter(|code| codes.contains(code)) {
        let status = status_of(code.kind()).as_u16().to_string();
        let response = responses.entry(status.clone()).or_insert_with(|| {
            let mut response = json!({
                "description": "",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Failure" }, "examples": {}
                } }
            });
            add_header(&mut response, "X-Request-Id", "The id of the request, as in the log.", "string");
            match status.as_str() {
                "401" => add_header(&mut response, "WWW-Authenticate", "The scheme to use (RFC 6750).", "string"),
                "429" | "503" => add_header(&mut response, "Retry-After", "Seconds to wait.", "integer"),
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

fn failure_schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was not done.",
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
                    "code": { "type": "string", "enum": error_codes().iter().map(|c| c.name()).collect::<Vec<_>>() },
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

/// What a path takes.
struct Route {
    path: ResourceDef,
    /// Each method in upper case, with the shape of its operation.
    methods: Vec<(String, &'static Value)>,
}

fn documented() -> &'static [Route] {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let paths = document()["paths"].as_object();
        let routes = paths.into_iter().flatten().map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            let methods = methods.map(|(method, shape)| (method.to_uppercase(), shape)).collect();
            Route { path: ResourceDef::new(path.as_str()), methods }
        });
        routes.collect()
    })
}

/// The methods that a path takes, in upper case; none for an unknown path.
pub(crate) fn methods_of(path: &str) -> Vec<String> {
    let route = documented().iter().find(|route| route.path.is_match(path));
    let methods = route.into_iter().flat_map(|route| &route.methods);
    methods.map(|(method, _)| method.clone()).collect()
}

/// Whether a request of that route, `/api/v1/roles/{id}`, can be named by an `Idempotency-Key`.
pub(crate) fn takes_key(method: &Method, route: &str) -> bool {
    let route = documented().iter().find(|known| known.path.pattern() == Some(route));
    let methods = route.into_iter().flat_map(|route| &route.methods);
    let mut shapes = methods.filter(|(name, _)| name == method.as_str());
    let parameters = shapes.find_map(|(_, shape)| shape["parameters"].as_array());
    parameters.is_some_and(|list| list.iter().any(|parameter| parameter["name"] == "Idempotency-Key"))
}
