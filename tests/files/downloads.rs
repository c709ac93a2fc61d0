use reqwest::Method;
use serde_json::json;

use super::{id_of, image, samples::PNG};
use crate::support::{Client, Reply};

async fn fetch(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(Method::GET, path, None, headers).await
}

on_both_databases! {
    async fn fi1_everything_is_served_inert(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let file = owner.upload("a \"b\" é;.png", "image/png", PNG).await.is(201);
        let path = format!("/files/{}/download", id_of(&file));
        for headers in [&[][..], &[("range", "bytes=0-3")], &[("if-none-match", "\"x\"")]] {
            let reply = fetch(&owner, &path, headers).await;
            assert!(reply.status.is_success());
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            let policy = "default-src 'none'; frame-ancestors 'none'; sandbox";
            assert_eq!(reply.header("content-security-policy"), policy);
            assert_eq!(reply.header("content-type"), "image/png");
            assert_eq!(reply.header("cache-control"), "private, no-cache");
            assert_eq!(reply.headers.get_all("content-disposition").iter().count(), 1);
            let name = "attachment; filename=\"a _b_ _;.png\"; filename*=UTF-8''a%20%22b%22%20%C3%A9%3B.png";
            assert_eq!(reply.header("content-disposition"), name);
        }
    }

    async fn ranges_are_served_as_asked_for(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let path = format!("{}/download", image(&owner).await);
        let length = PNG.len();
        let last = length - 1;
        for (range, part) in [
            ("bytes=0-0".to_owned(), 0..1),
            ("bytes=1-4".to_owned(), 1..5),
            ("bytes=10-".to_owned(), 10..length),
            ("bytes=-5".to_owned(), length - 5..length),
            ("bytes=-100000".to_owned(), 0..length),
            (format!("bytes={last}-100000"), last..length),
        ] {
            let reply = fetch(&owner, &path, &[("range", &range)]).await;
            assert_eq!(reply.status, 206, "{range}");
            assert_eq!(reply.bytes, PNG[part.clone()], "{range}");
            assert_eq!(reply.header("content-range"), format!("bytes {}-{}/{length}", part.start, part.end - 1));
            assert_eq!(reply.header("content-length"), part.len().to_string());
        }
        for range in [format!("bytes={length}-"), "bytes=-0".to_owned(), "bytes=100000-100001".to_owned()] {
            let reply = fetch(&owner, &path, &[("range", &range)]).await;
            assert_eq!(reply.header("content-range"), format!("bytes */{length}"), "{range}");
            reply.refused(416, "range_not_satisfiable");
        }
        for whole in ["bytes=0-1,3-4", "lines=1-2", "bytes", "bytes=", "bytes=x-y", "bytes=5-1"] {
            let reply = fetch(&owner, &path, &[("range", whole)]).await;
            assert_eq!((reply.status.as_u16(), &reply.bytes[..]), (200, PNG), "{whole}");
            assert_eq!(reply.header("accept-ranges"), "bytes");
        }
    }

    async fn conditions_are_looked_at_first(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let path = format!("{}/download", image(&owner).await);
        let tag = owner.get(&path).await.header("etag").to_owned();
        let range = ("range", "bytes=0-3");
        for (headers, status) in [
            (vec![("if-none-match", tag.as_str())], 304),
            (vec![("if-none-match", "*")], 304),
            (vec![("if-none-match", &*format!("\"x\", W/{tag}"))], 304),
            (vec![("if-none-match", tag.as_str()), range], 304),
            (vec![("if-none-match", "\"x\"")], 200),
            (vec![("if-match", tag.as_str())], 200),
            (vec![("if-match", "*"), range], 206),
            (vec![("if-match", "\"x\"")], 412),
            (vec![("if-match", &*format!("W/{tag}"))], 412),
            (vec![("if-match", "\"x\""), ("if-none-match", tag.as_str())], 412),
            (vec![("if-range", tag.as_str()), range], 206),
            (vec![("if-range", "\"x\""), range], 200),
            (vec![("if-range", &*format!("W/{tag}")), range], 200),
            (vec![("if-range", "Wed, 25 Nov 2026 00:00:00 GMT"), range], 200),
        ] {
            let reply = fetch(&owner, &path, &headers).await;
            assert_eq!(reply.status.as_u16(), status, "{headers:?}");
            if status == 304 {
                assert!(reply.bytes.is_empty() && reply.header("etag") == tag);
            }
        }
    }

    async fn every_request_that_gets_bytes_is_noted(server: Server) {
        let owner = server.tenant("acme").await.owner;
        let path = format!("{}/download", image(&owner).await);
        let events = async |reply: &Reply| server.sql.events_of(reply.request_id()).await;
        let downloaded = [("file.downloaded".to_owned(), "succeeded".to_owned())];
        let whole = owner.get(&path).await;
        assert_eq!(events(&whole).await, downloaded);
        let part = fetch(&owner, &path, &[("range", "bytes=1-")]).await;
        assert_eq!(events(&part).await, downloaded, "all but the first byte");
        let none = [("if-none-match", whole.header("etag"))];
        assert!(events(&fetch(&owner, &path, &none).await).await.is_empty());
        assert!(events(&fetch(&owner, &path, &[("range", "bytes=9999-")]).await).await.is_empty());
        let entry = &owner.get("/audit-logs?action=file.downloaded").await.is(200)[0];
        let last = PNG.len() - 1;
        assert_eq!(entry["changes"], json!([{ "field": "range", "from": null, "to": format!("1-{last}") }]));
        assert_eq!((&entry["target"]["type"], &entry["target"]["name"]), (&json!("file"), &json!("logo.png")));
    }

    async fn files_are_listed_by_name_size_and_time(server: Server) {
        let acme = server.tenant("acme").await;
        let (owner, member) = (&acme.owner, server.member(&acme, "member").await);
        let file = async |by: &Client, name: &str, bytes: usize| by.upload(name, "text/csv", "a\n".repeat(bytes).as_bytes()).await.is(201);
        file(owner, "b.csv", 2).await;
        file(owner, "C.csv", 1).await;
        file(&member, "a.csv", 3).await;
        owner.upload("Ab.png", "image/png", PNG).await.is(201);
        let names = async |query: &str| {
            let files = owner.get(&format!("/files{query}")).await.is(200);
            files.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("").await, ["Ab.png", "a.csv", "C.csv", "b.csv"]);
        assert_eq!(names("?sort=name").await, ["a.csv", "Ab.png", "b.csv", "C.csv"]);
        assert_eq!(names("?sort=-size").await, ["Ab.png", "a.csv", "b.csv", "C.csv"]);
        assert_eq!(names("?sort=createdAt").await, ["b.csv", "C.csv", "a.csv", "Ab.png"]);
        assert_eq!(names("?q=A&sort=name").await, ["a.csv", "Ab.png"]);
        assert_eq!(names("?contentType=image/png").await, ["Ab.png"]);
        assert_eq!(names(&format!("?uploadedBy={}", member.id)).await, ["a.csv"]);
        let page = owner.get("/files?sort=name&limit=2").await;
        let cursor = page.body["meta"]["nextCursor"].as_str().unwrap().to_owned();
        assert_eq!(names(&format!("?sort=name&limit=2&cursor={cursor}")).await, ["b.csv", "C.csv"]);
        owner.get(&format!("/files?sort=size&cursor={cursor}")).await.refused(400, "invalid_cursor");
        for bad in ["?contentType=text/html", "?uploadedBy=x", "?sort=sha256"] {
            owner.get(&format!("/files{bad}")).await.refused(422, "validation_failed");
        }
    }
}
