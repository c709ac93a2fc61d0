//! The invitations of a tenant.

use serde_json::json;

use crate::support::{ResourceFixture, Tenant, fixture::id_of};

/// Creates an open invitation.
pub(crate) async fn fixture(tenant: &Tenant) -> ResourceFixture {
    let (owner, slug) = (&tenant.owner, &tenant.slug);
    let role = owner.post("/roles", json!({ "name": "offered", "permissions": ["roles:read"] })).await.is(201);
    let body = |local: &str| json!({ "email": format!("{local}@{slug}.example"), "roleIds": [id_of(&role)] });
    let invitation = owner.post("/invitations", body("guest")).await.is(201);
    let id = id_of(&invitation);
    ResourceFixture::default()
        .has(id)
        .tried_with(&["revoke_invitation", "resend_invitation"], &[id])
        .body("create_invitation", body("new"))
}
