use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;
use tenantry_crypto::ServerSecrets;
use tenantry_files::FileLinkToken;
use tenantry_kernel::TenantStatus;

use super::{image, samples::PNG};
use crate::support::{Member, Reply, Server};

/// Creates a link and returns the path of its download.
async fn link(member: &Member, file: &str) -> String {
    let url = member.post(&format!("{file}/link"), json!({})).await.is(201)["url"].as_str().unwrap().to_owned();
    url[url.find("/files/signed/").unwrap()..].to_owned()
}

async fn follow(server: &Server, path: &str) -> Reply {
    server.client().get(path).await
}

on_both_databases! {
    async fn fi4_a_link_is_good_for_one_file_without_a_session(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let file = image(owner).await;
        let reply = owner.post(&format!("{file}/link"), json!({ "expiresIn": 60 })).await;
        let location = reply.header("location").to_owned();
        let made = reply.is(201);
        assert_eq!(made["url"], format!("{}{location}", server.url()));
        let path = location.strip_prefix("/api/v1").unwrap();
        let got = follow(&server, path).await;
        assert_eq!((got.status.as_u16(), &got.bytes[..]), (200, PNG));
        assert_eq!(got.header("cross-origin-resource-policy"), "cross-origin");
        assert!(got.header("content-disposition").starts_with("attachment; "));
        assert!(got.header("content-security-policy").ends_with("sandbox"));
        let part = server.client().send(Method::GET, path, None, &[("range", "bytes=1-3")]).await;
        assert_eq!((part.status.as_u16(), &part.bytes[..]), (206, &b"PNG"[..]));
        let entry = &owner.get("/audit-logs?action=file.downloaded").await.is(200)[0];
        let changes = json!([
            { "field": "range", "from": null, "to": "1-3" },
            { "field": "issuer", "from": null, "to": owner.id }
        ]);
        assert_eq!((&entry["changes"], &entry["actor"]["id"]), (&changes, &json!(null)));
        for bad in [0, 59, 86_401] {
            owner.post(&format!("{file}/link"), json!({ "expiresIn": bad })).await.refused(422, "validation_failed");
        }
    }

    async fn fi4_a_changed_link_is_as_unknown_as_any(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let path = link(&owner, &image(&owner).await).await;
        let unknown = follow(&server, "/files/signed/tf_AAAA").await;
        let mut tried = 0;
        for place in path.rfind('/').unwrap() + 1..path.len() - 1 {
            let mut forged = path.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let reply = follow(&server, std::str::from_utf8(&forged).unwrap()).await;
            assert_eq!(reply.status, unknown.status);
            reply.refused(404, "not_found");
            tried += 1;
        }
        assert!(tried > 100, "{tried}");
        assert_eq!(follow(&server, &path).await.status, 200);
    }

    async fn fi4_a_link_goes_with_the_file_the_tenant_and_the_issuers_right(server: Server) {
        let acme = server.tenant("acme").await;
        let owner = &acme.owner;
        let file = image(owner).await;
        let reader = server.member_with(&acme, &["files:read"]).await;
        let (own, theirs) = (link(owner, &file).await, link(&reader, &file).await);
        assert_eq!(follow(&server, &theirs).await.status, 200);

        let roles = owner.get(&format!("/users/{}", reader.id)).await.is(200)["roles"].clone();
        let role = roles[0]["id"].as_str().unwrap();
        owner.patch(&format!("/roles/{role}"), json!({ "permissions": [] })).await.is(200);
        follow(&server, &theirs).await.refused(404, "not_found");
        owner.patch(&format!("/roles/{role}"), json!({ "permissions": ["files:read"] })).await.is(200);
        assert_eq!(follow(&server, &theirs).await.status, 200);
        owner.patch(&format!("/users/{}", reader.id), json!({ "status": "deactivated" })).await.is(200);
        follow(&server, &theirs).await.refused(404, "not_found");
        owner.patch(&format!("/users/{}", reader.id), json!({ "status": "active" })).await.is(200);
        owner.delete(&format!("/users/{}", reader.id)).await.is(204);
        follow(&server, &theirs).await.refused(404, "not_found");

        server.set_status(&acme, TenantStatus::Suspended).await;
        follow(&server, &own).await.refused(404, "not_found");
        server.set_status(&acme, TenantStatus::Active).await;
        assert_eq!(follow(&server, &own).await.status, 200);
        owner.delete(&file).await.is(204);
        follow(&server, &own).await.refused(404, "not_found");
    }
}

/// The bytes 0 to 31.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

on_both_databases! {
    settings (SERVER_SECRETS = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");

    async fn fi4_a_link_ends_at_its_time(server: Server) {
        let acme = server.tenant("acme").await;
        let file = image(&acme.owner).await;
        let keys = ServerSecrets::parse(&[SECRET.into()]).unwrap();
        let now = server.app.context.now();
        for (expires_at, status) in [(now.plus(Duration::from_secs(60)), 200), (now.minus(Duration::from_secs(1)), 404)] {
            let token = FileLinkToken {
                tenant: acme.id.parse().unwrap(),
                file: file.rsplit('/').next().unwrap().parse().unwrap(),
                issuer: acme.owner.id.parse().unwrap(),
                expires_at,
            };
            let path = format!("/files/signed/{}", token.sign(&keys).expose_secret());
            assert_eq!(follow(&server, &path).await.status, status);
        }
    }
}
