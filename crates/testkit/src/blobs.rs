//! The suite of [`Blobs`]. It takes an empty storage.

use bytes::Bytes;
use futures::future::join_all;
use std::{collections::HashSet, ops::Deref, time::Duration};
use tenantry_files::{BlobEntry, BlobError, BlobKey, Blobs, FileId, Presentation};
use tenantry_kernel::{Context, TenantId};

use crate::context::test_context;

/// Larger than any part that an adapter writes.
const LARGE: usize = 12 << 20;

suite! {
    blobs(storage: impl Deref<Target: Blobs + Sized>) calls (&*storage, &test_context().0) {
        a_storage_of_its_own_answers_and_is_empty,
        what_is_written_reads_back,
        nothing_is_there_before_it_is_finished,
        an_abort_leaves_nothing,
        parts_are_read,
        what_is_not_there_is_not_found,
        a_deletion_lasts_and_may_come_twice,
        many_are_written_at_once,
        te5_tenants_do_not_meet,
        more_than_a_page_is_listed,
        unfinished_writes_can_be_removed,
        an_address_is_signed_or_not_to_be_had,
    }
}

async fn a_storage_of_its_own_answers_and_is_empty(blobs: &dyn Blobs, _: &Context) {
    blobs.check().await.unwrap();
    assert!(list(blobs, None).await.is_empty(), "the suite needs a storage of its own");
}

fn key(context: &Context) -> BlobKey {
    BlobKey { tenant: TenantId::new(context), file: FileId::new(context) }
}

/// Returns bytes in which no two places look alike.
fn sample(length: usize) -> Bytes {
    (0_u64..).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).take(length).collect::<Vec<u8>>().into()
}

async fn write(blobs: &dyn Blobs, key: BlobKey, bytes: &Bytes, piece: usize) {
    let mut writer = blobs.begin(key).await.unwrap();
    for start in (0..bytes.len()).step_by(piece) {
        writer.write(bytes.slice(start..bytes.len().min(start + piece))).await.unwrap();
    }
    writer.finish().await.unwrap();
}

