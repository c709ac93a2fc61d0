//! A tenant with one of everything that has an id.

use serde_json::json;

use super::{
    Member, Server, Tenant,
    routes::{Route, UNKNOWN_ID},
};

/// A tenant, its owner, a member, roles and the rest.
pub(crate) struct Estate {
    pub(crate) tenant: Tenant,
    pub(crate) member: Member,
    /// A role that nobody holds.
    pub(crate) free_role: String,
    /// A role that the member holds.
    pub(crate) held_role: String,
    /// Another session of the owner.
    pub(crate) session: String,
    /// An open invitation.
    pub(crate) invitation: String,
    /// An entry of the audit log.
    pub(crate) entry: String,
    /// A mail that was sent in the background.
    pub(crate) job: String,
    /// A file of the owner's.
    pub(crate) file: String,
    /// A link to it.
    pub(crate) link: String,
}

impl Estate {
    pub(crate) async fn of(server: &Server, slug: &str) -> Self {
        let tenant = server.verified_tenant(slug).await;
        let owner = &tenant.owner;
        let free = json!({ "name": "free", "permissions": ["users:read"] });
        let held = json!({ "name": "held", "permissions": ["roles:read"] });
        let free_role = owner.post("/roles", free).await.is(201)["id"].as_str().unwrap().to_owned();
        let held_role = owner.post("/roles", held).await.is(201)["id"].as_str().unwrap().to_owned();
        let member = server.member(&tenant, "held").await;
        let session = server.sign_in(&owner.email, slug).await.session_id().await;
        let guest = json!({ "email": format!("guest@{slug}.example"), "roleIds": [held_role] });
        let invitation = owner.post("/invitations", guest).await.is(201)["id"].as_str().unwrap().to_owned();
        let entries = owner.get("/audit-logs").await.is(200);
        let entry = entries[0]["id"].as_str().unwrap().to_owned();
        let job = owner.get("/jobs").await.is(200)[0]["id"].as_str().unwrap().to_owned();
        let file = owner.upload("plan.csv", "text/csv", b"what,when\nlunch,noon\n").await.is(201);
        let file = file["id"].as_str().unwrap().to_owned();
        let link = owner.post(&format!("/files/{file}/link"), json!({})).await.is(201);
        let link = link["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        Self { tenant, member, free_role, held_role, session, invitation, entry, job, file, link }
    }

    /// Everything of it that has an id.
    pub(crate) fn every_id(&self) -> [&str; 9] {
        let Self { tenant, member, free_role, held_role, session, invitation, entry, job, file, .. } = self;
        [&tenant.id, &member.id, free_role, held_role, session, invitation, entry, job, file]
    }

    /// The ids of things here that the operation can be tried on.
    pub(crate) fn ids_for(&self, route: &Route) -> Vec<&str> {
        match route.id {
            "get_role" | "change_role" | "delete_role" => vec![&self.free_role],
            "get_user" | "change_user" | "remove_user" | "set_roles" => vec![&self.member.id],
            "give_role" => vec![&self.member.id, &self.free_role],
            "take_role" => vec![&self.member.id, &self.held_role],
            "revoke_invitation" | "resend_invitation" => vec![&self.invitation],
            "end_session" => vec![&self.session],
            "get_entry" => vec![&self.entry],
            "get_job" | "retry_job" | "cancel_job" => vec![&self.job],
            "get_file" | "delete_file" | "download_file" | "create_file_link" => vec![&self.file],
            "download_by_link" => vec![&self.link],
            // An operation that is new and takes ids belongs above.
            other => {
                assert_eq!(route.ids(), 0, "say what {other} can be tried on");
                Vec::new()
            }
        }
    }

    /// A body with which the operation succeeds here, where it takes one.
    pub(crate) fn body_for(&self, route: &Route) -> Option<serde_json::Value> {
        match route.id {
            "set_roles" => Some(json!({ "roleIds": [self.held_role] })),
            "create_invitation" => {
                Some(json!({ "email": format!("new@{}.example", self.tenant.slug), "roleIds": [self.held_role] }))
            }
            "switch_tenant" => {
                Some(json!({ "tenantId": self.tenant.id, "refreshToken": self.tenant.owner.refresh_token }))
            }
            "transfer_tenant" => Some(json!({ "userId": self.member.id })),
            _ => route.example_body().inspect(|body| {
                assert!(!body.to_string().contains(UNKNOWN_ID), "the example of {} names an id", route.id);
            }),
        }
    }
}
