//! The resources of the API, each in a file that the URL names.

pub(super) mod audit_logs;
pub(super) mod auth;
pub(super) mod files;
pub(super) mod health;
pub(super) mod invitations;
pub(super) mod jobs;
pub(super) mod permissions;
pub(super) mod roles;
pub(super) mod tenant;
pub(super) mod tenants;
pub(super) mod users;
pub(super) mod well_known;

use super::{
    document::openapi,
    path_id,
    request::{body, caller, if_match, page, query},
};