async fn read(blobs: &dyn Blobs, key: BlobKey, part: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
    let mut reader = blobs.read(key, part).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await? {
        assert!(!piece.is_empty(), "a piece has bytes");
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn read_all(blobs: &dyn Blobs, key: BlobKey, length: usize) -> Vec<u8> {
    read(blobs, key, 0..length as u64).await.unwrap()
}

async fn list(blobs: &dyn Blobs, tenant: Option<TenantId>) -> Vec<BlobEntry> {
    let mut lister = blobs.list(tenant);
    let mut all = Vec::new();
    while let Some(entries) = lister.next().await.unwrap() {
        assert!(!entries.is_empty(), "some entries are at least one");
        all.extend(entries);
    }
    all
}

async fn what_is_written_reads_back(blobs: &dyn Blobs, context: &Context) {
    for (length, piece) in
        [(1, 1), (1000, 7), (1 << 20, 1 << 18), ((1 << 20) + 1, 1 << 18), (LARGE, 1 << 18), (LARGE + 3, LARGE)]
    {
        let (key, bytes) = (key(context), sample(length));
        write(blobs, key, &bytes, piece).await;
        assert!(read_all(blobs, key, length).await == bytes, "{length} bytes in pieces of {piece}");
    }
}

async fn nothing_is_there_before_it_is_finished(blobs: &dyn Blobs, context: &Context) {
    for length in [10, LARGE] {
        let (key, bytes) = (key(context), sample(length));
        let mut writer = blobs.begin(key).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        assert!(matches!(blobs.read(key, 0..1).await.err(), Some(BlobError::NotFound)));
        assert!(list(blobs, Some(key.tenant)).await.is_empty());
        writer.finish().await.unwrap();
        assert!(read_all(blobs, key, length).await == bytes);
        assert_eq!(list(blobs, Some(key.tenant)).await.len(), 1);
    }
}

async fn an_abort_leaves_nothing(blobs: &dyn Blobs, context: &Context) {
    for length in [0, 10, LARGE] {
        let key = key(context);
        let mut writer = blobs.begin(key).await.unwrap();
        writer.write(sample(length)).await.unwrap();
        writer.abort().await.unwrap();
        assert!(matches!(blobs.read(key, 0..1).await.err(), Some(BlobError::NotFound)));
        assert!(list(blobs, Some(key.tenant)).await.is_empty());
    }
}

async fn parts_are_read(blobs: &dyn Blobs, context: &Context) {
    let (key, bytes) = (key(context), sample(LARGE));
    write(blobs, key, &bytes, 1 << 18).await;
    let end = LARGE as u64;
    for part in [0..1, 0..end, 1..2, end - 1..end, 12_345..1_234_567, (1 << 18) - 1..(1 << 18) + 1] {
        let wanted = bytes.slice(usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap());
        assert!(read(blobs, key, part.clone()).await.unwrap() == wanted, "{part:?}");
    }
}

async fn what_is_not_there_is_not_found(blobs: &dyn Blobs, context: &Context) {
    assert!(matches!(blobs.read(key(context), 0..1).await.err(), Some(BlobError::NotFound)));
    assert!(list(blobs, Some(TenantId::new(context))).await.is_empty());
}

async fn a_deletion_lasts_and_may_come_twice(blobs: &dyn Blobs, context: &Context) {
    let (one, other) = (key(context), key(context));
    write(blobs, one, &sample(10), 10).await;
    write(blobs, other, &sample(10), 10).await;
    for _ in 0..2 {
        blobs.delete(one).await.unwrap();
        assert!(matches!(blobs.read(one, 0..1).await.err(), Some(BlobError::NotFound)));
    }
    assert_eq!(read_all(blobs, other, 10).await, sample(10));
}

async fn many_are_written_at_once(blobs: &dyn Blobs, context: &Context) {
    let tenant = TenantId::new(context);
    let keys: Vec<BlobKey> = (0..20).map(|_| BlobKey { tenant, file: FileId::new(context) }).collect();
    join_all(keys.iter().zip(1..).map(|(key, length)| async move {
        write(blobs, *key, &sample(length * 1000), 999).await;
    }))
    .await;
    for (key, length) in keys.iter().zip(1..) {
        assert!(read_all(blobs, *key, length * 1000).await == sample(length * 1000));
    }
    assert_eq!(list(blobs, Some(tenant)).await.len(), 20);
}

async fn te5_tenants_do_not_meet(blobs: &dyn Blobs, context: &Context) {
    let (own, foreign) = (key(context), TenantId::new(context));
    write(blobs, own, &sample(10), 10).await;
    let theirs = BlobKey { tenant: foreign, file: own.file };
    assert!(matches!(blobs.read(theirs, 0..1).await.err(), Some(BlobError::NotFound)));
    blobs.delete(theirs).await.unwrap();
    assert_eq!(read_all(blobs, own, 10).await, sample(10));
    assert!(list(blobs, Some(foreign)).await.is_empty());
    assert!(list(blobs, None).await.iter().any(|entry| entry.key == own));
}

async fn more_than_a_page_is_listed(blobs: &dyn Blobs, context: &Context) {
    let tenant = TenantId::new(context);
    let keys: HashSet<BlobKey> = (0..1_100).map(|_| BlobKey { tenant, file: FileId::new(context) }).collect();
    for portion in keys.iter().collect::<Vec<_>>().chunks(50) {
        join_all(portion.iter().map(|key| async move { write(blobs, **key, &sample(1), 1).await })).await;
    }
    let listed: Vec<BlobKey> = list(blobs, Some(tenant)).await.iter().map(|entry| entry.key).collect();
    assert_eq!(listed.len(), keys.len());
    assert_eq!(listed.into_iter().collect::<HashSet<_>>(), keys);
}

async fn unfinished_writes_can_be_removed(blobs: &dyn Blobs, context: &Context) {
    let (whole, begun) = (key(context), key(context));
    write(blobs, whole, &sample(10), 10).await;
    let mut writer = blobs.begin(begun).await.unwrap();
    writer.write(sample(LARGE)).await.unwrap();
    let long_ago = context.now().minus(Duration::from_secs(3600 * 24 * 365 * 50));
    assert_eq!(blobs.remove_unfinished(long_ago).await.unwrap(), 0, "younger blobs are kept");
    assert_eq!(read_all(blobs, whole, 10).await, sample(10));
    writer.abort().await.unwrap();
}

async fn an_address_is_signed_or_not_to_be_had(blobs: &dyn Blobs, context: &Context) {
    let (key, bytes) = (key(context), sample(1000));
    write(blobs, key, &bytes, 1000).await;
    let presentation =
        Presentation { content_type: "image/png", content_disposition: "attachment; filename=\"a b.png\"".to_owned() };
    let Some(url) = blobs.presign(key, Duration::from_secs(60), &presentation).await.unwrap() else { return };
    // No certificates: reading the machine's takes a tenth of a second.
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), presentation.content_type);
    assert_eq!(header("content-disposition"), presentation.content_disposition);
    assert!(answer.bytes().await.unwrap() == bytes);
    let other = url.replace(&key.file.to_string(), &FileId::new(context).to_string());
    assert!(client.get(other).send().await.unwrap().status().is_client_error(), "the URL is valid for one file");
}
