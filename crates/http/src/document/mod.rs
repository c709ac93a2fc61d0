//! Descriptions of the API: the OpenAPI document, the pages that show it, and the page of error codes.

pub(super) mod docs;
mod error_codes;
mod openapi;

pub use error_codes::error_codes_markdown;
pub use openapi::document;
