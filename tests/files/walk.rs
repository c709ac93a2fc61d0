//! The walk through the operations of files.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Client, Reply,
    walk::{NOTHING, Walk},
};

/// Largest file size, in bytes, that the walk's server accepts.
const LARGEST: usize = 64 << 10;

pub(crate) async fn walk(walk: &Walk<'_>) {
    let tenant = walk.server.tenant("filers").await;
    let owner = &tenant.owner;
    let table = |bytes: usize| "a,b\n".repeat(bytes / 4).into_bytes();
    let file = upload(walk, owner, "plan.csv", "text/csv", &table(1_000)).await.is(201)["id"].clone();
    let file = format!("/files/{}", file.as_str().unwrap());
    upload(walk, owner, "plan.csv", "text/csv", b"<html>").await.refused(422, "validation_failed");
    upload(walk, owner, "plan.csv", "text/csv", &table(LARGEST + 4)).await.refused(413, "payload_too_large");
    upload(walk, owner, "plan.csv", "text/csv", &table(LARGEST)).await.is(201);
    upload(walk, owner, "plan.csv", "text/csv", &table(LARGEST)).await.refused(409, "quota_exceeded");
    walk.call(owner, "POST /files/upload", json!({})).await.refused(415, "unsupported_media_type");
    let broken = owner.raw(Method::POST, "/files/upload").header("content-type", "multipart/form-data; boundary=x");
    let broken = owner.finish(broken.body("--x\r\nno head"), &Method::POST, "/api/v1/files/upload").await;
    walk.note(walk.server, owner, broken).await.refused(400, "malformed_body");

    walk.call(owner, "GET /files", NOTHING).await.is(200);
    walk.call(owner, "GET /files?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
    walk.call(owner, &format!("GET {file}"), NOTHING).await.is(200);
    let link = walk.call(owner, &format!("POST {file}/link"), NOTHING).await.is(201)["url"].clone();
    let link = link.as_str().unwrap().rsplit('/').next().unwrap();
    walk.keep_secrets(&[link]);
    let nobody = walk.server.client();
    for (client, path) in [(&owner.client, format!("{file}/download")), (&nobody, format!("/files/signed/{link}"))] {
        let call = format!("GET {path}");
        assert_eq!(walk.call(client, &call, NOTHING).await.bytes, table(1_000));
        let beyond = [("range", "bytes=1000-")];
        walk.call_with(client, &call, NOTHING, &beyond).await.refused(416, "range_not_satisfiable");
    }
    walk.call(owner, &format!("DELETE {file}"), NOTHING).await.is(204);
    walk.server.sql.settled().await;
}

async fn upload(walk: &Walk<'_>, client: &Client, name: &str, declared: &str, bytes: &[u8]) -> Reply {
    let reply = client.upload(name, declared, bytes).await;
    walk.note(walk.server, client, reply).await
}
