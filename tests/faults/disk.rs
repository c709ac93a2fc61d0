//! A disk that is full for files.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use super::{
    answer_within, on_each_database,
    process::{Process, settings},
};
use crate::support::{Client, Kind, Member, PASSWORD, Place};
use serde_json::json;

/// Room for two of these, and not for three.
const SIZE: &str = "4m";
const FILE_BYTES: usize = 1_500_000;

/// Starts the program in a namespace of its own, in which a small file system lies over the folder of its files.
fn launch(place: &Place) -> Process {
    let storage = place.folder.path().join("small");
    std::fs::create_dir_all(&storage).unwrap();
    let script = place.folder.path().join("start.sh");
    let mount = format!("mount -t tmpfs -o size={SIZE} none '{}'", storage.display());
    let program = env!("CARGO_BIN_EXE_tenantry");
    std::fs::write(&script, format!("#!/bin/sh\nset -e\n{mount}\nexec '{program}' serve\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let more = settings().set("STORAGE_URL", &format!("file:{}", storage.display()));
    let script = script.to_str().unwrap();
    Process::spawn_program(
        Path::new("unshare"),
        &["--map-root-user", "--mount", script],
        &place.settings(&more),
        place.folder.path(),
    )
}

/// The files in that file system, as the process sees it.
fn stored(server: &Process, place: &Place) -> usize {
    let storage = place.folder.path().join("small");
    let seen = format!("/proc/{}/root{}", server.id(), storage.display());
    let tenants = std::fs::read_dir(seen).unwrap().map(|entry| entry.unwrap().path());
    tenants.map(|tenant| std::fs::read_dir(tenant).unwrap().count()).sum()
}

on_each_database! {
    async fn fa6_a_full_disk_for_files_is_told_and_leaves_nothing_behind(kind: Kind) {
        let place = Place::new(kind).await;
        let mut server = launch(&place);
        server.becomes_ready().await;
        let sql = place.sql().await;
        let client = Client::new(server.url(), place.sql().await);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Acme", "tenantSlug": "acme" });
        let owner = Member::new(&client, &client.post("/auth/register", body).await.is(201));
        let table: Vec<u8> = "a,b\n".bytes().cycle().take(FILE_BYTES).collect();
        let upload = async || owner.upload("a.csv", "text/csv", &table).await;
        let first = upload().await.is(201)["id"].as_str().unwrap().to_owned();
        upload().await.is(201);

        for _ in 0..3 {
            upload().await.refused(507, "storage_full");
            assert_eq!(stored(&server, &place), 2);
            assert_eq!(sql.number("SELECT count(*) FROM files").await, 2);
            let used = sql.number("SELECT CAST(sum(bytes) AS bigint) FROM storage_usage").await;
            assert_eq!(used, 2 * i64::try_from(FILE_BYTES).unwrap());
        }
        assert!(owner.get(&format!("/files/{first}/download")).await.bytes == table, "what is there is served");
        owner.patch("/auth/me", json!({ "name": "Ada L." })).await.is(200);

        owner.delete(&format!("/files/{first}")).await.is(204);
        let room = async || (stored(&server, &place) == 1).then_some(());
        answer_within(Duration::from_secs(10), "the bytes of the deleted file go", room).await;
        upload().await.is(201);
        assert_eq!(stored(&server, &place), 2);
    }
}
