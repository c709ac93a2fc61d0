//! The operations of the API as data. The routes, the running server, the OpenAPI document and the tests read the same
//! [`Operation`].

use actix_web::{FromRequest, Handler, HttpRequest, Responder, guard, http::Method, web};
use tenantry_kernel::{Action, Command, ErrorCode, Requirement};
use utoipa::openapi::{
    OpenApi, PathItem, RefOr,
    path::{self, Parameter, ParameterIn},
};

/// Path prefix of the API. Requests below it count against limits.
pub(crate) const API: &str = "/api/v1";

/// Contract of an operation: its requirement, events, failures and special features. Its path and its handler's
/// parameters imply the rest.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// Requirement that the caller must satisfy; `None` for an operation that any client may call.
    pub requires: Option<Requirement>,
    /// Events that the operation can record when it succeeds.
    pub events: &'static [Action],
    /// Error codes of the operation's own failures, beside those that its shape implies.
    pub errors: &'static [ErrorCode],
    /// Whether a successful response carries the version of its resource as `ETag`.
    pub is_versioned: bool,
    /// Whether a successful response can set or delete the cookie of the refresh token.
    pub sets_cookie: bool,
    /// Whether the request body may be omitted.
    pub body_is_optional: bool,
    /// Whether a successful response contains a signed link, which the server stores nowhere.
    pub shows_link: bool,
    /// Whether query parameters are ignored: programs that pass links on add some of their own.
    pub ignores_query: bool,
}

impl Contract {
    /// Creates the contract of an operation that issues the command `C`.
    pub(crate) const fn of<C: Command>(errors: &'static [ErrorCode]) -> Self {
        Self { requires: Some(C::REQUIRES), ..Self::public(C::EVENTS, errors) }
    }

    /// Creates the contract of an operation that any client may call.
    pub(crate) const fn public(events: &'static [Action], errors: &'static [ErrorCode]) -> Self {
        Self {
            requires: None,
            events,
            errors,
            is_versioned: false,
            sets_cookie: false,
            body_is_optional: false,
            shows_link: false,
            ignores_query: false,
        }
    }

    /// Returns the same contract for a response with a version.
    pub(crate) const fn versioned(self) -> Self {
        Self { is_versioned: true, ..self }
    }

    /// Returns the same contract for a response with the cookie of the refresh token.
    pub(crate) const fn with_cookie(self) -> Self {
        Self { sets_cookie: true, ..self }
    }

    /// Returns the same contract for a request whose body may be omitted.
    pub(crate) const fn with_optional_body(self) -> Self {
        Self { body_is_optional: true, ..self }
    }

    /// Returns the same contract for a response with a signed link.
    pub(crate) const fn with_link(self) -> Self {
        Self { shows_link: true, ..self }
    }

    /// Returns the same contract for an operation that a link addresses.
    pub(crate) const fn behind_link(self) -> Self {
        Self { ignores_query: true, ..self }
    }
}

/// Required pace of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPace {
    /// The whole body arrives within seconds.
    Json,
    /// The body arrives at a minimum rate, for as long as the upload takes.
    Upload,
}

/// One operation of the API: a method on a path, and its contract.
#[derive(Debug)]
pub struct Operation {
    /// Id of the operation: the name of its handler.
    pub id: String,
    /// HTTP method.
    pub method: Method,
    /// Path from the root, with `{…}` for each parameter.
    pub path: String,
    /// Method and path, such as `POST /api/v1/roles`.
    pub route: String,
    /// Required pace of the body. A form counts as an upload.
    pub pace: BodyPace,
    /// Whether the operation has query parameters.
    pub takes_query: bool,
    /// The operation's contract.
    pub contract: Contract,
}

impl Operation {
    /// Returns whether requests of the operation may have an `Idempotency-Key`. They may when they change something for
    /// a signed-in caller and the response contains no secret that is shown only once.
    pub fn takes_key(&self) -> bool {
        let Contract { requires, sets_cookie, shows_link, .. } = self.contract;
        matches!(self.method, Method::POST | Method::PATCH) && requires.is_some() && !sets_cookie && !shows_link
    }

