//! The part of the walk that covers files.

use reqwest::Method;
use serde_json::json;

use super::{Client, NOTHING, Reply, Walk};

/// Largest file size, in bytes, that the walk's server accepts.
const LARGEST: usize = 64 << 10;

impl Walk<'_> {
    pub(super) async fn files(&self) {
        let tenant = self.server.tenant("filers").await;
        let owner = &tenant.owner;
        let table = |bytes: usize| "a,b\n".repeat(bytes / 4).into_bytes();
        let file = self.upload(owner, "plan.csv", "text/csv", &table(1_000)).await.is(201)["id"].clone();
        let file = format!("/files/{}", file.as_str().unwrap());
        self.upload(owner, "plan.csv", "text/csv", b"<html>").await.refused(422, "validation_failed");
        self.upload(owner, "plan.csv", "text/csv", &table(LARGEST + 4)).await.refused(413, "payload_too_large");
        self.upload(owner, "plan.csv", "text/csv", &table(LARGEST)).await.is(201);
        self.upload(owner, "plan.csv", "text/csv", &table(LARGEST)).await.refused(409, "quota_exceeded");
        self.call(owner, "POST /files/upload", json!({})).await.refused(415, "unsupported_media_type");
        let broken = owner.raw(Method::POST, "/files/upload").header("content-type", "multipart/form-data; boundary=x");
        let broken = owner.finish(broken.body("--x\r\nno head"), &Method::POST, "/api/v1/files/upload").await;
        self.note(self.server, owner, broken).await.refused(400, "malformed_body");

        self.call(owner, "GET /files", NOTHING).await.is(200);
        self.call(owner, "GET /files?cursor=x", NOTHING).await.refused(400, "invalid_cursor");
        self.call(owner, &format!("GET {file}"), NOTHING).await.is(200);
        let link = self.call(owner, &format!("POST {file}/link"), NOTHING).await.is(201)["url"].clone();
        let link = link.as_str().unwrap().rsplit('/').next().unwrap();
        self.keep_secrets(&[link]);
        let nobody = self.server.client();
        for (client, path) in [(&owner.client, format!("{file}/download")), (&nobody, format!("/files/signed/{link}"))]
        {
            let call = format!("GET {path}");
            assert_eq!(self.call(client, &call, NOTHING).await.bytes, table(1_000));
            let beyond = [("range", "bytes=1000-")];
            self.call_with(client, &call, NOTHING, &beyond).await.refused(416, "range_not_satisfiable");
        }
        self.call(owner, &format!("DELETE {file}"), NOTHING).await.is(204);
        self.server.sql.settled().await;
    }

    async fn upload(&self, client: &Client, name: &str, declared: &str, bytes: &[u8]) -> Reply {
        let reply = client.upload(name, declared, bytes).await;
        self.note(self.server, client, reply).await
    }
}
