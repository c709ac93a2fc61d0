//! The parts that every request passes through: extractors, limits, failures, and the one layer around every request.
//! Nothing here depends on a resource.

mod app;
mod body;
mod caller;
mod connection;
mod errors;
mod head;
mod idempotency;
mod if_match;
mod layer;
mod limits;
mod list;
mod metrics;
mod operation;
mod origin;
mod query;
mod response_times;
mod schemas;

pub use app::{App, AppParts};
pub use connection::keep_connection;
pub use metrics::HttpMetrics;
pub use operation::{BodyPace, Contract, Operation};

pub(crate) use body::{Body, FieldErrors, IntoCommand, clearable, is_compressed, payload_failure, present};
pub(crate) use caller::{Anonymous, Authorized, MaybeAuthenticated, bearer};
pub(crate) use connection::take_body;
pub(crate) use errors::status_of;
pub(crate) use head::is_head;
pub(crate) use idempotency::ReadBody;
pub(crate) use if_match::IfMatch;
pub(crate) use layer::{RESOURCE_POLICY, around};
pub(crate) use list::{List, ListQuery, ListRequest, NewestFirst};
pub(crate) use metrics::RouteTimes;
pub(crate) use operation::{API, Resource, Route, handler};
pub(crate) use origin::{cors, is_on_this_machine, origin_of, require_allowed_origin};
pub(crate) use query::{parse_query, parse_sort, path_id};
pub(crate) use schemas::{Accepted, Id, IfMatchHeader, ListOf, Of, PageParameters, PermissionName};
