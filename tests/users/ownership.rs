use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Member, Reply, Server, Tenant};

/// A way to take ownership from somebody: the request, and what the journal calls it.
type Way = (&'static str, Method, fn(&str, &str) -> String, fn() -> Option<Value>);

const WAYS: [Way; 4] = [
    ("deactivate", Method::PATCH, |user, _| format!("/users/{user}"), || Some(json!({ "status": "deactivated" }))),
    ("remove", Method::DELETE, |user, _| format!("/users/{user}"), || None),
    ("strip", Method::PUT, |user, _| format!("/users/{user}/roles"), || Some(json!({ "roleIds": [] }))),
    ("take the role", Method::DELETE, |user, role| format!("/users/{user}/roles/{role}"), || None),
];

async fn try_way(by: &Client, (_, method, path, body): &Way, user: &str, role: &str) -> Reply {
    by.send(method.clone(), &path(user, role), body(), &[]).await
}

async fn role_id(tenant: &Tenant, name: &str) -> String {
    let roles = tenant.owner.get("/roles?limit=100").await.is(200);
    let role = roles.as_array().unwrap().iter().find(|role| role["name"] == name).unwrap();
    role["id"].as_str().unwrap().to_owned()
}

async fn active_owners(server: &Server, tenant: &Tenant) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM memberships m \
         JOIN membership_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id \
         JOIN roles r ON r.tenant_id = h.tenant_id AND r.id = h.role_id \
         WHERE m.tenant_id = {} AND m.status = 'active' AND r.system = 'owner'",
        server.sql.id(&tenant.id)
    );
    server.sql.number(&sql).await
}

/// A second owner, signed in.
async fn second_owner(server: &Server, tenant: &Tenant) -> Member {
    server.member(tenant, "owner").await
}

on_both_databases! {
    async fn te3_an_admin_does_not_touch_ownership(server: Server) {
        let acme = server.tenant("acme").await;
        let second = second_owner(&server, &acme).await;
        let admin = server.member(&acme, "admin").await;
        let viewer = server.member(&acme, "viewer").await;
        let (owning, viewing) = (role_id(&acme, "owner").await, role_id(&acme, "viewer").await);
        let before = server.sql.dump().await;
        let give = |user: &str, role: &str| (Method::POST, format!("/users/{user}/roles/{role}"), None);
        let set = |user: &str, roles: Value| {
            (Method::PUT, format!("/users/{user}/roles"), Some(json!({ "roleIds": roles })))
        };
        let requests = [
            give(&viewer.id, &owning),
            give(&admin.id, &owning),
            set(&viewer.id, json!([owning])),
            set(&admin.id, json!([owning])),
            set(&second.id, json!([viewing])),
            set(&second.id, json!([owning, viewing])),
            give(&second.id, &viewing),
        ];
        let mut replies = Vec::new();
        for (method, path, body) in requests {
            replies.push(admin.send(method, &path, body, &[]).await);
        }
        for way in &WAYS {
            replies.push(try_way(&admin, way, &second.id, &owning).await);
        }
        for reply in replies {
            let request = reply.request_id();
            let error = reply.refused(403, "permission_denied");
            let detail = &error["details"][0];
            assert_eq!((&detail["field"], &detail["code"]), (&json!("tenant:own"), &json!("owner_required")));
            assert!(server.sql.events_of(request).await.iter().all(|(_, outcome)| outcome == "denied"));
        }
        let after = server.sql.dump().await;
        for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
            assert_eq!(&after[table], rows, "{table} has changed");
        }
        // What an owner may do to another, and what an admin may do to anybody else, goes.
        assert!(try_way(&acme.owner, &WAYS[2], &second.id, &owning).await.status.is_success());
        assert!(try_way(&admin, &WAYS[0], &viewer.id, &owning).await.status.is_success());
    }

    async fn te4_the_last_active_owner_stays(server: Server) {
        let acme = server.tenant("acme").await;
        let owning = role_id(&acme, "owner").await;
        for way in &WAYS {
            try_way(&acme.owner, way, &acme.owner.id, &owning).await.refused(409, "last_owner");
        }
        // Owners who may not act do not count.
        let off = second_owner(&server, &acme).await;
        let disabled = second_owner(&server, &acme).await;
        acme.owner.patch(&format!("/users/{}", off.id), json!({ "status": "deactivated" })).await.is(200);
        let disable = format!("UPDATE users SET status = 'disabled' WHERE id = {}", server.sql.id(&disabled.id));
        server.sql.execute(&disable).await;
        let before = server.sql.dump().await;
        for way in &WAYS {
            try_way(&acme.owner, way, &acme.owner.id, &owning).await.refused(409, "last_owner");
        }
        assert_eq!(server.sql.dump().await, before);
        acme.owner.patch(&format!("/users/{}", off.id), json!({ "status": "active" })).await.is(200);
        assert!(try_way(&acme.owner, &WAYS[1], &acme.owner.id, &owning).await.status.is_success());
    }

    async fn te4_of_two_owners_who_end_each_other_one_stays(server: Server) {
        for first_way in &WAYS {
            for second_way in &WAYS {
                let slug = format!("t{}", server.sql.number("SELECT count(*) FROM tenants").await + 100);
                let acme = server.tenant(&slug).await;
                let second = second_owner(&server, &acme).await;
                let owning = role_id(&acme, "owner").await;
                let (by_first, by_second) = tokio::join!(
                    try_way(&acme.owner, first_way, &second.id, &owning),
                    try_way(&second, second_way, &acme.owner.id, &owning),
                );
                let ways = (first_way.0, second_way.0);
                assert_eq!(active_owners(&server, &acme).await, 1, "{ways:?}");
                let (won, lost) = if by_first.status.is_success() { (by_first, by_second) } else { (by_second, by_first) };
                assert!(won.status.is_success(), "{ways:?}: neither won: {} {}", won.text, lost.text);
                assert!([401, 403, 404, 409].contains(&lost.status.as_u16()), "{ways:?}: {}", lost.text);
            }
        }
    }

    async fn te4_of_two_owners_who_leave_together_one_stays(server: Server) {
        for (n, way) in WAYS.iter().enumerate() {
            let acme = server.tenant(&format!("leaving-{n}")).await;
            let second = second_owner(&server, &acme).await;
            let owning = role_id(&acme, "owner").await;
            let (first_left, second_left) = tokio::join!(
                try_way(&acme.owner, way, &acme.owner.id, &owning),
                try_way(&second, way, &second.id, &owning),
            );
            assert_eq!(active_owners(&server, &acme).await, 1, "{}", way.0);
            let refused = if first_left.status.is_success() { second_left } else { first_left };
            refused.refused(409, "last_owner");
        }
    }
}
