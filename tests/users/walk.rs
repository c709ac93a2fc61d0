//! The walk through the operations of members.

use serde_json::json;

use crate::support::{
    Tenant,
    walk::{NOTHING, Walk, role_path},
};

pub(crate) async fn walk(walk: &Walk<'_>, acme: &Tenant) {
    let owner = &acme.owner;
    let member = walk.server.member(acme, "viewer").await;
    let limited = walk.server.member_with(acme, &["users:assign-roles"]).await;
    let (path, own) = (format!("/users/{}", member.id), format!("/users/{}", owner.id));
    let support = role_path(acme, "support").await.replace("/roles/", "");
    let owning = role_path(acme, "owner").await.replace("/roles/", "");
    let role = format!("{path}/roles/{support}");
    walk.call(&limited, &format!("POST {role}"), NOTHING).await.refused(403, "role_escalation");
    let set = json!({ "roleIds": [support] });
    walk.call(&limited, &format!("PUT {path}/roles"), set.clone()).await.refused(403, "role_escalation");
    walk.call(owner, &format!("POST {role}"), NOTHING).await.is(204);
    walk.call(owner, &format!("DELETE {role}"), NOTHING).await.is(204);
    walk.call(owner, &format!("PUT {path}/roles"), set).await.is(200);

    let off = json!({ "status": "deactivated" });
    walk.call(owner, &format!("PATCH {own}"), off.clone()).await.refused(409, "last_owner");
    walk.call(owner, &format!("DELETE {own}"), NOTHING).await.refused(409, "last_owner");
    walk.call(owner, &format!("DELETE {own}/roles/{owning}"), NOTHING).await.refused(409, "last_owner");
    let none = json!({ "roleIds": [] });
    walk.call(owner, &format!("PUT {own}/roles"), none).await.refused(409, "last_owner");

    walk.call(owner, &format!("PATCH {path}"), off).await.is(200);
    walk.call(owner, &format!("PATCH {path}"), json!({ "status": "active" })).await.is(200);
    walk.server.sign_in(&member.email, &acme.slug).await;
    walk.call(owner, &format!("GET {path}"), NOTHING).await.is(200);
    walk.call(owner, &format!("DELETE {path}"), NOTHING).await.is(204);
}
