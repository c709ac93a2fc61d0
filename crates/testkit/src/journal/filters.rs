//! Tests of every filter, alone and combined, against the same events filtered in memory; and of pages of the results.

use tenantry_audit::{ActionFilter, Entries, EntryFilter};
use tenantry_identity::vocabulary::{SESSION_ENDED, USER_UPDATED};
use tenantry_kernel::{Action, Event, EventId, Journal, Outcome, RoleId, TargetKind, Timestamp, UserId};
use tenantry_tenancy::vocabulary::{INVITATION, MEMBERSHIP_ROLES_CHANGED, ROLE_CREATED, ROLE_UPDATED};

use super::Log;
use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::Scene,
    units::Units,
};

/// The log of one tenant, beside that of another tenant with similar events.
struct Record {
    log: Log,
    other_person: UserId,
    role: RoleId,
    events: Vec<Event>,
}

impl Record {
    async fn keep(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) -> Self {
        const ACTIONS: [Action; 5] =
            [ROLE_CREATED, ROLE_UPDATED, MEMBERSHIP_ROLES_CHANGED, USER_UPDATED, SESSION_ENDED];
        let (log, other) = (Log::new(scene), Log::new(scene));
        let (other_person, role) = (UserId::new(&scene.context), RoleId::new(&scene.context));
        let mut events = Vec::new();
        for number in 0..30 {
            // Three events have the same time.
            scene.later(if number % 3 == 0 { 7 } else { 0 });
            let actor = log.actor(scene);
            let actor = if number % 4 == 0 { actor.known_as(other_person, "Grace Hopper") } else { actor };
            let event = Event::new(&scene.context, &actor, ACTIONS[number % 5]);
            let event = match number % 7 {
                0 | 3 => event.target(role, Some("Clerk")),
                1 | 4 | 5 => event.target(UserId::new(&scene.context), None),
                // The id of the role, but another kind of target.
                2 => event.target(UserId::from_uuid(role.uuid()), None),
                _ => event,
            };
            events.push(event.outcome([Outcome::Succeeded, Outcome::Denied, Outcome::Failed][number % 3]));
        }
        let unlike = events.iter().map(|event| Event {
            id: EventId::from_uuid(scene.context.uuid_v7_at(event.occurred_at)),
            ..event.clone().within(Some(other.tenant))
        });
        let unlike: Vec<Event> = unlike.collect();
        // Neither list is written in order.
        for (scope, list) in [(log.scope(), &events), (other.scope(), &unlike)] {
            scene
                .change(scope, async |unit| {
                    for event in list.iter().rev() {
                        unit.append_event(event.clone()).await.unwrap();
                    }
                })
                .await;
        }
        events.sort_by_key(|event| event.id);
        Self { log, other_person, role, events }
    }

    /// Returns the events that match the filter, without the store.
    fn expected(&self, filter: &EntryFilter) -> Vec<EventId> {
        self.events.iter().filter(|event| passes(event, filter)).map(|event| event.id).collect()
    }

    fn moment(&self, place: usize) -> Timestamp {
        self.events[place].occurred_at
    }
}

fn passes(event: &Event, filter: &EntryFilter) -> bool {
    let action = match &filter.action {
        None => true,
        Some(ActionFilter::Exact(name)) => event.action.name() == name,
        Some(ActionFilter::Group(group)) => event.action.name().split_once('.').is_some_and(|(part, _)| part == group),
    };
    action
        && filter.actor.is_none_or(|actor| event.actor_id == Some(actor))
        && filter.target_kind.is_none_or(|kind| event.target.is_some_and(|target| target.kind == kind))
        && filter.target.is_none_or(|id| event.target.is_some_and(|target| target.id == id))
        && filter.outcome.is_none_or(|outcome| event.outcome == outcome)
        && filter.from.is_none_or(|from| event.occurred_at >= from)
        && filter.to.is_none_or(|to| event.occurred_at < to)
}

/// Reads by the filter, in both directions and with several page sizes, and compares each result with the expected one.
async fn assert_finds(
    scene: &Scene<'_, impl Units<Unit: Journal + Entries>>,
    record: &Record,
    filter: &EntryFilter,
    limits: &[u32],
) -> usize {
    let mut expected = record.expected(filter);
    for direction in DIRECTIONS {
        for limit in limits {
            let found = scene
                .look_as(record.log.scope(), async |unit| {
                    all_pages(*limit, direction, async |page| unit.page_entries(filter, page).await.unwrap()).await
                })
                .await;
            let found: Vec<EventId> = found.iter().map(|entry| entry.id).collect();
            assert_eq!(found, expected, "{filter:?} {direction:?} by {limit}");
        }
        expected.reverse();
    }
    expected.len()
}

