//! What the API says of itself: the OpenAPI document, the pages that show it, and the page of error codes.

pub(super) mod docs;
pub(super) mod error_codes;
pub(super) mod openapi;

use super::{
    request::errors,
    resources::{
        audit_logs, auth, files, health, invitations, jobs, permissions, roles, tenant, tenants, users, well_known,
    },
    routes,
};
