use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Member, Reply, Server, Tenant};

/// A tenant with a limited member, who may create, change and assign roles, and a role with more permissions than that
/// member has.
struct Office {
    acme: Tenant,
    limited: Member,
    limited_role: String,
    colleague: Member,
    free_role: String,
    auditors: String,
}

/// A way to confer a right: the recipient and the request.
struct Path {
    name: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
}

const LIMITED: [&str; 4] = ["roles:create", "roles:update", "users:assign-roles", "users:read"];

impl Office {
    async fn open(server: &Server, slug: &str, also: &[&str]) -> Self {
        let acme = server.tenant(slug).await;
        let limited = server.member_with(&acme, &[&LIMITED, also].concat()).await;
        let user = acme.owner.get(&format!("/users/{}", limited.id)).await.is(200);
        let limited_role = user["roles"][0]["id"].as_str().unwrap().to_owned();
        let colleague = server.member(&acme, "viewer").await;
        let make = |name: &'static str, permissions: Value| {
            acme.owner.post("/roles", json!({ "name": name, "permissions": permissions }))
        };
        let auditors = make("auditors", json!(["audit:read"])).await.is(201)["id"].as_str().unwrap().to_owned();
        let free_role = make("free", json!([])).await.is(201)["id"].as_str().unwrap().to_owned();
        Self { acme, limited, limited_role, colleague, free_role, auditors }
    }

    /// Returns every way in which the limited member could confer `audit:read`.
    fn paths(&self) -> Vec<Path> {
        let (own, other) = (&self.limited.id, &self.colleague.id);
        let (auditors, all) = (&self.auditors, json!({ "permissions": ["audit:read"] }));
        let own_role = json!({ "permissions": ([LIMITED.as_slice(), &["audit:read"]].concat()) });
        let path = |name, method, path: String, body| Path { name, method, path, body };
        let role = json!({ "name": "spies", "permissions": ["audit:read"] });
        let set = json!({ "roleIds": [auditors] });
        vec![
            path("make a role", Method::POST, "/roles".to_owned(), Some(role)),
            path("edit a role", Method::PATCH, format!("/roles/{}", self.free_role), Some(all)),
            path("edit the own role", Method::PATCH, format!("/roles/{}", self.limited_role), Some(own_role)),
            path("set the roles of another member", Method::PUT, format!("/users/{other}/roles"), Some(set)),
            path(
                "set the own roles",
                Method::PUT,
                format!("/users/{own}/roles"),
                Some(json!({ "roleIds": [self.limited_role, auditors] })),
            ),
            path("assign a role to another member", Method::POST, format!("/users/{other}/roles/{auditors}"), None),
            path("give oneself a role", Method::POST, format!("/users/{own}/roles/{auditors}"), None),
        ]
    }
}

impl Path {
    async fn take(&self, client: &Client) -> Reply {
        client.send(self.method.clone(), &self.path, self.body.clone(), &[]).await
    }
}

