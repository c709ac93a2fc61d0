//! The sessions of a user.

use serde_json::json;

use crate::support::{ResourceFixture, Server, Tenant};

/// Creates another session of the owner.
pub(crate) async fn fixture(server: &Server, tenant: &Tenant) -> ResourceFixture {
    let owner = &tenant.owner;
    let session = server.sign_in(&owner.email, &tenant.slug).await.session_id().await;
    ResourceFixture::default()
        .has(&session)
        .tried_with(&["end_session"], &[&session])
        .body("switch_tenant", json!({ "tenantId": tenant.id, "refreshToken": owner.refresh_token }))
}
