//! SQLite while somebody else writes.

use std::time::{Duration, Instant};
use tenantry_testkit::ledger::Outcome;

use super::{
    HEALED, answer_within,
    ledger::{assert_clean, report},
    load::Load,
    process::{Process, settings},
    run,
    stop::Hold,
};
use crate::support::{Kind, Place};

/// What is acknowledged before the lock and after it.
const AT_WORK: usize = 20;
/// How long somebody else holds the lock.
const LOCKED: Duration = Duration::from_secs(3);
/// A change waits at least so long before it is given up.
const WAITS: Duration = Duration::from_millis(900);
/// A read waits for no writer: half of the time that the lock is held is long for one.
const READS: Duration = Duration::from_millis(1500);

#[test]
fn fa5_sqlite_locked_by_another_writer() {
    run(async {
        let place = Place::new(Kind::Sqlite).await;
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
        // None of these got as far as to a commit.
        let roles = sql.texts("SELECT description FROM roles").await;
        for line in books.lines(Outcome::Failed) {
            assert!(!roles.contains(&line.canary), "{line:?}");
        }
    });
}
