//! The roles of a tenant.

use serde_json::json;

use crate::support::{ResourceFixture, Tenant, fixture::id_of};

/// Creates a role without members.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let body = json!({ "name": "free", "permissions": ["users:read"] });
    let role = tenant.owner.post("/roles", body).await.is(201);
    let id = id_of(&role);
    ResourceFixture::default().has(id).tried_with(&["get_role", "change_role", "delete_role"], &[id])
}
