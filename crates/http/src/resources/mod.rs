//! Resources of the API, each in the file that its URL names. A new resource needs its file and a line in
//! [`RESOURCES`].

mod audit_logs;
mod auth;
mod files;
pub(super) mod health;
mod invitations;
mod jobs;
mod permissions;
mod roles;
mod tenant;
mod tenants;
mod users;
mod views;
mod well_known;

use std::sync::LazyLock;

use super::request::{Operation, Resource};

/// All resources, in the order of the document.
pub(super) static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| {
    vec![
        auth::resource(),
        tenant::resource(),
        tenants::resource(),
        invitations::resource(),
        users::resource(),
        roles::resource(),
        permissions::resource(),
        files::resource(),
        jobs::resource(),
        audit_logs::resource(),
        health::resource(),
        well_known::resource(),
    ]
});

/// Returns every operation, in the order of the resources.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    RESOURCES.iter().flat_map(|resource| &resource.routes).map(|route| &route.operation)
}
