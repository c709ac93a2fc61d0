//! What every request passes through: extractors, limits, failures, and the one layer around it all.

pub(super) mod body;
pub(super) mod caller;
pub(super) mod connection;
pub(super) mod errors;
pub(super) mod idempotency;
pub(super) mod if_match;
pub(super) mod layer;
pub(super) mod limits;
pub(super) mod origin;
pub(super) mod page;
pub(super) mod query;

use super::{document::openapi, resources::files};