    /// Returns whether requests of the operation are refused if they have a query.
    pub fn refuses_query(&self) -> bool {
        self.path.starts_with(API) && !self.takes_query && !self.contract.ignores_query
    }

    /// Returns whether requests of the operation count against limits.
    pub fn is_limited(&self) -> bool {
        self.path.starts_with(API)
    }
}

/// Returns the operation to which the router has matched a request; `None` for pages and unmatched requests.
pub(crate) fn operation_of(request: &HttpRequest) -> Option<&'static Operation> {
    request.app_data::<&'static Operation>().copied()
}

/// A group of related operations.
pub(crate) struct Resource {
    pub(crate) routes: Vec<Route>,
    /// Name and description of the tag under which the document lists the operations; `None` where another resource
    /// describes the tag.
    pub(crate) tag: Option<(&'static str, &'static str)>,
    /// Common prefix of the operations' paths.
    pub(crate) root: &'static str,
}

/// An operation with its handler.
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// Returns the description of the operation, at its path below the resource's root.
    pub(crate) describe: fn() -> OpenApi,
    serve: Box<dyn Fn(&'static Operation) -> actix_web::Resource + Send + Sync>,
}

/// Pairs a handler with the description that `#[utoipa::path]` generates, as [`Resource::operation`] takes them.
macro_rules! handler {
    ($($handler:ident)::+) => {{
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler)::+))]
        struct Described;
        (<Described as utoipa::OpenApi>::openapi as fn() -> utoipa::openapi::OpenApi, $($handler)::+)
    }};
}
pub(crate) use handler;

impl Resource {
    /// Creates a resource below [`API`] with its own tag.
    pub(crate) fn new(tag: &'static str, description: &'static str) -> Self {
        Self { routes: Vec::new(), tag: Some((tag, description)), root: API }
    }

    /// Creates a resource outside the API, whose tag another resource describes.
    pub(crate) fn outside_api() -> Self {
        Self { routes: Vec::new(), tag: None, root: "" }
    }

    /// Returns the same resource with its own tag.
    pub(crate) fn with_tag(self, tag: &'static str, description: &'static str) -> Self {
        Self { tag: Some((tag, description)), ..self }
    }

    /// Adds an operation: its handler, the handler's description, and its contract.
    pub(crate) fn operation<F, Args>(mut self, (describe, handler): (fn() -> OpenApi, F), contract: Contract) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let described = describe().paths.paths.into_iter().find_map(|(path, item)| Some((path, operation_in(item)?)));
        let Some((path, (method, shape))) = described else { unreachable!("`handler!` describes one operation") };
        let is_form =
            matches!(shape.request_body, Some(RefOr::T(body)) if body.content.contains_key("multipart/form-data"));
        let operation = Operation {
            id: shape.operation_id.unwrap_or_default(),
            route: format!("{method} {}{path}", self.root),
            path: format!("{}{path}", self.root),
            method,
            pace: if is_form { BodyPace::Upload } else { BodyPace::Json },
            takes_query: shape.parameters.iter().flatten().any(is_query),
            contract,
        };
        let serve = move |operation: &'static Operation| {
            let resource = web::resource(path.as_str()).guard(guard::Method(operation.method.clone()));
            resource.app_data(operation).to(handler.clone())
        };
        self.routes.push(Route { operation, describe, serve: Box::new(serve) });
        self
    }
}

impl Route {
    /// Creates the route of the operation below the resource's root. Each matched request carries the operation.
    pub(crate) fn serve(&'static self) -> actix_web::Resource {
        (self.serve)(&self.operation)
    }
}

fn is_query(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }))
}

/// Returns the operation of a path with a single operation.
fn operation_in(item: PathItem) -> Option<(Method, path::Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let by_method = [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ];
    by_method.into_iter().find_map(|(method, shape)| Some((method, shape?)))
}
