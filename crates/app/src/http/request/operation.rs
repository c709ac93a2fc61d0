//! The operations of the API as data. The routes, the running server, the OpenAPI document and the tests read the same
//! [`Operation`].

use actix_web::{FromRequest, Handler, HttpRequest, Responder, guard, http::Method, web};
use tenantry_kernel::{Action, Command, ErrorCode, Requirement};
use utoipa::openapi::{OpenApi, PathItem, RefOr, path};

/// Where the API begins. Requests below it count against limits.
pub(crate) const API: &str = "/api/v1";

/// What an operation asks of its caller, what it leaves behind and how it fails, beside what its path and its handler's
/// parameters imply.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// What its caller must be allowed to do; `None` for an operation that any client may call.
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

impl Contract {
    /// The contract of an operation that gives the command `C`.
    pub(crate) const fn of<C: Command>(errors: &'static [ErrorCode]) -> Self {
        Self { requires: Some(C::REQUIRES), ..Self::public(C::EVENTS, errors) }
    }

    /// The contract of an operation that any client may call.
    pub(crate) const fn public(events: &'static [Action], errors: &'static [ErrorCode]) -> Self {
        Self {
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
}

/// How fast a body must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPace {
    /// As a whole, within seconds.
    Json,
    /// Steadily, for as long as the upload takes.
    Upload,
}

/// One operation of the API: a method on a path, and its contract.
#[derive(Debug)]
pub struct Operation {
    /// The operation's id: the name of its handler.
    pub id: String,
    /// Its method.
    pub method: Method,
    /// Its path from the root, with `{…}` where a parameter goes.
    pub path: String,
    /// Method and path, `POST /api/v1/roles`.
    pub route: String,
    /// How fast its body must arrive: that of a form is an upload.
    pub pace: BodyPace,
    /// What it asks, leaves and answers.
    pub contract: Contract,
}

impl Operation {
    /// Returns whether its requests can be named by an `Idempotency-Key`: those that change something for a signed-in
    /// caller, and whose answer shows nothing that is shown once.
    pub fn takes_key(&self) -> bool {
        let Contract { requires, sets_cookie, shows_link, .. } = self.contract;
        matches!(self.method, Method::POST | Method::PATCH) && requires.is_some() && !sets_cookie && !shows_link
    }

    /// Returns whether its requests count against limits.
    pub fn is_limited(&self) -> bool {
        self.path.starts_with(API)
    }
}

/// Returns the operation that the router has found for a request; `None` for pages, and for what no route takes.
pub(crate) fn operation_of(request: &HttpRequest) -> Option<&'static Operation> {
    request.app_data::<&'static Operation>().copied()
}

/// Operations that belong together.
pub(crate) struct Resource {
    pub(crate) routes: Vec<Route>,
    /// Name and description of the tag under which the document lists them; `None` where another resource describes it.
    pub(crate) tag: Option<(&'static str, &'static str)>,
    /// What their paths lie below.
    pub(crate) root: &'static str,
}

/// An operation with its handler.
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// Describes the operation, at its path below the resource's root.
    pub(crate) describe: fn() -> OpenApi,
    serve: Box<dyn Fn(&'static Operation) -> actix_web::Resource + Send + Sync>,
}

/// A handler with the description that `#[utoipa::path]` has made of it, as [`Resource::operation`] takes them.
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
    /// A part of the API with a tag of its own.
    pub(crate) fn new(tag: &'static str, description: &'static str) -> Self {
        Self { routes: Vec::new(), tag: Some((tag, description)), root: API }
    }

    /// Operations outside the API, in a tag that another resource describes.
    pub(crate) fn outside_api() -> Self {
        Self { routes: Vec::new(), tag: None, root: "" }
    }

    /// The same, with a tag of its own.
    pub(crate) fn with_tag(self, tag: &'static str, description: &'static str) -> Self {
        Self { tag: Some((tag, description)), ..self }
    }

    /// Adds an operation: its handler with its description, and its contract.
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
    /// The operation as the router takes it, below the resource's root. Each request of it carries the operation.
    pub(crate) fn serve(&'static self) -> actix_web::Resource {
        (self.serve)(&self.operation)
    }
}

/// The operation of a path that has only one.
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
