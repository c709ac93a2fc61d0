//! Runs the contract of the port on disk and against an S3 server, and tests the failures of each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use std::{
    ops::Deref,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tenantry_files::{BlobError, BlobKey, Blobs, FileId};
use tenantry_kernel::{Context, TenantId, Timestamp};
use tenantry_objects::{Objects, S3Config};
use tenantry_testkit::{context::test_context, s3::S3Server};

fn disk(folder: &TempDir) -> Objects {
    Objects::on_disk(folder.path().join("files")).unwrap()
}

fn bucket(server: &S3Server, prefix: &str) -> Objects {
    let config = S3Config {
        bucket: S3Server::BUCKET.to_owned(),
        prefix: prefix.to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(server.endpoint()),
        access_key: Some((S3Server::KEY_ID.to_owned(), S3Server::KEY_SECRET.into())),
        session_token: None,
    };
    Objects::in_s3(&config).unwrap()
}

fn key(context: &Context) -> BlobKey {
    BlobKey { tenant: TenantId::new(context), file: FileId::new(context) }
}

/// A storage that holds nothing, with what it lives in.
struct Storage<P> {
    objects: Objects,
    _place: P,
}

impl<P> Deref for Storage<P> {
    type Target = Objects;

    fn deref(&self) -> &Objects {
        &self.objects
    }
}

/// A server of S3 on which no upload may be left unfinished.
struct Tidy(S3Server);

impl Drop for Tidy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.unfinished(), 0, "uploads that were aborted have left something");
        }
    }
}

fn on_disk() -> Storage<TempDir> {
    let folder = TempDir::new().unwrap();
    Storage { objects: disk(&folder), _place: folder }
}

async fn in_s3() -> Storage<Tidy> {
    let server = S3Server::start().await;
    Storage { objects: bucket(&server, ""), _place: Tidy(server) }
}

/// The same where another prefix of the bucket holds something.
async fn under_a_prefix() -> Storage<S3Server> {
    let server = S3Server::start().await;
    let other = bucket(&server, "other/place");
    let (context, _) = test_context();
    let mut writer = other.begin(key(&context)).await.unwrap();
    writer.write(Bytes::from_static(b"theirs")).await.unwrap();
    writer.finish().await.unwrap();
    Storage { objects: bucket(&server, "own"), _place: server }
}

tenantry_testkit::contract_tests! {
    on {
        disk: crate::on_disk(),
        s3: crate::in_s3().await,
        s3_under_a_prefix: crate::under_a_prefix().await,
    }
    blobs
}

/// A killed process leaves `key#number`, which no listing shows.
#[tokio::test]
async fn fi3_what_a_killed_process_left_on_disk_goes_when_it_is_old() {
    let folder = TempDir::new().unwrap();
    let (objects, (context, _)) = (disk(&folder), test_context());
    let whole = key(&context);
    let mut writer = objects.begin(whole).await.unwrap();
    writer.write(Bytes::from_static(b"whole")).await.unwrap();
    writer.finish().await.unwrap();
    let tenant = folder.path().join("files").join(whole.tenant.to_string());
    let left = tenant.join(format!("{}#1", FileId::new(&context)));
    let foreign = tenant.join("README#1");
    for file in [&left, &foreign] {
        std::fs::write(file, b"half").unwrap();
    }
    let now = Timestamp::new(std::fs::metadata(&left).unwrap().modified().unwrap().into());
    let removed = |before| objects.remove_unfinished(before);
    assert_eq!(removed(now.minus(Duration::from_secs(3600))).await.unwrap(), 0);
    assert!(left.exists(), "it may be an upload under way");
    assert_eq!(removed(now.plus(Duration::from_secs(3600))).await.unwrap(), 1);
    assert!(!left.exists() && foreign.exists());
    assert!(objects.read(whole, 0..5).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_told_of_soon() {
    let (context, _) = test_context();
    let mut server = S3Server::start().await;
    let objects = bucket(&server, "");
    server.stop().await;
    let began = Instant::now();
    assert!(matches!(objects.read(key(&context), 0..1).await.err(), Some(BlobError::Unavailable(_))));
    let mut writer = objects.begin(key(&context)).await.unwrap();
    writer.write(Bytes::from_static(b"lost")).await.unwrap();
    assert!(matches!(writer.finish().await.err(), Some(BlobError::Unavailable(_))));
    assert!(objects.check().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    // accepts connections and never answers
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = S3Config {
        bucket: "files".to_owned(),
        prefix: String::new(),
        region: "us-east-1".to_owned(),
        endpoint: Some(format!("http://{}", silent.local_addr().unwrap()).parse().unwrap()),
        access_key: Some(("id".to_owned(), "secret".into())),
        session_token: None,
    };
    let objects = Objects::in_s3(&config).unwrap();
    let began = Instant::now();
    assert!(matches!(objects.read(key(&context), 0..1).await.err(), Some(BlobError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn wrong_keys_are_not_told_apart_from_a_server_that_refuses() {
    let server = S3Server::start().await;
    let (context, _) = test_context();
    let config = S3Config {
        bucket: S3Server::BUCKET.to_owned(),
        prefix: String::new(),
        region: "us-east-1".to_owned(),
        endpoint: Some(server.endpoint()),
        access_key: Some((S3Server::KEY_ID.to_owned(), "another".into())),
        session_token: None,
    };
    let objects = Objects::in_s3(&config).unwrap();
    assert!(matches!(objects.read(key(&context), 0..1).await.err(), Some(BlobError::Unavailable(_))));
    assert!(objects.check().await.is_err());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_found_out() {
    let server = S3Server::start().await;
    let config = S3Config {
        bucket: "nowhere".to_owned(),
        prefix: String::new(),
        region: "us-east-1".to_owned(),
        endpoint: Some(server.endpoint()),
        access_key: Some((S3Server::KEY_ID.to_owned(), S3Server::KEY_SECRET.into())),
        session_token: None,
    };
    assert!(Objects::in_s3(&config).unwrap().check().await.is_err());
}
