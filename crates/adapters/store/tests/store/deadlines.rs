//! Tests that a unit fails at its deadline whatever delays it, and that the pool serves again afterwards.

use sqlx::{Connection, SqliteConnection};
use std::{future::Future, time::Duration};
use tenantry_identity::{People, Person};
use tenantry_kernel::{Authorities, StoreError};
use tenantry_store::{Database, Store};
use tenantry_tenancy::Tenants;
use tokio::time::Instant;

use crate::{
    collisions::{before_each_consume, consume},
    proxy::Proxy,
    support::{Opened, SYSTEM, eventually, postgres, sqlite},
};

const DEADLINE: Duration = Duration::from_millis(400);
/// Delay that a busy machine may add.
const SLACK: Duration = Duration::from_millis(2_000);

async fn impatient(opened: &Opened, pool_size: u32) -> Store {
    opened.again(|config| (config.deadline, config.pool_size) = (DEADLINE, pool_size)).await
}

/// Asserts that the work fails as unavailable, by the deadline.
async fn assert_late<T: std::fmt::Debug>(work: impl Future<Output = Result<T, StoreError>>) {
    let began = Instant::now();
    let outcome = work.await;
    let took = began.elapsed();
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(took < DEADLINE + SLACK, "{took:?}");
}

#[tokio::test]
async fn fa5_on_sqlite_a_second_writer_is_waited_for_and_then_given_up() {
    let opened = sqlite().await;
    let store = impatient(&opened, 2).await;
    let (tenant, _) = opened.tenant().await;
    let mut other = SqliteConnection::connect(opened.database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    for _ in 0..3 {
        assert_late(async { store.begin(SYSTEM).await.map(|_| ()) }).await;
        store.read(SYSTEM).await.unwrap().tenant_by_id(tenant.id).await.unwrap().unwrap();
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let mut unit = eventually(async || store.begin(SYSTEM).await).await;
    unit.update_tenant(&tenant).await.unwrap();
    unit.commit().await.unwrap();
    // The abandoned unit has left no transaction open.
    opened.system(async |unit| assert!(unit.tenant_by_id(tenant.id).await.unwrap().is_some())).await;
}

#[tokio::test]
async fn on_sqlite_a_writer_waits_for_the_writer_before_it() {
    let opened = sqlite().await;
    let (tenant, _) = opened.tenant().await;
    let mut first = opened.store.begin(SYSTEM).await.unwrap();
    first.update_tenant(&tenant).await.unwrap();
    let second = async {
        let mut unit = opened.store.begin(SYSTEM).await.unwrap();
        unit.tenant_by_id(tenant.id).await.unwrap().unwrap().version
    };
    let (version, ()) = futures::join!(second, async { first.commit().await.map(|_| ()).unwrap() });
    assert_eq!(version, tenant.version + 1);
}

#[tokio::test]
async fn on_postgres_units_that_wait_for_a_lock_fail_by_the_deadline() {
    let opened = postgres().await;
    let store = impatient(&opened, 3).await;
    let (tenant, _) = opened.tenant().await;
    let mut holder = opened.store.begin(SYSTEM).await.unwrap();
    holder.lock_tenant(tenant.id).await.unwrap();
    for _ in 0..2 {
        // As many units as the pool has connections, so that every connection has been blocked.
        let blocked = || assert_late(async { store.begin(SYSTEM).await?.lock_tenant(tenant.id).await });
        futures::join!(blocked(), blocked(), blocked());
    }
    holder.commit().await.unwrap();
    let locks = || async { eventually(async || store.begin(SYSTEM).await?.lock_tenant(tenant.id).await).await };
    futures::join!(locks(), locks(), locks());
}

#[tokio::test]
async fn on_postgres_a_slow_statement_fails_by_the_deadline() {
    let opened = postgres().await;
    let store = impatient(&opened, 2).await;
    before_each_consume(&opened, "PERFORM pg_sleep(60)").await;
    for _ in 0..3 {
        assert_late(async { consume(&mut store.begin(SYSTEM).await?, &opened).await }).await;
    }
    before_each_consume(&opened, "NULL").await;
    let count = eventually(async || consume(&mut store.begin(SYSTEM).await?, &opened).await).await;
    assert_eq!(count, 1);
}

#[tokio::test]
async fn the_deadline_is_the_units_and_not_each_statements() {
    let opened = postgres().await;
    let store = impatient(&opened, 2).await;
    before_each_consume(&opened, "PERFORM pg_sleep(0.15)").await;
    let began = Instant::now();
    let mut unit = store.begin(SYSTEM).await.unwrap();
    let mut counted = 0;
    let error = loop {
        match consume(&mut unit, &opened).await {
            Ok(_) => counted += 1,
            Err(error) => break error,
        }
        assert!(counted < 10, "each is quick enough, and together they are not");
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(began.elapsed() >= DEADLINE.mul_f32(0.9), "{:?}", began.elapsed());
    assert!(unit.commit().await.is_err(), "nor can it be committed");
}

/// Opens a store with two connections through the proxy.
async fn through(opened: &Opened, proxy: &Proxy) -> Store {
    let database = Database::Postgres(proxy.url().into());
    opened.again(|config| (config.deadline, config.pool_size, config.database) = (DEADLINE, 2, database)).await
}

async fn assert_finds(store: &Store, person: &Person) {
    let found = eventually(async || store.read(SYSTEM).await?.person_by_id(person.id).await).await;
    assert_eq!(found.as_ref(), Some(person));
}

/// The server is up and sends nothing: only the store's own clock ends the wait. Afterwards no connection may serve
/// that still waits for an old response.
#[tokio::test]
async fn fa4_a_frozen_server_costs_a_unit_its_deadline_and_no_old_answer_is_taken_for_a_new_one() {
    let opened = postgres().await;
    let ((_, ada), (_, grace)) = (opened.tenant().await, opened.tenant().await);
    let proxy = Proxy::start(opened.database.url()).await;
    let store = through(&opened, &proxy).await;
    for _ in 0..2 {
        let mut unit = eventually(async || store.read(SYSTEM).await).await;
        proxy.freeze();
        assert_late(unit.person_by_id(ada.id)).await;
        drop(unit);
        assert_late(async { store.read(SYSTEM).await?.person_by_id(ada.id).await }).await;
        proxy.thaw();
        for person in [&grace, &ada, &grace, &ada] {
            assert_finds(&store, person).await;
        }
    }
}

/// A network that lost a connection never reports it. The pool must not keep places for such connections.
#[tokio::test]
async fn fa4_lost_connections_make_room_for_new_ones() {
    let opened = postgres().await;
    let (_, ada) = opened.tenant().await;
    let proxy = Proxy::start(opened.database.url()).await;
    let store = through(&opened, &proxy).await;
    for _ in 0..2 {
        let (mut one, mut other) =
            (eventually(async || store.read(SYSTEM).await).await, eventually(async || store.read(SYSTEM).await).await);
        proxy.lose();
        futures::join!(assert_late(one.person_by_id(ada.id)), assert_late(other.person_by_id(ada.id)));
        drop((one, other));
        let finds = || assert_finds(&store, &ada);
        futures::join!(finds(), finds(), finds(), finds());
    }
}

/// The abandoned connection is returned after others got their responses in time.
#[tokio::test]
async fn fa4_a_lost_connection_that_comes_back_late_makes_room_too() {
    let opened = postgres().await;
    let (_, ada) = opened.tenant().await;
    let proxy = Proxy::start(opened.database.url()).await;
    let store = through(&opened, &proxy).await;
    for _ in 0..3 {
        let mut lost = eventually(async || store.read(SYSTEM).await).await;
        proxy.lose();
        assert_late(lost.person_by_id(ada.id)).await;
        assert_finds(&store, &ada).await;
        drop(lost);
    }
    let finds = || assert_finds(&store, &ada);
    futures::join!(finds(), finds(), finds(), finds());
}
