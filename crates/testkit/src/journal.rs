//! The suite of [`Journal`], which writes events, and [`Entries`], which reads them.

use tenantry_audit::{Entries, Entry, Record};
use tenantry_kernel::{
    Action, Actor, Event, EventId, Journal, Origin, Outcome, RequestId, TenantId, Timestamp, UserId, canonical_json,
};
use tenantry_tenancy::vocabulary::{ROLE_CREATED, TENANT_UPDATED};

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

mod filters;
mod tenant_isolation;
mod vector;

suite! {
    journal(units: impl Units<Unit: Journal + Entries>) calls (&Scene::new(&units)) {
        every_action_outcome_and_actor_reads_back,
        times_are_cut_to_milliseconds,
        a_dropped_unit_leaves_no_event,
    }
    vector {
        an_event_reads_back_as_the_stored_bytes,
    }
    filters {
        all_pages_joined_are_the_whole_list,
        each_filter_leaves_what_it_names,
        filters_are_joined_by_and,
        in1_actions_are_compared_literally,
    }
    tenant_isolation {
        te1_another_tenants_log_is_invisible,
        te1_another_tenants_log_cannot_be_written,
        what_belongs_to_no_tenant_is_noted_by_whoever_acts,
    }
}

/// A tenant and one of its users, both of whom only the journal knows.
#[derive(Clone, Copy)]
struct Log {
    tenant: TenantId,
    person: UserId,
}

impl Log {
    fn new(scene: &Scene<'_, impl Units>) -> Self {
        Self { tenant: TenantId::new(&scene.context), person: UserId::new(&scene.context) }
    }

    fn scope(self) -> TestScope {
        TestScope::Tenant { tenant: self.tenant, person: self.person }
    }

    /// Returns the user as an actor in the tenant.
    fn actor(self, scene: &Scene<'_, impl Units>) -> Actor {
        let origin = Origin {
            trace: RequestId::new(&scene.context).into(),
            ip: Some("2001:db8::7".parse().unwrap()),
            user_agent: Some("test/1.0 \u{1F980}".to_owned()),
        };
        Actor::anonymous(origin).known_as(self.person, "Ada Lovelace").within(Some(self.tenant))
    }

    fn event(self, scene: &Scene<'_, impl Units>, action: Action) -> Event {
        Event::new(&scene.context, &self.actor(scene), action)
    }
}

/// Returns the bytes that a seal covers.
fn canonical(event: &Event) -> String {
    event.canonical(&event.personal.commitment(&event.salt).unwrap()).unwrap()
}

/// Appends the event in the tenant's unit and reads it back.
async fn appended(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>, log: Log, event: &Event) -> Entry {
    scene.change(log.scope(), async |unit| unit.append_event(event.clone()).await.unwrap()).await;
    entry(scene, log.scope(), event.id).await.expect("what was appended is there")
}

async fn entry(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>, scope: TestScope, id: EventId) -> Option<Entry> {
    scene.look_as(scope, async |unit| unit.entry_by_id(id).await.unwrap()).await
}

/// Checks that the entry is the event, byte for byte, and that its commitment matches its personal part.
#[track_caller]
fn assert_same(entry: &Entry, event: &Event) {
    assert_eq!(canonical_json(&record(entry)).unwrap(), canonical(event));
    assert_eq!(entry.personal.commitment(&entry.salt).unwrap(), entry.commitment);
    assert_eq!((&entry.personal, entry.salt), (&event.personal, event.salt), "what the canonical form does not show");
}

/// Returns what a seal of the entry covers.
fn record(entry: &Entry) -> Record {
    Record {
        version: entry.version,
        id: entry.id.uuid(),
        tenant: entry.tenant.map(TenantId::uuid),
        occurred_at: entry.occurred_at,
        action: entry.action.clone(),
        outcome: entry.outcome.name().to_owned(),
        actor_type: entry.actor_kind.clone(),
        actor_id: entry.actor.map(UserId::uuid),
        on_behalf_of: entry.on_behalf_of.map(UserId::uuid),
        target_type: entry.target.as_ref().map(|target| target.kind.clone()),
        target_id: entry.target.as_ref().map(|target| target.id),
        changes: serde_json::to_value(&entry.changes).unwrap(),
        request_id: entry.request.uuid(),
        count: entry.count,
        commitment: entry.commitment.iter().map(|byte| format!("{byte:02x}")).collect(),
        newer: serde_json::Map::new(),
    }
}

/// The actions of each crate, and one that no program here declares: stores keep and return any action.
const ACTIONS: [&[Action]; 6] = [
    &[Action::ACCESS_DENIED, Action::declared("pig.flew")],
    tenantry_tenancy::vocabulary::ACTIONS,
    tenantry_identity::vocabulary::ACTIONS,
    tenantry_files::vocabulary::ACTIONS,
    tenantry_jobs::vocabulary::ACTIONS,
    tenantry_audit::vocabulary::ACTIONS,
];

async fn every_action_outcome_and_actor_reads_back(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    const OUTCOMES: [Outcome; 3] = [Outcome::Succeeded, Outcome::Denied, Outcome::Failed];
    // The last is a type that a newer program has written.
    const TYPES: [&str; 4] = ["user", "system", "operator", "newcomer"];
    let log = Log::new(scene);
    for (number, action) in ACTIONS.iter().flat_map(|actions| *actions).enumerate() {
        scene.later(1);
        let mut event = log
            .event(scene, *action)
            .outcome(OUTCOMES[number % 3])
            .target(log.tenant, (number % 2 == 1).then_some("Acme, Inc."))
            .times(i64::try_from(number).unwrap() + 1);
        event.actor_type = TYPES[number % 4];
        event.actor_id = (number % 2 == 0).then_some(log.person);
        event.on_behalf_of = (number % 4 == 0).then(|| UserId::new(&scene.context));
        event.personal.actor_name = (number % 5 != 0).then(|| format!("Somebody {number}"));
        assert_same(&appended(scene, log, &event).await, &event);
    }
}

async fn times_are_cut_to_milliseconds(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let log = Log::new(scene);
    for (finer, cut) in [
        ("2026-11-23T09:00:00.005999999Z", "2026-11-23T09:00:00.005Z"),
        ("2026-11-23T09:00:00.999999Z", "2026-11-23T09:00:00.999Z"),
        ("2026-11-23T10:00:00.0004+01:00", "2026-11-23T09:00:00.000Z"),
    ] {
        let occurred_at: Timestamp = serde_json::from_value(finer.into()).unwrap();
        scene.clock.set(occurred_at);
        let event = log.event(scene, TENANT_UPDATED);
        let entry = appended(scene, log, &event).await;
        assert_eq!(entry.occurred_at, occurred_at);
        assert_eq!(entry.occurred_at.to_string(), cut);
        assert_same(&entry, &event);
    }
}

async fn a_dropped_unit_leaves_no_event(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let log = Log::new(scene);
    let event = log.event(scene, ROLE_CREATED);
    {
        let mut unit = scene.units.begin(log.scope()).await;
        unit.append_event(event.clone()).await.unwrap();
        assert!(unit.entry_by_id(event.id).await.unwrap().is_some());
    }
    assert!(entry(scene, log.scope(), event.id).await.is_none());
    assert_same(&appended(scene, log, &event).await, &event);
}
