//! Tests that a unit of one tenant cannot read or write the log of another.

use tenantry_audit::{Entries, EntryFilter};
use tenantry_identity::vocabulary::USER_PASSWORD_CHANGED;
use tenantry_kernel::{Direction, Event, EventId, Journal, PageRequest};
use tenantry_tenancy::vocabulary::ROLE_CREATED;

use super::{Log, appended, assert_same, entry};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn te1_another_tenants_log_is_invisible(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let (own, theirs) = (Log::new(scene), Log::new(scene));
    // Equal in everything but the tenant: user, target, time.
    let event = own.event(scene, ROLE_CREATED).target(own.person, Some("Ada"));
    let duplicate = Event {
        id: EventId::from_uuid(scene.context.uuid_v7_at(event.occurred_at)),
        ..event.clone().within(Some(theirs.tenant))
    };
    let nobodys =
        Event { id: EventId::from_uuid(scene.context.uuid_v7_at(event.occurred_at)), ..event.clone().within(None) };
    appended(scene, own, &event).await;
    appended(scene, theirs, &duplicate).await;
    scene.system(async |unit| unit.append_event(nobodys.clone()).await.unwrap()).await;

    assert!(entry(scene, own.scope(), duplicate.id).await.is_none());
    assert!(entry(scene, own.scope(), nobodys.id).await.is_none());
    let filters = [
        EntryFilter::default(),
        EntryFilter { actor: Some(own.person), ..EntryFilter::default() },
        EntryFilter { target: Some(own.person.uuid()), ..EntryFilter::default() },
        EntryFilter { from: Some(event.occurred_at), ..EntryFilter::default() },
    ];
    for filter in filters {
        for after in [None, Some(EventId::from_uuid(uuid::Uuid::nil()))] {
            let request = PageRequest { limit: 100, after, direction: Direction::Ascending };
            let page =
                scene.look_as(own.scope(), async |unit| unit.page_entries(&filter, request).await.unwrap()).await;
            assert_eq!(page.items.iter().map(|entry| entry.id).collect::<Vec<_>>(), [event.id], "{filter:?}");
        }
    }
}

pub(super) async fn te1_another_tenants_log_cannot_be_written(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let (own, theirs) = (Log::new(scene), Log::new(scene));
    let forged = own.event(scene, ROLE_CREATED).within(Some(theirs.tenant));
    for scope in [own.scope(), TestScope::Person(own.person)] {
        assert!(scene.attempt(scope, async |unit| unit.append_event(forged.clone()).await).await.is_err(), "{scope:?}");
        assert!(entry(scene, theirs.scope(), forged.id).await.is_none(), "{scope:?}");
    }
    let outside = own.event(scene, ROLE_CREATED);
    assert!(
        scene
            .attempt(TestScope::Person(own.person), async |unit| unit.append_event(outside.clone()).await)
            .await
            .is_err()
    );
    assert!(entry(scene, own.scope(), outside.id).await.is_none(), "a person's unit is in no tenant");
}

pub(super) async fn what_belongs_to_no_tenant_is_noted_by_whoever_acts(
    scene: &Scene<'_, impl Units<Unit: Journal + Entries>>,
) {
    let (own, other) = (Log::new(scene), Log::new(scene));
    for scope in [TestScope::Person(own.person), own.scope()] {
        let event = own.event(scene, USER_PASSWORD_CHANGED).within(None);
        scene.change(scope, async |unit| unit.append_event(event.clone()).await.unwrap()).await;
        let kept = entry(scene, TestScope::System, event.id).await.expect("System units read it");
        assert_same(&kept, &event);

        let of_another = other.event(scene, USER_PASSWORD_CHANGED).within(None);
        assert!(scene.attempt(scope, async |unit| unit.append_event(of_another.clone()).await).await.is_err());
        assert!(entry(scene, TestScope::System, of_another.id).await.is_none(), "{scope:?}");
    }
}
