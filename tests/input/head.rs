use reqwest::Method;

use crate::support::{Client, Fixture, Reply, routes::routes};

/// Pages that the OpenAPI document omits.
const PAGES: [&str; 6] =
    ["//openapi.json", "//docs", "//docs/", "//links/reset", "//links/page.js", "//links/page.css"];
/// Operations whose response may have another length each time.
const LIVELY: [&str; 8] =
    ["get_job", "get_user", "health", "job_stats", "list_entries", "list_jobs", "list_sessions", "list_users"];

async fn head(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(Method::HEAD, path, None, headers).await
}

/// Returns the headers that do not differ from one request to the next.
fn lasting(reply: &Reply) -> Vec<(&str, &str)> {
    let passing = ["date", "x-request-id", "content-length"];
    let all = reply.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut lasting: Vec<_> = all.filter(|(name, _)| !passing.contains(name)).collect();
    lasting.sort_unstable();
    lasting
}

on_both_databases! {
    async fn head_is_answered_like_get_without_a_body_and_leaves_no_event(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let documented = routes().iter().filter(|route| route.method == Method::GET).map(|route| {
            let query = if route.id == "export_entries" { "?format=csv" } else { "" };
            (route.id, format!("{}{query}", route.path(&acme.ids_for(route))))
        });
        let pages = PAGES.map(|page| (page, page.to_owned()));
        for (id, path) in documented.chain(pages) {
            for client in [&acme.tenant.owner.client, &server.client()] {
                let described = head(client, &path, &[]).await;
                assert!(server.sql.events_of(described.request_id()).await.is_empty(), "{id} left an event");
                let got = client.get(&path).await;
                assert_eq!(described.status, got.status, "{id}");
                assert!(described.bytes.is_empty(), "{id}");
                assert_eq!(lasting(&described), lasting(&got), "{id}");
                if !LIVELY.contains(&id) {
                    assert_eq!(described.header("content-length"), got.header("content-length"), "{id}");
                }
            }
        }
    }

    async fn head_describes_the_whole_file_and_meets_its_conditions(server: Server) {
        let acme = Fixture::of(&server, "acme").await;
        let (owner, nobody) = (&acme.tenant.owner, server.client());
        let file = format!("/files/{}/download", acme.id_for("download_file"));
        let linked = format!("/files/signed/{}", acme.id_for("download_by_link"));
        for (client, path) in [(&owner.client, file), (&nobody, linked)] {
            let whole = head(client, &path, &[("range", "bytes=0-3")]).await;
            assert_eq!((whole.status.as_u16(), whole.header("content-length")), (200, "21"), "only GET has ranges");
            assert_eq!((whole.header("accept-ranges"), whole.header("content-range")), ("bytes", ""));
            let tag = whole.header("etag").to_owned();
            assert_eq!(head(client, &path, &[("if-none-match", &tag)]).await.status, 304);
            assert_eq!(head(client, &path, &[("if-match", "\"x\"")]).await.status, 412);
            let downloads = "SELECT count(*) FROM journal WHERE action = 'file.downloaded'";
            assert_eq!(server.sql.number(downloads).await, 0);
        }
    }

    async fn head_is_refused_where_get_is(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let unknown = head(&server.client(), "/roles", &[]).await;
        assert_eq!((unknown.status.as_u16(), unknown.header("www-authenticate")), (401, "Bearer realm=\"tenantry\""));
        assert_eq!(head(&owner, "/nothing", &[]).await.status, 404);
        assert_eq!(head(&owner, "/roles?limit=0", &[]).await.status, 422);
        let elsewhere = head(&owner, "/auth/login", &[]).await;
        assert_eq!((elsewhere.status.as_u16(), elsewhere.header("allow")), (405, "POST"));
        // The connection goes on behind a response without a body.
        owner.get("/auth/me").await.is(200);
    }
}
