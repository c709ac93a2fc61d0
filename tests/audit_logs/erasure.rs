//! Tests of a user whose personal data is deleted, while the log stays valid.

use serde_json::json;
use std::process::Command;

use crate::support::{PASSWORD, Server, Settings};

const ANSWERS: &str = "SELECT count(*) FROM answers";

impl Server {
    fn erase(&self, arguments: &[&str]) -> (bool, String) {
        let done = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(["admin", "erase-user"])
            .args(arguments)
            .env_clear()
            .envs(self.place.settings(&Settings::default()))
            .current_dir(self.place.folder.path())
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    }
}

on_both_databases! {
    async fn an_erased_person_is_nowhere_and_every_seal_stays_valid(server: Server) {
        let acme = server.verified_tenant("acme").await;
        let member = server.member(&acme, "member").await;
        let (email, name) = (member.email.clone(), "Zebediah Canary");
        member.patch("/auth/me", json!({ "name": name })).await.is(200);
        acme.owner.post("/invitations", json!({ "email": "other@example.com", "roleIds": [role_of(&acme).await] })).await.is(201);
        server.invite(&acme, "next@example.com", "member").await;
        // Emails to an address that ends like the deleted one stay; a colleague's stored response that contains the
        // deleted address is removed.
        let longer = format!("x{email}");
        let invited = json!({ "email": longer, "roleIds": [role_of(&acme).await] });
        acme.owner.post("/invitations", invited).await.is(201);
        let waiting = format!("SELECT count(*) FROM jobs WHERE payload LIKE '%\"{longer}\"%'");
        let emails = server.sql.number(&waiting).await;
        let path = format!("/users/{}", member.id);
        let keyed = acme.owner.raw(reqwest::Method::PATCH, &path).header("idempotency-key", "k");
        let keyed = keyed.json(&json!({ "status": "active" }));
        acme.owner.finish(keyed, &reqwest::Method::PATCH, &path).await.is(200);
        assert_eq!(server.sql.number(ANSWERS).await, 1);
        let own = server.audit(&["seal"]);
        own.whole();
        let (done, said) = server.erase(&["--email", &email]);
        assert!(!done && said.contains("--force"), "{said}");
        let (done, said) = server.erase(&["--email", &email, "--force"]);
        assert!(done && said.contains("erased"), "{said}");

        let dump = server.sql.dump().await;
        for (table, rows) in &dump {
            for row in rows {
                let row = row.replace(&longer, "");
                assert!(!row.contains(&email) && !row.contains(name), "{table}: {row}");
            }
        }
        assert_eq!(server.sql.number(&waiting).await, emails);
        assert_eq!(server.sql.number(ANSWERS).await, 0);
        let login = json!({ "email": email, "password": PASSWORD });
        server.client().post("/auth/login", login).await.refused(401, "invalid_credentials");
        member.get("/auth/me").await.refused(401, "session_ended");
        let users = acme.owner.get("/users").await.is(200);
        assert!(users.as_array().unwrap().iter().all(|user| user["id"] != member.id.as_str()));
        let acts = acme.owner.get(&format!("/audit-logs?actorId={}", member.id)).await.is(200);
        assert!(!acts.as_array().unwrap().is_empty());
        for act in acts.as_array().unwrap() {
            assert!(act["actor"]["name"].is_null() && act["context"]["ip"].is_null(), "{act}");
        }
        let noted = acme.owner.get("/audit-logs?action=user.erased").await.is(200);
        assert_eq!((&noted[0]["target"]["id"], &noted[0]["actor"]["type"]), (&json!(member.id), &json!("operator")));

        server.audit(&["seal"]).whole();
        let said = server.audit(&["verify"]).whole();
        assert!(said.contains("with their personal part erased"), "{said}");
        let (done, said) = server.erase(&["--id", &member.id]);
        assert!(done, "{said}");
        let (done, said) = server.erase(&["--email", &email]);
        assert!(!done && said.contains("no account has the address"), "{said}");
    }
}

async fn role_of(tenant: &crate::support::Tenant) -> String {
    let roles = tenant.owner.get("/roles").await.is(200);
    let member = roles.as_array().unwrap().iter().find(|role| role["name"] == "member").unwrap();
    member["id"].as_str().unwrap().to_owned()
}
