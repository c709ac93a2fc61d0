//! The suite of [`RetentionStore`].

use std::time::Duration;
use tenantry_idempotency::{
    Fingerprint, IdempotencyKey, IdempotencyRecord, IdempotencyScope, IdempotencyStore, StoredResponse,
};
use tenantry_identity::{
    Attempts, GuessCounter, GuessId, GuessQuota, Link, LinkKind, Links, PasswordHash, Register, Registration,
    RegistrationId, Registrations, Sessions,
};
use tenantry_jobs::{
    ExpiredRows, JobAdmin, JobId, JobQueue, JobState, NewJob, RetentionMode, RetentionPass, RetentionStore, Schedules,
};
use tenantry_kernel::{Authorities, StoreError, TenantId, Timestamp};
use tenantry_tenancy::{Invitation, InvitationId, InvitationState, Invitations};

use crate::{
    scene::{Directory, SampleTenant, Scene, name},
    units::Units,
};

/// The ports of this suite: all that leave rows to sweep.
pub trait RetentionPorts:
    Directory
    + IdempotencyStore
    + Attempts
    + Authorities
    + Invitations
    + JobQueue
    + JobAdmin
    + Links
    + Registrations
    + Schedules
    + Sessions
    + RetentionStore
{
}
impl<T> RetentionPorts for T where
    T: Directory
        + IdempotencyStore
        + Attempts
        + Authorities
        + Invitations
        + JobQueue
        + JobAdmin
        + Links
        + Registrations
        + Schedules
        + Sessions
        + RetentionStore
        + ?Sized
{
}

const OF_TENANTS: [ExpiredRows; 4] =
    [ExpiredRows::Invitations, ExpiredRows::Sessions, ExpiredRows::Jobs(JobState::Cancelled), ExpiredRows::Answers];
const OF_NO_TENANT: [ExpiredRows; 7] = [
    ExpiredRows::Links,
    ExpiredRows::Registrations,
    ExpiredRows::Attempts,
    ExpiredRows::GuessesInFlight,
    ExpiredRows::KnownSources,
    ExpiredRows::AuthorityChanges,
    ExpiredRows::ScheduleTicks,
];
const HOUR: Duration = Duration::from_secs(3600);

suite! {
    retention(units: impl Units<Unit: RetentionPorts>) calls (&Scene::new(&units)) {
        te1_retention_of_a_tenant_leaves_every_other_row,
        everything_that_is_over_goes_a_portion_at_a_time,
        only_system_units_apply_retention,
    }
}

/// Two tenants, each with two rows of every sort that expire at the same time.
struct Leftovers {
    acme: SampleTenant,
    globex: SampleTenant,
    /// The last valid time of every row.
    over: Timestamp,
    /// The time just after that.
    later: Timestamp,
}

impl Leftovers {
    async fn of_two_tenants(scene: &Scene<'_, impl Units<Unit: RetentionPorts>>) -> Self {
        let (acme, globex) = (scene.tenant().await, scene.tenant().await);
        let over = scene.context.now().plus(HOUR);
        for tenant in [&acme, &globex] {
            leave_rows(scene, tenant, over).await;
            leave_rows(scene, tenant, over).await;
        }
        Self { acme, globex, over, later: over.plus(Duration::from_millis(1)) }
    }
}

async fn apply_retention(
    scene: &Scene<'_, impl Units<Unit: RetentionPorts>>,
    rows: ExpiredRows,
    tenant: Option<TenantId>,
    before: Timestamp,
    mode: RetentionMode,
) -> u64 {
    scene.system(async |unit| unit.apply_retention(rows, RetentionPass { tenant, before, mode }).await.unwrap()).await
}

