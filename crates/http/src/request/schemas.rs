//! Schemas that all requests and responses share, as the OpenAPI document shows them.

use utoipa::{IntoParams, ToSchema};

/// An id in a request: a UUID.
#[derive(ToSchema)]
#[schema(value_type = String, format = "uuid")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Id(String);

/// The name of a permission of the catalogue, in a request.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 64, pattern = "^[a-z]+:[a-z-]+$")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PermissionName(String);

/// The envelope of a success, with its data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct Of<T: ToSchema> {
    /// Always `true`.
    success: bool,
    data: T,
}

/// An empty object: the server does the work later.
#[derive(ToSchema)]
pub(crate) struct Accepted {}

/// The envelope of a success, with one page of a list.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct ListOf<T: ToSchema> {
    /// Always `true`.
    success: bool,
    data: Vec<T>,
    meta: PageMeta,
}

/// The limit of a page and the cursor of the next one.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used: answers are made by `Answer`")]
pub(crate) struct PageMeta {
    /// Maximum number of rows of this page.
    #[schema(minimum = 1, maximum = 100)]
    limit: u32,
    /// Cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// The requested page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used: queries are read by `List`")]
pub(crate) struct PageParameters {
    /// Maximum number of rows.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `nextCursor` of the previous page.
    #[param(max_length = 2000)]
    cursor: Option<String>,
}

/// The version that the caller has read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used: the header is read by `IfMatch`")]
pub(crate) struct IfMatchHeader {
    /// The `ETag` of the version that you have read. If the resource has changed since, the response is 412.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: Option<String>,
}
