//! Tests of two units that need the same rows, on PostgreSQL; SQLite has one writer at a time.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use tenantry_identity::{Attempts, GuessCounter, GuessQuota};
use tenantry_kernel::{Authorities, Coded, StoreError};
use tenantry_store::Unit;
use tenantry_tenancy::{TenancyError, Tenants};

use crate::support::{Opened, SYSTEM, postgres};

/// Increases a counter, to which a test has added a trigger.
pub(crate) async fn consume(unit: &mut Unit, opened: &Opened) -> Result<u32, StoreError> {
    let quota = GuessQuota { limit: 10, window: Duration::from_secs(60) };
    let counter = GuessCounter { key: opened.context.random(), quota };
    Ok(unit.consume_attempts(&[counter], opened.context.now()).await?[0].count)
}

/// Makes every increase of a counter run this statement first.
pub(crate) async fn before_each_consume(opened: &Opened, statement: &str) -> PgConnection {
    let mut connection = opened.connect().await;
    let trigger = format!(
        "CREATE OR REPLACE FUNCTION before_consume() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NEW; END $$;
         CREATE OR REPLACE TRIGGER before_consume BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION before_consume()"
    );
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn a_deadlock_is_a_collision_for_one_and_nothing_to_the_other() {
    let opened = postgres().await;
    let ((acme, _), (globex, _)) = (opened.tenant().await, opened.tenant().await);
    let mut one = opened.store.begin(SYSTEM).await.unwrap();
    let mut other = opened.store.begin(SYSTEM).await.unwrap();
    one.lock_tenant(acme.id).await.unwrap();
    other.lock_tenant(globex.id).await.unwrap();

    // The loser's transaction has to end before the winner continues.
    let lock = async |mut unit: Unit, tenant| match unit.lock_tenant(tenant).await {
        Ok(()) => Ok(unit),
        Err(error) => Err(error),
    };
    let (one, other) = futures::join!(lock(one, globex.id), lock(other, acme.id));
    let (winner, loser) = match (one, other) {
        (Ok(winner), Err(loser)) | (Err(loser), Ok(winner)) => (winner, loser),
        (Ok(_), Ok(_)) => panic!("both hold both locks"),
        (Err(one), Err(other)) => panic!("both lost: {one:?}, {other:?}"),
    };
    assert!(matches!(loser, StoreError::Collision(_)), "{loser:?}");
    assert!(TenancyError::from(loser).is_collision(), "the application will try it again");
    let mut winner = winner;
    winner.update_tenant(&acme).await.unwrap();
    winner.update_tenant(&globex).await.unwrap();
    winner.commit().await.unwrap();

    let mut again = opened.store.begin(SYSTEM).await.unwrap();
    again.lock_tenant(globex.id).await.unwrap();
    again.lock_tenant(acme.id).await.unwrap();
}

#[tokio::test]
async fn a_serialization_failure_is_a_collision() {
    let opened = postgres().await;
    before_each_consume(&opened, "RAISE EXCEPTION 'try again' USING ERRCODE = 'serialization_failure'").await;
    let refused = consume(&mut opened.store.begin(SYSTEM).await.unwrap(), &opened).await;
    assert!(matches!(refused, Err(StoreError::Collision(_))), "{refused:?}");
}

#[tokio::test]
async fn any_other_failure_is_no_collision() {
    let opened = postgres().await;
    before_each_consume(&opened, "RAISE EXCEPTION 'never'").await;
    let refused = consume(&mut opened.store.begin(SYSTEM).await.unwrap(), &opened).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
}

/// A server that is stopped, or an operator, ends connections: that is a failure of the server, not a collision.
#[tokio::test]
async fn fa4_a_terminated_connection_is_unavailable_and_the_pool_serves_again() {
    let opened = postgres().await;
    let (tenant, _) = opened.tenant().await;
    let mut connection = opened.connect().await;
    for _ in 0..3 {
        let mut unit = opened.store.begin(SYSTEM).await.unwrap();
        unit.update_tenant(&tenant).await.unwrap();
        terminate(&mut connection, "tenantry").await;
        let refused = unit.tenant_by_id(tenant.id).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(unit);
        let found =
            crate::support::eventually(async || opened.store.read(SYSTEM).await?.tenant_by_id(tenant.id).await).await;
        assert_eq!(found.as_ref(), Some(&tenant), "what was not committed is gone");
    }
    connection.close().await.unwrap();
}

/// Ends every connection of this application to the database, and waits until they are gone.
pub(crate) async fn terminate(connection: &mut PgConnection, application: &str) {
    let ended: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) AS ended FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = $1) AS t WHERE ended",
    )
    .bind(application)
    .fetch_one(connection)
    .await
    .unwrap();
    assert!(ended > 0, "{application} was connected");
}
