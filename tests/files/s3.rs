use serde_json::json;
use tenantry_testkit::s3::S3Server;

use super::{id_of, image, samples::PNG};
use crate::support::{Kind, Server, Settings, fetch};

fn settings(s3: &S3Server) -> Settings {
    Settings::default()
        .set("STORAGE_URL", &format!("s3://{}/own", S3Server::BUCKET))
        .set("AWS_ENDPOINT_URL", s3.endpoint().as_str().trim_end_matches('/'))
        .set("AWS_ACCESS_KEY_ID", S3Server::KEY_ID)
        .set("AWS_SECRET_ACCESS_KEY", S3Server::KEY_SECRET)
        .set("MAX_FILE_SIZE", "16MiB")
}

/// Runs a test on a Tenantry server with an S3 server.
fn with_s3<F: Future<Output = ()>>(kind: Kind, more: Settings, test: impl FnOnce(Server, S3Server) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let s3 = S3Server::start().await;
        test(Server::start(kind, settings(&s3).and(&more)).await, s3).await;
    });
}

async fn files_live(server: Server, mut s3: S3Server) {
    let owner = server.tenant("acme").await.owner;
    let path = image(&owner).await;
    let download = format!("{path}/download");
    assert_eq!(owner.get(&download).await.bytes, PNG);
    let part = owner.send(reqwest::Method::GET, &download, None, &[("range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), &part.bytes[..]), (206, &b"PNG"[..]));

    // Larger than one part.
    let table: Vec<u8> = "a,b\n".bytes().cycle().take(12 << 20).collect();
    let large = owner.upload("large.csv", "text/csv", &table).await.is(201);
    let large = format!("/files/{}", id_of(&large));
    assert!(owner.get(&format!("{large}/download")).await.bytes == table);
    let broken = [&table[..], b"\"x"].concat();
    owner.upload("broken.csv", "text/csv", &broken).await.refused(422, "validation_failed");
    assert_eq!(s3.unfinished(), 0, "an upload that was refused has left parts");

    owner.delete(&path).await.is(204);
    server.sql.settled().await;
    owner.get(&download).await.refused(404, "not_found");

    s3.stop().await;
    owner.get(&format!("{large}/download")).await.refused(503, "unavailable");
    owner.upload("logo.png", "image/png", PNG).await.refused(503, "unavailable");
    assert_eq!(server.recorded().await, 1);
    owner.get(&large).await.is(200);
}

#[test]
fn files_live_in_s3_too_sqlite() {
    with_s3(Kind::Sqlite, Settings::default(), files_live);
}

#[test]
fn files_live_in_s3_too_postgres() {
    with_s3(Kind::Postgres, Settings::default(), files_live);
}

#[test]
fn downloads_are_sent_on_to_s3_where_it_is_configured() {
    let redirect = Settings::default().set("STORAGE_REDIRECT", "on");
    with_s3(Kind::Sqlite, redirect, |server, s3| async move {
        let _running = s3;
        let owner = server.tenant("acme").await.owner;
        let path = image(&owner).await;
        let link = owner.post(&format!("{path}/link"), json!({})).await.is(201)["url"].as_str().unwrap().to_owned();
        let signed = link[link.find("/files/signed/").unwrap()..].to_owned();
        for (client, path) in [(&owner.client, format!("{path}/download")), (&server.client(), signed)] {
            let described = client.send(reqwest::Method::HEAD, &path, None, &[]).await;
            assert_eq!((described.status.as_u16(), described.header("location")), (200, ""), "no address unrecorded");
            assert_eq!(described.header("content-length"), PNG.len().to_string());
            assert!(server.sql.events_of(described.request_id()).await.is_empty());
            let sent_on = client.get(&path).await;
            assert_eq!(sent_on.status, 302);
            assert_eq!(server.sql.events_of(sent_on.request_id()).await.len(), 1, "it is recorded before");
            let got = fetch(sent_on.header("location")).await.unwrap();
            assert_eq!(got.headers()["content-disposition"], "attachment; filename=\"logo.png\"");
            assert_eq!(got.headers()["content-type"], "image/png");
            assert_eq!(got.bytes().await.unwrap(), PNG);
        }
        let tag = owner.get(&path).await.is(200)["sha256"].as_str().unwrap().to_owned();
        let known = [("if-none-match", &*format!("\"{tag}\""))];
        let reply = owner.send(reqwest::Method::GET, &format!("{path}/download"), None, &known).await;
        assert_eq!(reply.status, 304);
    });
}