pub(super) async fn all_pages_joined_are_the_whole_list(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let record = &Record::keep(scene).await;
    let everything = EntryFilter::default();
    let found = assert_finds(scene, record, &everything, &[1, 2, 7, 29, 30, 31, 100]).await;
    assert_eq!(found, record.events.len());
    let request = tenantry_kernel::PageRequest { limit: 100, after: None, direction: DIRECTIONS[0] };
    let page =
        scene.look_as(record.log.scope(), async |unit| unit.page_entries(&everything, request).await.unwrap()).await;
    for (entry, event) in page.items.iter().zip(&record.events) {
        super::assert_same(entry, event);
    }
}

fn actions() -> [Option<ActionFilter>; 5] {
    let (exact, group) = (|name: &str| ActionFilter::Exact(name.into()), |name: &str| ActionFilter::Group(name.into()));
    [
        Some(exact("role.created")),
        Some(group("role")),
        Some(exact("membership.roles_changed")),
        Some(group("session")),
        None,
    ]
}

pub(super) async fn each_filter_leaves_what_it_names(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);
    let record = &Record::keep(scene).await;
    let none = EntryFilter::default();
    let mut filters: Vec<EntryFilter> =
        actions().into_iter().flatten().map(|action| EntryFilter { action: Some(action), ..none.clone() }).collect();
    for actor in [record.log.person, record.other_person] {
        filters.push(EntryFilter { actor: Some(actor), ..none.clone() });
    }
    for kind in [TargetKind::ROLE, TargetKind::USER] {
        filters.push(EntryFilter { target_kind: Some(kind), ..none.clone() });
    }
    filters.push(EntryFilter { target: Some(record.role.uuid()), ..none.clone() });
    for outcome in [Outcome::Succeeded, Outcome::Denied, Outcome::Failed] {
        filters.push(EntryFilter { outcome: Some(outcome), ..none.clone() });
    }
    let middle = record.moment(15);
    for moment in [middle, middle.plus(MILLISECOND), middle.minus(MILLISECOND)] {
        filters.push(EntryFilter { from: Some(moment), ..none.clone() });
        filters.push(EntryFilter { to: Some(moment), ..none.clone() });
    }
    for filter in &filters {
        let found = assert_finds(scene, record, filter, &[5, 100]).await;
        assert!(found > 0 && found < record.events.len(), "the filter distinguishes entries: {filter:?}");
    }
    let nobody = UserId::new(&scene.context);
    for filter in [
        EntryFilter { actor: Some(nobody), ..none.clone() },
        EntryFilter { target: Some(nobody.uuid()), ..none.clone() },
        EntryFilter { target_kind: Some(INVITATION), ..none.clone() },
        EntryFilter { from: Some(record.moment(29).plus(MILLISECOND)), ..none.clone() },
        EntryFilter { to: Some(record.moment(0)), ..none.clone() },
        EntryFilter { from: Some(middle), to: Some(middle), ..none },
    ] {
        assert_eq!(assert_finds(scene, record, &filter, &[10]).await, 0, "{filter:?}");
    }
}

pub(super) async fn filters_are_joined_by_and(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let record = &Record::keep(scene).await;
    let mut fruitful = 0;
    for action in actions() {
        for actor in [None, Some(record.other_person)] {
            for (target_kind, target) in [
                (None, None),
                (Some(TargetKind::USER), None),
                (Some(TargetKind::ROLE), Some(record.role.uuid())),
                (Some(TargetKind::USER), Some(record.role.uuid())),
            ] {
                for (from, to) in [(None, None), (Some(record.moment(6)), Some(record.moment(24)))] {
                    let filter =
                        EntryFilter { action: action.clone(), actor, target_kind, target, outcome: None, from, to };
                    fruitful += usize::from(assert_finds(scene, record, &filter, &[7]).await > 0);
                    let denied = EntryFilter { outcome: Some(Outcome::Denied), ..filter };
                    assert_finds(scene, record, &denied, &[7]).await;
                }
            }
        }
    }
    assert!(fruitful > 30, "most combinations find entries, so that the test is meaningful: {fruitful}");
}

pub(super) async fn in1_actions_are_compared_literally(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let record = &Record::keep(scene).await;
    for text in ["role.%", "role_created", "ROLE.CREATED", "role", "' OR 1=1 --", "", "*", ".*", "role.created "] {
        for action in [ActionFilter::Exact(text.to_owned()), ActionFilter::Group(text.to_owned())] {
            let expected = usize::from(action == ActionFilter::Group("role".to_owned()));
            let filter = EntryFilter { action: Some(action), ..EntryFilter::default() };
            let found = assert_finds(scene, record, &filter, &[100]).await;
            assert_eq!(found.min(1), expected, "{filter:?}");
        }
    }
}