on_both_databases! {
    async fn te3_no_path_confers_a_right_that_the_giver_lacks(server: Server) {
        let office = Office::open(&server, "acme", &[]).await;
        let before = server.sql.dump().await;
        for path in office.paths() {
            let reply = path.take(&office.limited).await;
            let request = reply.request_id();
            let error = reply.refused(403, "role_escalation");
            let detail = &error["details"][0];
            assert_eq!((&detail["field"], &detail["code"]), (&json!("audit:read"), &json!("missing_permission")), "{}", path.name);
            assert_eq!(error["details"].as_array().map(Vec::len), Some(1), "{}", path.name);
            assert!(server.sql.events_of(request).await.iter().all(|(_, outcome)| outcome == "denied"), "{}", path.name);
        }
        let after = server.sql.dump().await;
        for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
            assert_eq!(&after[table], rows, "{table} has changed");
        }
        office.limited.get("/audit-logs").await.refused(403, "permission_denied");
    }

    async fn te3_who_holds_a_right_may_confer_it(server: Server) {
        let office = Office::open(&server, "acme", &["audit:read"]).await;
        for path in office.paths() {
            let reply = path.take(&office.limited).await;
            assert!(reply.status.is_success(), "{}: {}", path.name, reply.text);
        }
        office.colleague.get("/audit-logs").await.is(200);
    }

    async fn te3_whoever_loses_the_right_while_waiting_confers_nothing(server: Server) {
        let office = Office::open(&server, "acme", &["audit:read"]).await;
        let role = server.sql.id(&office.limited_role);
        let limited = server.sql.id(&office.limited.id);
        let lost = format!("UPDATE roles SET permissions = '{}' WHERE id = {role}", LIMITED.join(" "));
        let regained = format!("UPDATE roles SET permissions = '{} audit:read' WHERE id = {role}", LIMITED.join(" "));
        let all_lost = format!("DELETE FROM membership_roles WHERE user_id = {limited}");
        for path in office.paths() {
            server.sql.execute(&regained).await;
            let assignments = server.sql.number("SELECT count(*) FROM membership_roles").await;
            // The limited member has the permission when the request starts, and no longer when it gets the lock.
            let reply = while_held(&server, &office, &path, &lost).await;
            reply.refused(403, "role_escalation");
            assert_eq!(server.sql.number("SELECT count(*) FROM membership_roles").await, assignments, "{}", path.name);
        }
        for path in office.paths() {
            server.sql.execute(&regained).await;
            let reply = while_held(&server, &office, &path, &all_lost).await;
            reply.refused(403, "permission_denied");
            let tenant = server.sql.id(&office.acme.id);
            server.sql.execute(&format!("INSERT INTO membership_roles (tenant_id, user_id, role_id) VALUES ({tenant}, {limited}, {role})")).await;
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM roles WHERE name = 'spies'").await, 0);
    }

    async fn te3_a_demotion_and_a_gift_at_the_same_moment_never_leave_both(server: Server) {
        for round in 0..6 {
            let office = Office::open(&server, &format!("round-{round}"), &["audit:read"]).await;
            let demote = format!("/roles/{}", office.limited_role);
            let gift = format!("/users/{}/roles/{}", office.colleague.id, office.auditors);
            let (demoted, given) = tokio::join!(
                office.acme.owner.patch(&demote, json!({ "permissions": LIMITED })),
                office.limited.send(Method::POST, &gift, None, &[]),
            );
            demoted.is(200);
            let steps = authority_changes(&server, &office).await;
            if given.status == 204 {
                assert_eq!(steps, ["given", "demoted"], "the assignment came after the demotion");
            } else {
                given.refused(403, "role_escalation");
                assert_eq!(steps, ["demoted"]);
            }
        }
    }

    async fn te3_ownership_is_no_part_of_a_custom_role(server: Server) {
        let office = Office::open(&server, "acme", &[]).await;
        let owner = &office.acme.owner;
        let body = json!({ "name": "kings", "permissions": ["users:read", "tenant:own"] });
        for reply in [owner.post("/roles", body.clone()).await, owner.patch(&format!("/roles/{}", office.free_role), body).await] {
            let error = reply.refused(422, "validation_failed");
            assert_eq!((&error["details"][0]["field"], &error["details"][0]["code"]), (&json!("permissions"), &json!("reserved")));
        }
    }
}

/// Sends the request while the lock of the tenant is held, changes something under the lock, and then releases it.
async fn while_held(server: &Server, office: &Office, path: &Path, change: &str) -> Reply {
    let mut held = server.sql.hold_authority(&office.acme.id).await;
    let asking = async {
        let reply = path.take(&office.limited).await;
        assert!(reply.status.is_client_error(), "{}: {}", path.name, reply.text);
        reply
    };
    let changing = async {
        server.sql.until_somebody_waits().await;
        held.execute(change).await;
        held.release().await;
    };
    tokio::join!(asking, changing).0
}

/// Returns the changes of authority in this tenant since both members exist, in order.
async fn authority_changes(server: &Server, office: &Office) -> Vec<&'static str> {
    let (tenant, colleague) = (server.sql.id(&office.acme.id), server.sql.id(&office.colleague.id));
    let sql = format!(
        "SELECT CASE WHEN tenant_id = {tenant} THEN 'demoted' ELSE 'given' END FROM authority_changes \
         WHERE tenant_id = {tenant} OR user_id = {colleague} ORDER BY id"
    );
    server.sql.texts(&sql).await.iter().map(|step| if step == "given" { "given" } else { "demoted" }).collect()
}
