//! The walk through the operations of roles.

use serde_json::json;

use crate::support::{
    Tenant,
    walk::{NOTHING, Walk, role_path},
};

/// Creates the role `support`, which the walk through the members uses.
pub(crate) async fn walk(walk: &Walk<'_>, acme: &Tenant) {
    let owner = &acme.owner;
    let limited = walk.server.member_with(acme, &["roles:create", "roles:update"]).await;
    let role = json!({ "name": "support", "permissions": ["users:read"] });
    let made = walk.call(owner, "POST /roles", role.clone()).await.is(201);
    let path = format!("/roles/{}", made["id"].as_str().unwrap());
    walk.call(owner, "POST /roles", role).await.refused(409, "role_name_taken");
    let beyond = json!({ "name": "spy", "permissions": ["audit:read"] });
    walk.call(&limited, "POST /roles", beyond.clone()).await.refused(403, "role_escalation");
    walk.call(&limited, &format!("PATCH {path}"), beyond).await.refused(403, "role_escalation");
    walk.call(owner, &format!("PATCH {path}"), json!({ "name": "Admin" })).await.refused(409, "role_name_taken");
    let admin = role_path(acme, "admin").await;
    walk.call(owner, &format!("PATCH {admin}"), json!({ "name": "x" })).await.refused(409, "role_is_system");
    walk.call(owner, &format!("DELETE {admin}"), NOTHING).await.refused(409, "role_is_system");
    walk.call(owner, &format!("PATCH {path}"), json!({ "description": "Answers." })).await.is(200);
    walk.server.member(acme, "support").await;
    walk.call(owner, &format!("DELETE {path}"), NOTHING).await.refused(409, "role_in_use");
    let other = json!({ "name": "other", "permissions": [] });
    let other = walk.call(owner, "POST /roles", other).await.is(201);
    walk.call(owner, &format!("DELETE /roles/{}", other["id"].as_str().unwrap()), NOTHING).await.is(204);
}
