mod fixture;
mod ownership;
mod removal;
mod walk;

use serde_json::json;
use tenantry_kernel::fold;

use crate::support::{
    PASSWORD, Server, Tenant,
    pages::{assert_pages_join, field, joined},
};
pub(crate) use fixture::fixture;
pub(crate) use walk::walk;

/// Names that sort and fold differently from a database's defaults.
const NAMES: [&str; 8] = ["Zoë", "zoe", "Ångström", "angle", "Ärger", "émile", "日本", "Olga B."];

/// Registers users with these names and adds them to the tenant.
async fn fill(server: &Server, tenant: &Tenant) {
    for (n, name) in NAMES.iter().enumerate() {
        let email = format!("p{n}@people.example");
        let body = json!({ "email": email, "password": PASSWORD, "name": name, "tenantName": "Home" });
        server.client().post("/auth/register", body).await.is(201);
        server.join(tenant, &email, "viewer").await;
    }
}

on_both_databases! {
    async fn members_are_listed_in_the_order_that_is_asked_for(server: Server) {
        let acme = server.tenant("acme").await;
        fill(&server, &acme).await;
        let mut by_name: Vec<&str> = NAMES.iter().copied().chain(["Olga Owner"]).collect();
        by_name.sort_by_key(|name| fold(name));
        let mut by_joining: Vec<&str> = ["Olga Owner"].into_iter().chain(NAMES).collect();
        for (sort, wanted) in [("name", &mut by_name), ("joinedAt", &mut by_joining)] {
            let rows = assert_pages_join(&acme.owner, &format!("/users?sort={sort}")).await;
            assert_eq!(&field(&rows, "name"), wanted, "{sort}");
            wanted.reverse();
            let rows = assert_pages_join(&acme.owner, &format!("/users?sort=-{sort}")).await;
            assert_eq!(&field(&rows, "name"), wanted, "-{sort}");
        }
        let rows = assert_pages_join(&acme.owner, "/users").await;
        assert_eq!(field(&rows, "name"), by_joining, "newest first unless asked otherwise");
    }

    async fn members_are_found_by_what_name_or_address_begins_with(server: Server) {
        let acme = server.tenant("acme").await;
        fill(&server, &acme).await;
        for (q, wanted) in [
            ("zo", vec!["Zoë", "zoe"]),
            ("ZOE", vec!["zoe"]),
            ("zoe%CC%88", vec!["Zoë"]),
            ("%C3%85ng", vec!["Ångström"]),
            ("olga", vec!["Olga B.", "Olga Owner"]),
            ("p3@", vec!["angle"]),
            ("P3%40PEOPLE.example", vec!["angle"]),
            ("people", vec![]),
            ("oe", vec![]),
            ("%25", vec![]),
            ("_oe", vec![]),
            ("", vec![]),
        ] {
            let rows = assert_pages_join(&acme.owner, &format!("/users?sort=name&q={q}")).await;
            let mut wanted = if q.is_empty() { NAMES.iter().copied().chain(["Olga Owner"]).collect() } else { wanted };
            wanted.sort_by_key(|name| fold(name));
            assert_eq!(field(&rows, "name"), wanted, "q={q}");
        }
    }

    async fn members_are_found_by_status_and_role(server: Server) {
        let acme = server.tenant("acme").await;
        let (on, off) = (server.member(&acme, "viewer").await, server.member(&acme, "admin").await);
        acme.owner.patch(&format!("/users/{}", off.id), json!({ "status": "deactivated" })).await.is(200);
        let roles = acme.owner.get("/roles").await.is(200);
        let role = |name: &str| roles.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap()["id"].as_str().unwrap().to_owned();
        for (filter, wanted) in [
            ("status=active".to_owned(), vec![on.id.as_str(), &acme.owner.id]),
            ("status=deactivated".to_owned(), vec![&off.id]),
            (format!("roleId={}", role("viewer")), vec![&on.id]),
            (format!("roleId={}", role("admin")), vec![&off.id]),
            (format!("roleId={}&status=active", role("admin")), vec![]),
            (format!("roleId={}&q=olga&status=active", role("owner")), vec![&acme.owner.id]),
        ] {
            let rows = joined(&acme.owner, &format!("/users?{filter}"), 100).await;
            assert_eq!(field(&rows, "id"), wanted, "{filter}");
        }
    }

    async fn roles_are_assigned_and_unassigned_in_three_forms(server: Server) {
        let acme = server.tenant("acme").await;
        let member = server.member(&acme, "viewer").await;
        let role = acme.owner.post("/roles", json!({ "name": "support", "permissions": [] })).await.is(201)["id"].clone();
        let path = format!("/users/{}/roles", member.id);
        let one = format!("{path}/{}", role.as_str().unwrap());
        let give = || acme.owner.send(reqwest::Method::POST, &one, None, &[]);
        give().await.is(204);
        let version = acme.owner.get(&format!("/users/{}", member.id)).await.header("etag").to_owned();
        give().await.is(204);
        let again = acme.owner.get(&format!("/users/{}", member.id)).await;
        assert_eq!(again.header("etag"), version, "giving what they hold changes nothing");
        assert_eq!(again.is(200)["roles"].as_array().map(Vec::len), Some(2));
        acme.owner.delete(&one).await.is(204);
        acme.owner.delete(&one).await.refused(404, "not_found");
        let set = acme.owner.put(&path, json!({ "roleIds": [role, role] })).await.is(200);
        assert_eq!(set["roles"], json!([{ "id": role, "name": "support" }]), "an id twice counts once");
        let none = acme.owner.put(&path, json!({ "roleIds": [] })).await.is(200);
        assert_eq!(none["roles"], json!([]));
        assert_eq!(member.get("/auth/me").await.is(200)["permissions"], json!([]));
    }

    async fn deactivating_ends_sessions_and_activating_restores_none(server: Server) {
        let acme = server.tenant("acme").await;
        let member = server.member(&acme, "viewer").await;
        let path = format!("/users/{}", member.id);
        acme.owner.patch(&path, json!({ "status": "deactivated" })).await.is(200);
        member.get("/auth/me").await.refused(401, "session_ended");
        acme.owner.patch(&path, json!({ "status": "active" })).await.is(200);
        member.get("/auth/me").await.refused(401, "session_ended");
        let refresh = json!({ "refreshToken": member.refresh_token });
        server.client().post("/auth/refresh", refresh).await.refused(401, "session_ended");
        server.sign_in(&member.email, "acme").await.get("/tenant").await.is(200);
    }
}
