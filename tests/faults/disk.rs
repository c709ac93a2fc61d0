//! Tests of a full disk: the one of the files, and the one of the database.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    HEALED, answer_within,
    cluster::Cluster,
    ledger::{assert_clean, report},
    load::{Books, Load},
    on_each_database,
    process::{Process, settings},
    run,
};
use crate::support::{Client, Kind, Member, PASSWORD, ServerData, Settings, Sql, fetch};
use serde_json::json;

/// Has room for two files of these tests, but not for three.
const FILES: &str = "4m";
const FILE_BYTES: usize = 1_500_000;

/// Has room for a database and some load.
const SQLITE: &str = "16m";
/// Number of requests that are acknowledged before the disk is full, and after it.
const AT_WORK: usize = 20;
/// Maximum time until no page has room any more.
const FULL: Duration = Duration::from_secs(20);
/// Number of refused changes before space is freed.
const REFUSALS: usize = 20;

/// Starts the program in its own namespace, in which a small file system is mounted on the folder `small` of the place.
fn launch(place: &ServerData, size: &str, arguments: &str, more: &Settings) -> Process {
    let small = place.folder.path().join("small");
    fs::create_dir_all(&small).unwrap();
    let script = place.folder.path().join("start.sh");
    let mount = format!("mount -t tmpfs -o size={size} none '{}'", small.display());
    let program = env!("CARGO_BIN_EXE_tenantry");
    fs::write(&script, format!("#!/bin/sh\nset -e\n{mount}\nexec '{program}' serve {arguments}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let script = script.to_str().unwrap();
    Process::spawn_program(
        Path::new("unshare"),
        &["--map-root-user", "--mount", script],
        &place.settings(more),
        place.folder.path(),
    )
}

/// Returns a path as the process sees it.
fn seen_by(process: u32, path: &Path) -> PathBuf {
    format!("/proc/{process}/root{}", path.display()).into()
}

fn stored(tenants: &Path) -> usize {
    // The first upload creates the folder.
    let Ok(tenants) = fs::read_dir(tenants) else { return 0 };
    tenants.map(|tenant| fs::read_dir(tenant.unwrap().path()).unwrap().count()).sum()
}

on_each_database! {
    async fn fa6_a_full_disk_for_files_is_told_and_leaves_nothing_behind(kind: Kind) {
        let place = ServerData::new(kind).await;
        let small = place.folder.path().join("small");
        let storage = settings().set("STORAGE_URL", &format!("file:{}", small.display()));
        let mut server = launch(&place, FILES, "", &storage);
        server.becomes_ready().await;
        let (sql, files) = (place.sql().await, seen_by(server.id(), &small));
        let client = Client::new(server.url(), place.sql().await);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Acme", "tenantSlug": "acme" });
        let owner = Member::new(&client, &client.post("/auth/register", body).await.is(201));
        let table: Vec<u8> = "a,b\n".bytes().cycle().take(FILE_BYTES).collect();
        let upload = async || owner.upload("a.csv", "text/csv", &table).await;
        let first = upload().await.is(201)["id"].as_str().unwrap().to_owned();
        upload().await.is(201);

        for _ in 0..3 {
            upload().await.refused(507, "storage_full");
            assert_eq!(stored(&files), 2);
            assert_eq!(sql.number("SELECT count(*) FROM files").await, 2);
            let used = sql.number("SELECT CAST(sum(bytes) AS bigint) FROM storage_usage").await;
            assert_eq!(used, 2 * i64::try_from(FILE_BYTES).unwrap());
        }
        assert!(owner.get(&format!("/files/{first}/download")).await.bytes == table, "existing data is served");
        owner.patch("/auth/me", json!({ "name": "Ada L." })).await.is(200);

        owner.delete(&format!("/files/{first}")).await.is(204);
        let room = async || (stored(&files) == 1).then_some(());
        answer_within(Duration::from_secs(10), "the bytes of the deleted file go", room).await;
        upload().await.is(201);
        assert_eq!(stored(&files), 2);
    }
}

#[test]
fn fa6_a_full_disk_for_sqlite_is_told_and_loses_nothing() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let small = place.folder.path().join("small");
        let database = settings().set("DATABASE_URL", &format!("sqlite:{}/tenantry.db", small.display()));
        // Without a worker, no process writes after the load, and the file can be copied.
        let mut server = launch(&place, SQLITE, "--no-worker", &database);
        server.becomes_ready().await;
        let small = seen_by(server.id(), &small);
        let books = fills_up_and_goes_on(&server, &small).await;

        // SQLite would follow the path out of the namespace.
        for name in ["tenantry.db", "tenantry.db-wal"] {
            fs::copy(small.join(name), place.folder.path().join(name)).unwrap();
        }
        let sql = place.sql().await;
        assert_clean(&books, &sql).await;
        assert_orphans_are_reported(&server, &place, &sql).await;
    });
}

#[test]
fn fa6_a_full_disk_for_postgresql_is_told_and_loses_nothing() {
    run(async {
        let cluster = Cluster::start_on_a_small_disk().await;
        let place = ServerData::new(Kind::Sqlite).await;
        let settings = settings().set("DATABASE_URL", &cluster.url("tenantry"));
        let server = Process::start(&place, &settings).await;
        let books = fills_up_and_goes_on(&server, &seen_by(cluster.id(), &cluster.data())).await;
        let sql = Sql::postgres(&cluster.url("tenantry")).await;
        assert_clean(&books, &sql).await;
        assert_orphans_are_reported(&server, &place, &sql).await;
    });
}

/// Fills the disk of the database under load, and frees space again.
async fn fills_up_and_goes_on(server: &Process, disk: &Path) -> Books {
    let load = Load::start(server.url());
    load.progress(AT_WORK).await;
    let (books, home) = (load.books(), load.books().home());

    let ballast = disk.join("ballast");
    let mut filling = File::create(&ballast).unwrap();
    let mut refused = async || {
        // Also fills space that was freed meanwhile.
        while fill(&mut filling) {}
        assert_eq!(home.sees_roles(books).await.unwrap().status, 200, "existing data is served");
        assert_eq!(fetch(format!("{}/livez", server.url())).await.unwrap().status(), 200);
        let answer = home.makes_role(books).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 201 | 503), "{answer:?}");
        (answer.status == 503).then_some(())
    };
    for _ in 0..REFUSALS {
        answer_within(FULL, "a change is refused", &mut refused).await;
    }

    drop(filling);
    fs::remove_file(ballast).unwrap();
    let written = async || home.makes_role(books).await.filter(|answer| answer.status == 201);
    answer_within(HEALED, "changes are made again", written).await;
    load.progress(AT_WORK).await;
    let books = load.finish().await;
    report("FA6", &books);
    assert_eq!(*books.unanswered.read().unwrap(), [""; 0]);
    books
}

/// Returns whether more could be written.
fn fill(file: &mut File) -> bool {
    match file.write(&[0; 4096]) {
        Ok(written) => written > 0,
        Err(error) if error.kind() == ErrorKind::StorageFull => false,
        Err(error) => panic!("{error}"),
    }
}

/// Checks that files whose rows could not be written left no bytes, except where the commit itself failed: there the
/// server cannot know the result, reports it, and leaves the bytes to the sweep.
async fn assert_orphans_are_reported(server: &Process, place: &ServerData, sql: &Sql) {
    let rows = sql.number("SELECT count(*) FROM files").await;
    let reported = server.log().matches("the commit of an upload has an unknown result").count();
    assert_eq!(stored(&place.folder.path().join("files")), usize::try_from(rows).unwrap() + reported);
}
