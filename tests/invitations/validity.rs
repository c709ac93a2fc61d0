//! Tests of the changes that end an invitation: lookup and acceptance give the same response.

use serde_json::{Value, json};
use tenantry_kernel::TenantStatus;

use crate::support::{CHOSEN, Client, Member, Server, Tenant};

/// A user who may invite, and that user's further permissions.
struct Inviter {
    acme: Tenant,
    limited: Member,
    role: String,
    given: String,
}

const LIMITED: [&str; 3] = ["invitations:manage", "users:read", "audit:read"];

impl Inviter {
    async fn hire(server: &Server, slug: &str) -> Self {
        let acme = server.tenant(slug).await;
        let limited = server.member_with(&acme, &LIMITED).await;
        server.verify(&limited).await;
        let user = acme.owner.get(&format!("/users/{}", limited.id)).await.is(200);
        let role = user["roles"][0]["id"].as_str().unwrap().to_owned();
        let body = json!({ "name": "auditors", "permissions": ["audit:read"] });
        let given = acme.owner.post("/roles", body).await.is(201)["id"].as_str().unwrap().to_owned();
        Self { acme, limited, role, given }
    }

    async fn invites(&self, server: &Server, email: &str) -> String {
        let body = json!({ "email": email, "roleIds": [self.given] });
        self.limited.post("/invitations", body).await.is(201);
        server.mail(email, "invites you").await.token().to_owned()
    }

    async fn edit(&self, permissions: &[&str]) {
        let body = json!({ "permissions": permissions });
        self.acme.owner.patch(&format!("/roles/{}", self.role), body).await.is(200);
    }

    async fn open_id(&self) -> String {
        let open = self.acme.owner.get("/invitations").await.is(200);
        open[0]["id"].as_str().unwrap().to_owned()
    }
}

fn acceptance(token: &str) -> Value {
    json!({ "token": token, "password": CHOSEN, "name": "Fay" })
}

/// Checks that both operations reject the link, and that nothing has changed.
async fn is_worthless(server: &Server, client: &Client, token: &str, why: &str) {
    let before = server.sql.dump().await;
    for (path, body) in [("/invitations/lookup", json!({ "token": token })), ("/invitations/accept", acceptance(token))]
    {
        let reply = client.post(path, body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body["error"]["code"]),
            (422, &json!("link_invalid")),
            "{why}: {path}"
        );
    }
    let after = server.sql.dump().await;
    for (table, rows) in before.iter().filter(|(table, _)| !table.starts_with("journal")) {
        assert_eq!(&after[table], rows, "{why}: {table} has changed");
    }
}

const ENDS: [&str; 10] = [
    "revoked",
    "expired",
    "the inviter holds no role",
    "the inviter may not invite",
    "the inviter has lost the permissions of the invitation",
    "the role gives more than the inviter holds",
    "the inviter is deactivated",
    "the inviter is removed",
    "the inviter is disabled",
    "the inviter has left",
];

/// Ends the invitation in this way.
async fn end(server: &Server, inviter: &Inviter, way: &str) {
    let (owner, limited) = (&inviter.acme.owner, format!("/users/{}", inviter.limited.id));
    match way {
        "revoked" => drop(owner.delete(&format!("/invitations/{}", inviter.open_id().await)).await.is(204)),
        "expired" => server.let_links_expire().await,
        "the inviter holds no role" => {
            owner.put(&format!("{limited}/roles"), json!({ "roleIds": [] })).await.is(200);
        }
        "the inviter may not invite" => inviter.edit(&LIMITED[1..]).await,
        "the inviter has lost the permissions of the invitation" => inviter.edit(&LIMITED[..2]).await,
        "the role gives more than the inviter holds" => {
            let body = json!({ "permissions": ["audit:read", "roles:read"] });
            owner.patch(&format!("/roles/{}", inviter.given), body).await.is(200);
        }
        "the inviter is deactivated" => drop(owner.patch(&limited, json!({ "status": "deactivated" })).await.is(200)),
        "the inviter is removed" => drop(owner.delete(&limited).await.is(204)),
        "the inviter is disabled" => server.disable(&inviter.limited).await,
        _ => drop(inviter.limited.post("/tenant/leave", json!({})).await.is(204)),
    }
}

