//! Schemas that all requests and responses share, as the OpenAPI document shows them.

use utoipa::{IntoParams, ToSchema};

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
