//! The members of a tenant.

use serde_json::json;

use crate::support::{ResourceFixture, Server, Tenant, fixture::id_of};

/// Creates a member, a role of that member, and a role without members.
pub(crate) async fn fixture(server: &Server, tenant: &Tenant) -> ResourceFixture {
    let role = async |name: &str| {
        let body = json!({ "name": name, "permissions": ["roles:read"] });
        id_of(&tenant.owner.post("/roles", body).await.is(201)).to_owned()
    };
    let (held, unheld) = (role("held").await, role("unheld").await);
    let member = server.member(tenant, "held").await.id;
    ResourceFixture::default()
        .has(&member)
        .has(&held)
        .has(&unheld)
        .tried_with(&["get_user", "change_user", "remove_user", "set_roles"], &[&member])
        .tried_with(&["give_role"], &[&member, &unheld])
        .tried_with(&["take_role"], &[&member, &held])
        .body("set_roles", json!({ "roleIds": [held] }))
        .body("transfer_tenant", json!({ "userId": member }))
}