on_both_databases! {
    async fn re4_an_invitation_gives_no_more_than_its_inviter_may_give_now(server: Server) {
        for (number, way) in ENDS.iter().enumerate() {
            let inviter = Inviter::hire(&server, &format!("acme-{number}")).await;
            let email = format!("fay@fay-{number}.example");
            let token = inviter.invites(&server, &email).await;
            let nobody = server.client();
            nobody.post("/invitations/lookup", json!({ "token": token })).await.is(200);
            end(&server, &inviter, way).await;
            is_worthless(&server, &nobody, &token, way).await;
        }
        assert_eq!(server.sql.number("SELECT count(*) FROM users WHERE email LIKE 'fay@%'").await, 0);
    }

    async fn re4_what_the_inviter_holds_again_counts_again(server: Server) {
        let inviter = Inviter::hire(&server, "acme").await;
        let token = inviter.invites(&server, "fay@fay.example").await;
        inviter.edit(&LIMITED[..2]).await;
        is_worthless(&server, &server.client(), &token, "lost").await;
        inviter.edit(&LIMITED).await;
        server.client().post("/invitations/accept", acceptance(&token)).await.is(201);
    }

    async fn re4_whoever_renews_an_invitation_answers_for_it(server: Server) {
        let inviter = Inviter::hire(&server, "acme").await;
        server.verify(&inviter.acme.owner).await;
        inviter.invites(&server, "fay@fay.example").await;
        let resend = format!("/invitations/{}/resend", inviter.open_id().await);
        inviter.acme.owner.post(&resend, json!({})).await.is(200);
        let token = server.mail("fay@fay.example", "invites you").await.token().to_owned();
        inviter.acme.owner.delete(&format!("/users/{}", inviter.limited.id)).await.is(204);
        server.client().post("/invitations/accept", acceptance(&token)).await.is(201);
    }

    async fn re4_a_suspended_tenant_takes_nobody_in(server: Server) {
        let inviter = Inviter::hire(&server, "acme").await;
        let token = inviter.invites(&server, "fay@fay.example").await;
        server.set_status(&inviter.acme, TenantStatus::Suspended).await;
        server.client().post("/invitations/accept", acceptance(&token)).await.refused(403, "tenant_suspended");
        server.set_status(&inviter.acme, TenantStatus::Active).await;
        server.client().post("/invitations/accept", acceptance(&token)).await.is(201);
    }

    async fn te3_a_member_invites_to_and_resends_only_what_they_hold(server: Server) {
        let inviter = Inviter::hire(&server, "acme").await;
        let owner = &inviter.acme.owner;
        server.verify(owner).await;
        for role in ["admin", "owner"] {
            let body = json!({ "email": "fay@fay.example", "roleIds": [inviter.acme.role(role).await] });
            let reply = inviter.limited.post("/invitations", body.clone()).await;
            let code = reply.body["error"]["code"].as_str().unwrap().to_owned();
            assert!(reply.status == 403 && ["role_escalation", "permission_denied"].contains(&code.as_str()), "{}", reply.text);
            owner.post("/invitations", body).await.is(201);
            let token = server.mail("fay@fay.example", "invites you").await.token().to_owned();
            let resend = format!("/invitations/{}/resend", inviter.open_id().await);
            assert_eq!(inviter.limited.post(&resend, json!({})).await.status, 403);
            // A renewal by a limited member with fewer permissions removes the greater offer.
            server.client().post("/invitations/lookup", json!({ "token": token })).await.is(200);
        }
        inviter.invites(&server, "fay@fay.example").await;
        let open = owner.get("/invitations").await.is(200);
        assert_eq!(open[0]["roles"].as_array().map(Vec::len), Some(1));
        assert_eq!(open[0]["roles"][0]["name"], "auditors");
    }
}