/// Adds one row of every sort that expires after this time.
async fn leave_rows(scene: &Scene<'_, impl Units<Unit: RetentionPorts>>, of: &SampleTenant, over: Timestamp) {
    let now = scene.context.now();
    let person = scene.person().await.id;
    let invitation = Invitation {
        id: InvitationId::new(&scene.context),
        tenant: of.id(),
        email: scene.new_email("guest"),
        roles: vec![],
        state: InvitationState::Open,
        invited_by: of.owner.id,
        token_hash: None,
        expires_at: over,
        created_at: now,
    };
    let mut session = scene.new_session(of.owner.id, Some(of.id()));
    session.expires_at = over;
    let link = Link {
        user: person,
        kind: LinkKind::Verify,
        email: scene.new_email("link"),
        session: None,
        token_hash: scene.context.random(),
        created_at: now,
        expires_at: over,
    };
    let registration = Registration {
        id: RegistrationId::new(&scene.context),
        wanted: Register {
            email: scene.new_email("nobody"),
            name: name("Nobody"),
            hash: PasswordHash::new("$argon2id$".to_owned()),
            tenant_name: name("Nowhere"),
            tenant_slug: None,
        },
        token_hash: None,
        created_at: now,
        expires_at: over,
    };
    let job = NewJob {
        id: JobId::new(&scene.context),
        tenant: Some(of.id()),
        queue: "errands",
        kind: "errand",
        version: 1,
        payload: "{}".to_owned(),
        secret: None,
        priority: 0,
        run_at: now,
        max_attempts: 1,
        unique_key: None,
        trace: None,
        created_at: now,
    };
    let keyed = IdempotencyScope {
        tenant: Some(of.id()),
        person: of.owner.id,
        route: "POST /errands".to_owned(),
        key: IdempotencyKey::parse(job.id.to_string().as_bytes()).unwrap(),
    };
    let answer = IdempotencyRecord {
        secret_id: "k1".to_owned(),
        fingerprint: Fingerprint::from_bytes(scene.context.random()),
        response: StoredResponse { status: 204, headers: vec![], body: vec![] },
        answered_at: over,
    };
    let key = scene.context.random();
    let quota = GuessQuota { limit: 1, window: over.since(now) };
    scene
        .system(async |unit| {
            unit.insert_invitation(&invitation).await.unwrap();
            unit.insert_session(&session).await.unwrap();
            unit.put_link(&link).await.unwrap();
            unit.insert_registration(&registration).await.unwrap();
            unit.enqueue_job(&job).await.unwrap();
            assert!(unit.cancel_job(job.id, over).await.unwrap());
            unit.store_response(&keyed, &answer).await.unwrap();
            unit.consume_attempts(&[GuessCounter { key, quota }], now).await.unwrap();
            unit.begin_guess(&[key], GuessId::new(&scene.context), over).await.unwrap();
            unit.remember_source(key, key, over).await.unwrap();
            unit.tenant_authority_changed(of.id()).await.unwrap();
            unit.put_schedule("sweeping", "* * * * *", now).await.unwrap();
            // Two ticks, of which the last stays.
            let place = u64::from(u32::from_be_bytes([key[0], key[1], key[2], key[3]]));
            unit.insert_tick("sweeping", now.plus(Duration::from_secs(place)), over).await.unwrap();
        })
        .await;
}

async fn te1_retention_of_a_tenant_leaves_every_other_row(scene: &Scene<'_, impl Units<Unit: RetentionPorts>>) {
    let Leftovers { acme, globex, over, later } = &Leftovers::of_two_tenants(scene).await;
    let (over, later) = (*over, *later);
    let delete = RetentionMode::Delete { at_most: 100 };
    for rows in OF_TENANTS {
        let of = |tenant: &SampleTenant| Some(tenant.id());
        assert_eq!(
            apply_retention(scene, rows, of(acme), over, RetentionMode::Count).await,
            0,
            "{rows:?} are not over yet"
        );
        assert_eq!(apply_retention(scene, rows, of(acme), over, delete).await, 0, "{rows:?} are not over yet");
        assert_eq!(apply_retention(scene, rows, of(acme), later, RetentionMode::Count).await, 2, "{rows:?}");
        assert_eq!(
            apply_retention(scene, rows, of(acme), later, delete).await,
            2,
            "{rows:?}: counting deletes nothing"
        );
        assert_eq!(apply_retention(scene, rows, of(acme), later, RetentionMode::Count).await, 0, "{rows:?}");
        assert_eq!(apply_retention(scene, rows, of(globex), later, RetentionMode::Count).await, 2, "{rows:?}");
    }
    for rows in OF_NO_TENANT {
        scene
            .system(async |unit| {
                let pass = RetentionPass { tenant: Some(acme.id()), before: later, mode: RetentionMode::Count };
                must_be!(unit.apply_retention(rows, pass).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}

async fn everything_that_is_over_goes_a_portion_at_a_time(scene: &Scene<'_, impl Units<Unit: RetentionPorts>>) {
    let Leftovers { over, later, .. } = Leftovers::of_two_tenants(scene).await;
    let portion = RetentionMode::Delete { at_most: 1 };
    for rows in OF_TENANTS.into_iter().chain(OF_NO_TENANT) {
        // The store's clock, which no scene controls, sets the time at which authority changed.
        const AGE: Duration = Duration::from_secs(100 * 365 * 86_400);
        let (over, later) = match rows {
            ExpiredRows::AuthorityChanges => (over.minus(AGE), over.plus(AGE)),
            _ => (over, later),
        };
        assert_eq!(apply_retention(scene, rows, None, over, portion).await, 0, "{rows:?} are not over yet");
        let left = apply_retention(scene, rows, None, later, RetentionMode::Count).await;
        assert!(left >= 2, "{rows:?}: {left}");
        for _ in 0..left {
            assert_eq!(apply_retention(scene, rows, None, later, portion).await, 1, "{rows:?}");
        }
        assert_eq!(apply_retention(scene, rows, None, later, portion).await, 0, "{rows:?}");
    }
}

async fn only_system_units_apply_retention(scene: &Scene<'_, impl Units<Unit: RetentionPorts>>) {
    let Leftovers { globex, later, .. } = Leftovers::of_two_tenants(scene).await;
    for rows in OF_TENANTS.into_iter().chain(OF_NO_TENANT) {
        scene
            .change(globex.scope(), async |unit| {
                let pass = RetentionPass { tenant: Some(globex.id()), before: later, mode: RetentionMode::Count };
                must_be!(unit.apply_retention(rows, pass).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}
