//! Tests of the operator's command line, with the real program beside a running server.

use serde_json::{Value, json};
use std::process::Command;

use crate::support::{Client, PASSWORD, Server};

impl Server {
    /// Runs a command of the operator on this server's data, and returns its output.
    fn admin(&self, arguments: &[&str]) -> String {
        let settings = self.place.settings(&crate::support::Settings::default());
        let done = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .arg("admin")
            .args(arguments)
            .env_clear()
            .envs(settings)
            .current_dir(self.place.folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// Chooses a first password through a link, and signs in with it.
async fn choose(client: &Client, token: &str, email: &str) -> Value {
    client.post("/auth/password/reset", json!({ "token": token, "password": PASSWORD })).await.is(204);
    client.post("/auth/login", json!({ "email": email, "password": PASSWORD })).await.is(200)
}

const CREATE: [&str; 7] =
    ["create-tenant", "--name", "Acme Ltd", "--owner-email", "ada@acme.example", "--owner-name", "Ada Byron"];
const ADD: [&str; 9] =
    ["add-member", "--tenant", "acme-ltd", "--email", "bob@acme.example", "--name", "Bob Roe", "--role", "member"];

on_both_databases! {
    settings (REGISTRATION = "closed");

    async fn a_closed_installation_begins_at_the_command_line_and_by_mail(server: Server) {
        let said = server.admin(&CREATE);
        assert!(said.contains("created tenant acme-ltd") && said.contains("an email has a link"), "{said}");
        let welcome = server.mail("ada@acme.example", "Welcome").await;
        assert!(welcome.link().starts_with(&format!("{}/links/reset#", server.app.public_url)), "{}", welcome.text);
        let ada = choose(&server.client(), welcome.token(), "ada@acme.example").await;
        assert_eq!((&ada["tenant"]["slug"], &ada["user"]["emailVerified"]), (&json!("acme-ltd"), &json!(true)));
        server.client().post("/auth/password/reset", json!({ "token": welcome.token(), "password": PASSWORD }))
            .await
            .refused(422, "link_invalid");
    }

    async fn a_printed_link_is_not_mailed(server: Server) {
        server.admin(&[&CREATE[..], &["--print-link"]].concat());
        let said = server.admin(&[&ADD[..], &["--print-link"]].concat());
        let (_, token) = said.trim_end().rsplit_once("/links/reset#").unwrap_or_else(|| panic!("{said}"));
        let bob = choose(&server.client(), token, "bob@acme.example").await;
        assert_eq!(bob["tenant"]["slug"], "acme-ltd");
        server.sql.settled().await;
        let subjects: Vec<_> = server.place.mails().into_iter().map(|mail| mail.subject).collect();
        assert_eq!(subjects, ["Your password was changed"]);
    }

    async fn whoever_has_an_account_keeps_their_password_and_gets_no_link(server: Server) {
        server.admin(&CREATE);
        let welcome = server.mail("ada@acme.example", "Welcome").await;
        choose(&server.client(), welcome.token(), "ada@acme.example").await;
        let said = server.admin(&["create-tenant", "--name", "Globex", "--owner-email", "ada@acme.example"]);
        assert!(said.contains("created tenant globex") && !said.contains("link"), "{said}");
        let body = json!({ "email": "ada@acme.example", "password": PASSWORD, "tenantSlug": "globex" });
        server.client().post("/auth/login", body).await.is(200);
    }
}
