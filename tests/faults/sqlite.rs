//! Tests of SQLite while another process writes.

use std::time::{Duration, Instant};
use tenantry_testkit::ledger::RequestOutcome;

use super::{
    HEALED, answer_within,
    ledger::{assert_clean, report},
    load::Load,
    process::{Process, settings},
    run,
    stop::Hold,
};
use crate::support::{Kind, ServerData};

/// Number of requests that are acknowledged before the lock, and after it.
const AT_WORK: usize = 20;
/// How long another connection holds the lock.
const LOCKED: Duration = Duration::from_secs(3);
/// Minimum time that a change waits before it fails.
const WAITS: Duration = Duration::from_millis(900);
/// Maximum time of a read. Reads wait for no writer, so half of the time of the lock is generous.
const READS: Duration = Duration::from_millis(1500);

#[test]
fn fa5_sqlite_locked_by_another_writer() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings()).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        let (books, sql) = (load.books(), place.sql().await);
        let home = books.home();

        let lock = Hold::all_writers(&sql).await;
        let began = Instant::now();
        let refused = async {
            let answer = home.makes_role(books).await.unwrap();
            assert_eq!(answer.status, 503);
            assert!(began.elapsed() > WAITS, "it waits before it gives up");
        };
        let reads = async {
            while began.elapsed() < LOCKED {
                let asked = Instant::now();
                assert_eq!(home.sees_roles(books).await.unwrap().status, 200);
                assert!(asked.elapsed() < READS, "a read took {:?}", asked.elapsed());
            }
        };
        tokio::join!(refused, reads);
        lock.release().await;

        let written = async || home.makes_role(books).await.filter(|answer| answer.status == 201);
        answer_within(HEALED, "changes are made again", written).await;
        load.progress(AT_WORK).await;
        let books = load.finish().await;
        report("FA5", &books);
        assert_clean(&books, &sql).await;
        // None of these roles reached a commit. A failed change of a role's holder has the name of a role that exists.
        let roles = sql.texts("SELECT description FROM roles").await;
        for line in books.lines(RequestOutcome::Failed).into_iter().filter(|line| line.what == "role") {
            assert!(!roles.contains(&line.canary), "{line:?}");
        }
    });
}
