//! Tests of the statements that a unit sends, of its effects, and of whom it waits for.

use tenantry_identity::People;
use tenantry_jobs::{JobId, JobQueue, NewJob};
use tenantry_kernel::{Authorities, StoreError};
use tenantry_store::{AuthorityChange, Committed};
use tenantry_tenancy::Tenants;

use crate::support::{Opened, SYSTEM};

on_both_databases! {
    round_trips_are_counted
    a_unit_for_reading_does_not_write
    a_commit_reports_changes_of_authority
    a_commit_says_whether_there_is_work
    the_database_answers_and_says_what_it_is
    te6_the_role_of_the_application_is_held_by_row_level_security
    a_closed_store_is_unavailable
}

/// Budgets depend on these counts: opening, each statement, and the commit. Dropping a unit costs nothing.
async fn round_trips_are_counted(opened: Opened) {
    let (tenant, owner) = opened.tenant().await;

    let before = opened.store.statements();
    let mut unit = opened.store.read(SYSTEM).await.unwrap();
    unit.person_by_id(owner.id).await.unwrap();
    unit.tenant_by_id(tenant.id).await.unwrap();
    drop(unit);
    assert_eq!(opened.store.statements() - before, 1 + 2);

    let before = opened.store.statements();
    let mut unit = opened.store.begin(SYSTEM).await.unwrap();
    unit.update_tenant(&tenant).await.unwrap();
    unit.tenant_authority_changed(tenant.id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(opened.store.statements() - before, 1 + 2 + 1);
}

/// A unit for reading cannot write, not even by a mistake of the program.
async fn a_unit_for_reading_does_not_write(opened: Opened) {
    let (tenant, _) = opened.tenant().await;
    let mut unit = opened.store.read(SYSTEM).await.unwrap();
    unit.update_tenant(&tenant).await.unwrap_err();
    drop(unit);
    let mut unit = opened.store.begin(SYSTEM).await.unwrap();
    unit.update_tenant(&tenant).await.unwrap();
    unit.commit().await.unwrap();
}

async fn a_commit_reports_changes_of_authority(opened: Opened) {
    let (tenant, owner) = opened.tenant().await;
    let session = opened.session(owner.id, Some(tenant.id)).await;
    let mut unit = opened.store.begin(SYSTEM).await.unwrap();
    unit.user_authority_changed(owner.id).await.unwrap();
    unit.session_authority_changed(session.id).await.unwrap();
    unit.tenant_authority_changed(tenant.id).await.unwrap();
    let authority_changes =
        vec![AuthorityChange::User(owner.id), AuthorityChange::Session(session.id), AuthorityChange::Tenant(tenant.id)];
    assert_eq!(unit.commit().await.unwrap(), Committed { authority_changes, ..Committed::default() });
    let nothing = Committed::default();
    assert_eq!(opened.store.begin(SYSTEM).await.unwrap().commit().await.unwrap(), nothing);
}

async fn a_commit_says_whether_there_is_work(opened: Opened) {
    let job = NewJob { unique_key: Some("one".to_owned()), ..opened.new_job(None) };
    let duplicate = NewJob { id: JobId::new(&opened.context), ..job.clone() };
    for (jobs, has_enqueued) in [(vec![&job, &duplicate], true), (vec![&duplicate], false)] {
        let mut unit = opened.store.begin(SYSTEM).await.unwrap();
        for job in jobs {
            unit.enqueue_job(job).await.unwrap();
        }
        let committed = unit.commit().await.unwrap();
        assert_eq!(committed, Committed { has_enqueued, ..Committed::default() }, "a duplicate is no work");
    }
}

async fn the_database_answers_and_says_what_it_is(opened: Opened) {
    opened.store.ping().await.unwrap();
    let version = opened.store.version().await.unwrap();
    assert!(version.starts_with(if opened.is_postgres() { "PostgreSQL " } else { "SQLite 3." }), "{version}");
}

async fn te6_the_role_of_the_application_is_held_by_row_level_security(opened: Opened) {
    assert!(!opened.store.bypasses_row_level_security().await.unwrap());
}

async fn a_closed_store_is_unavailable(opened: Opened) {
    opened.store.ping().await.unwrap();
    opened.store.close().await;
    let refused = opened.store.ping().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

/// On SQLite there is one writer, and readers see all that was committed before.
#[tokio::test]
async fn on_sqlite_a_reader_does_not_wait_for_the_writer() {
    let opened = crate::support::sqlite().await;
    let (tenant, _) = opened.tenant().await;
    let mut writer = opened.store.begin(SYSTEM).await.unwrap();
    writer.update_tenant(&tenant).await.unwrap();
    let mut reader = opened.store.read(SYSTEM).await.unwrap();
    assert_eq!(reader.tenant_by_id(tenant.id).await.unwrap().map(|tenant| tenant.version), Some(1));
    writer.commit().await.unwrap();
}
