//! Tests of a PostgreSQL that takes no changes for a while.

use tenantry_kernel::{Authorities, StoreError};
use tenantry_store::{AuthorityFeed, ConnectError, FeedRead};
use tenantry_tenancy::Tenants;

use crate::{
    collisions::terminate,
    support::{Opened, SYSTEM, eventually, postgres},
};

/// Changes a setting of the database for new sessions.
async fn set(opened: &Opened, change: &str) {
    let mut connection = opened.connect().await;
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await.unwrap();
    let alter = format!("BEGIN READ WRITE; ALTER DATABASE {database} {change}; COMMIT");
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_database_that_only_reads_is_unavailable_for_changes_until_it_takes_them() {
    let opened = postgres().await;
    let (tenant, _) = opened.tenant().await;
    let store = &opened.store;
    let mut feed = AuthorityFeed::new(opened.config.clone());
    assert_eq!(feed.read().await.unwrap(), FeedRead::Begun);
    assert!(store.takes_changes().await.unwrap());

    set(&opened, "SET default_transaction_read_only = on").await;
    let mut connection = opened.connect().await;
    terminate(&mut connection, "tenantry").await;
    terminate(&mut connection, "tenantry authority feed").await;
    assert!(!eventually(async || store.takes_changes().await).await);
    let refused = store.begin(SYSTEM).await.unwrap().tenant_authority_changed(tenant.id).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let found = store.read(SYSTEM).await.unwrap().tenant_by_id(tenant.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&tenant), "reads are served");
    assert!(feed.read().await.is_err(), "its connection was ended");
    for _ in 0..2 {
        let refused = feed.read().await;
        assert!(matches!(refused, Err(ConnectError::OnlyReads)), "{refused:?}");
    }

    // Open sessions keep the setting with which they began.
    set(&opened, "RESET default_transaction_read_only").await;
    let mut unit = store.begin(SYSTEM).await.unwrap();
    unit.update_tenant(&tenant).await.unwrap();
    unit.commit().await.unwrap();
    assert!(store.takes_changes().await.unwrap());
    assert_eq!(feed.read().await.unwrap(), FeedRead::Begun);
}
