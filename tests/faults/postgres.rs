//! Tests of PostgreSQL: restarted, frozen, and with cut connections.

use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

use super::{
    HEALED,
    cluster::Cluster,
    ledger::{assert_clean, report},
    load::{Answer, Books, Load},
    process::{Process, settings},
    run,
};
use crate::support::{Kind, ServerData, Sql, fetch};

/// Number of requests that are acknowledged before a fault, and after it.
pub(super) const AT_WORK: usize = 20;
/// How long PostgreSQL stays frozen.
const FROZEN: Duration = Duration::from_secs(4);
/// How often connections are cut.
const CUTS: u32 = 5;
const BETWEEN_CUTS: Duration = Duration::from_secs(1);
/// Number of correct responses in a row after which the server counts as recovered.
const HEALTHY_ANSWERS: usize = 20;

/// A server under load on a PostgreSQL into which tests inject faults.
struct Patient {
    cluster: Cluster,
    server: Process,
    load: Load,
    _place: ServerData,
}

#[test]
fn fa4_postgresql_restarted() {
    run(async {
        let mut patient = Patient::at_work().await;
        patient.while_alive_and_honest(Cluster::restart).await;
        patient.heals("FA4 restart").await;
    });
}

#[test]
fn fa4_postgresql_frozen() {
    run(async {
        let mut patient = Patient::at_work().await;
        patient.cluster.freeze().await;
        let began = Instant::now();
        let home = patient.load.books().home();
        while began.elapsed() < FROZEN {
            assert_eq!(home.sees_roles(patient.load.books()).await.unwrap().status, 503);
            assert_eq!(home.makes_role(patient.load.books()).await.unwrap().status, 503);
            assert_eq!(status(&patient.server, "readyz").await, 503);
            assert_eq!(status(&patient.server, "livez").await, 200);
        }
        patient.cluster.thaw();
        patient.heals("FA4 freeze").await;
    });
}

#[test]
fn fa4_connections_terminated_every_second() {
    run(async {
        let mut patient = Patient::at_work().await;
        let mut admin = patient.cluster.connection().await;
        for _ in 0..CUTS {
            assert!(cut_connections(&mut admin).await > 1, "the pool and the reader of authority are connected");
            patient.while_alive_and_honest(async |_| tokio::time::sleep(BETWEEN_CUTS).await).await;
        }
        cut_connections(&mut admin).await;
        admin.close().await.unwrap();
        patient.heals("FA4 cut connections").await;
    });
}

impl Patient {
    async fn at_work() -> Self {
        let cluster = Cluster::start().await;
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("DATABASE_URL", &cluster.url("tenantry"))).await;
        let load = Load::start(server.url());
        load.progress(AT_WORK).await;
        Self { cluster, server, load, _place: place }
    }

    /// Checks, until the work on the cluster is done, that the process lives and that a route of the database is served
    /// or says when to retry.
    async fn while_alive_and_honest(&mut self, work: impl AsyncFnOnce(&mut Cluster)) {
        let Self { cluster, server, load, .. } = self;
        let mut done = std::pin::pin!(work(cluster));
        loop {
            tokio::select! {
                () = &mut done => return,
                () = is_alive_and_honest(server, load.books()) => {}
            }
        }
    }

    async fn heals(self, fault: &str) {
        heals(fault, self.load, &self.server, &self.cluster).await;
    }
}

/// Checks that the same process serves again as before, and that the server has every acknowledged change.
pub(super) async fn heals(fault: &str, load: Load, server: &Process, cluster: &Cluster) {
    let books = load.books();
    let home = books.home();
    let over = Instant::now();
    let (mut healed, mut in_a_row) = (over, 0);
    while in_a_row < HEALTHY_ANSWERS {
        let read = home.sees_roles(books).await.is_some_and(|answer| answer.status == 200);
        let written = home.makes_role(books).await.is_some_and(|answer| answer.status == 201);
        if read && written {
            in_a_row += 1;
        } else {
            (healed, in_a_row) = (Instant::now(), 0);
        }
        assert!(healed.duration_since(over) < HEALED, "it fails still");
    }
    assert_eq!(status(server, "readyz").await, 200);
    load.progress(AT_WORK).await;
    let books = load.finish().await;
    report(fault, &books);
    let sql = Sql::postgres(&cluster.url("tenantry")).await;
    assert_clean(&books, &sql).await;
    assert_eq!(*books.unanswered.read().unwrap(), [""; 0]);
}

async fn is_alive_and_honest(server: &Process, books: &Books) {
    assert_eq!(status(server, "livez").await, 200);
    let Answer { status, body, .. } = books.home().sees_roles(books).await.unwrap();
    assert!(status == 200 || status == 503, "{status} {body}");
}

pub(super) async fn status(server: &Process, path: &str) -> u16 {
    fetch(format!("{}/{path}", server.url())).await.unwrap().status().as_u16()
}

pub(super) async fn cut_connections(admin: &mut PgConnection) -> i64 {
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'tenantry'";
    sqlx::query_scalar(cut).fetch_one(admin).await.unwrap()
}
