//! Tests of the targets of mailed links: always the configured address, whatever a request's headers say.

use reqwest::Method;
use serde_json::json;

use crate::support::{Mailed, PASSWORD, Server};

const LIES: [(&str, &str); 8] = [
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-server", "evil.example"),
    ("x-original-host", "evil.example"),
    ("forwarded", "for=203.0.113.1;host=evil.example;proto=https"),
    ("origin", "https://evil.example"),
    ("referer", "https://evil.example/"),
];

/// Requests one email with a link of each purpose, with forged headers.
async fn asked_for_with_lies(server: &Server) -> [Mailed; 5] {
    let lie = async |client: &crate::support::Client, path: &str, body| {
        let reply = client.send(Method::POST, path, Some(body), &LIES).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text);
        assert!(!reply.text.contains("evil.example") && !reply.header("location").contains("evil.example"));
    };
    let nobody = server.client();
    let registration = json!({
        "email": "olga@acme.example", "password": PASSWORD, "name": "Olga", "tenantName": "Acme", "tenantSlug": "acme"
    });
    lie(&nobody, "/auth/register", registration).await;
    let confirm = server.mail("olga@acme.example", "Confirm your registration").await;
    let token = token_of(&confirm);
    let confirmation = json!({ "token": token, "password": PASSWORD });
    let data = nobody.post("/auth/register/confirm", confirmation).await.is(201);
    let owner = crate::support::Member::new(&nobody, &data);
    let viewer = owner.get("/roles").await.is(200);
    let viewer = viewer.as_array().unwrap().iter().find(|role| role["name"] == "viewer").unwrap()["id"].clone();
    lie(&owner, "/invitations", json!({ "email": "fay@fay.example", "roleIds": [viewer] })).await;
    let invite = server.mail("fay@fay.example", "invites you").await;
    lie(&nobody, "/auth/password/forgot", json!({ "email": owner.email })).await;
    let reset = server.mail(&owner.email, "Choose a new password").await;
    let change = json!({ "currentPassword": PASSWORD, "newEmail": "new@acme.example" });
    lie(&owner, "/auth/email/change", change).await;
    let change = server.mail("new@acme.example", "Confirm your new").await;
    let id = server.sql.id(&owner.id);
    server.sql.execute(&format!("UPDATE users SET email_verified_at = NULL WHERE id = {id}")).await;
    lie(&owner, "/auth/email/resend", json!({})).await;
    let verify = server.mail(&owner.email, "Confirm your email address").await;
    [confirm, verify, change, reset, invite]
}

/// Returns every URL in the text of the email.
fn addresses(mail: &Mailed) -> Vec<&str> {
    mail.text.split_whitespace().filter(|word| word.contains("://")).collect()
}

fn token_of(mail: &Mailed) -> &str {
    addresses(mail)[0].rsplit(['#', '=']).next().unwrap()
}

/// Checks that the email has one URL, which is this one with a token at the end, in both of its parts.
fn leads_to(mail: &Mailed, wanted: &str) {
    let [address] = addresses(mail)[..] else { panic!("{}", mail.text) };
    assert_eq!(address.strip_suffix(token_of(mail)), Some(wanted), "{}", mail.subject);
    assert_eq!(token_of(mail).len(), 43);
    let links = mail.html.match_indices("href=\"").map(|(at, _)| &mail.html[at + 6..]);
    for link in links {
        let link = link.split('"').next().unwrap().replace("&#x2f;", "/").replace("&amp;", "&").replace("&#x3d;", "=");
        assert_eq!(link, address, "{}", mail.subject);
    }
    assert!(!mail.raw.contains("evil.example"), "{}", mail.raw);
}

async fn leads_home(server: Server) {
    let url = server.url();
    let [confirm, verify, change, reset, invite] = asked_for_with_lies(&server).await;
    leads_to(&confirm, &format!("{url}/links/confirm#"));
    leads_to(&verify, &format!("{url}/links/verify#"));
    leads_to(&change, &format!("{url}/links/verify#"));
    leads_to(&reset, &format!("{url}/links/reset#"));
    leads_to(&invite, &format!("{url}/links/invite#"));
}

on_both_databases! {
    settings (REGISTRATION = "verified");

    async fn re1_links_lead_home_whatever_a_request_says(server: Server) {
        leads_home(server).await;
    }
}

on_both_databases! {
    settings (REGISTRATION = "verified", TRUSTED_PROXIES = "1");

    async fn re1_links_lead_home_whatever_a_trusted_proxy_says(server: Server) {
        leads_home(server).await;
    }
}

on_both_databases! {
    settings (
        REGISTRATION = "verified", TRUSTED_PROXIES = "1", PUBLIC_URL = "https://api.acme.example",
        APP_URL = "https://app.acme.example", LINK_PATH_RESET = "/account/reset?lang=en&t={token}"
    );

    async fn re1_links_lead_to_the_application_by_its_own_paths(server: Server) {
        let [confirm, verify, change, reset, invite] = asked_for_with_lies(&server).await;
        leads_to(&confirm, "https://app.acme.example/links/confirm#");
        leads_to(&verify, "https://app.acme.example/links/verify#");
        leads_to(&change, "https://app.acme.example/links/verify#");
        leads_to(&reset, "https://app.acme.example/account/reset?lang=en&t=");
        leads_to(&invite, "https://app.acme.example/links/invite#");
    }
}

on_both_databases! {
    settings (REGISTRATION = "verified", PUBLIC_URL = "https://api.acme.example");

    async fn re1_links_lead_to_the_public_address_without_an_application(server: Server) {
        let [confirm, _, _, reset, _] = asked_for_with_lies(&server).await;
        leads_to(&confirm, "https://api.acme.example/links/confirm#");
        leads_to(&reset, "https://api.acme.example/links/reset#");
    }
}
