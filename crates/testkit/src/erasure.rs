//! The suite of [`Erasure`]: it deletes the personal data of one user and no other.

use tenantry_audit::Entries;
use tenantry_identity::{Erasure, Sessions, Trace, erased_address};
use tenantry_kernel::{Actor, Event, EventId, Journal, PersonalPart, TenantId};
use tenantry_tenancy::Memberships;
use tenantry_tenancy::vocabulary::ROLE_CREATED;

use crate::{
    scene::{Directory, Scene},
    units::Units,
};

suite! {
    erasure(units: impl Units<Unit: Directory + Erasure + Entries + Journal + Sessions>) calls (&Scene::new(&units)) {
        an_account_goes_and_others_stay,
        parts_go_by_trace_in_portions,
        tenants_come_in_order,
    }
}

async fn an_account_goes_and_others_stay(scene: &Scene<'_, impl Units<Unit: Directory + Erasure + Sessions>>) {
    let (one, other) = (scene.tenant().await, scene.tenant().await);
    let sessions = [&one, &other].map(|sample| scene.new_session(sample.owner.id, Some(sample.id())));
    scene
        .system(async |unit| {
            for session in &sessions {
                unit.insert_session(session).await.unwrap();
            }
            let by = erased_address(one.owner.id).unwrap();
            unit.erase_account(&one.owner, &by).await.unwrap();
        })
        .await;
    for (sample, session, left) in [(&one, &sessions[0], 0), (&other, &sessions[1], 1)] {
        let memberships = scene.look(async |unit| unit.tenants_of(sample.owner.id).await.unwrap()).await;
        assert_eq!(memberships.len(), left);
        let session = scene.look(async |unit| unit.session_by_id(session.id).await.unwrap()).await;
        assert_eq!(usize::from(session.is_some()), left);
    }
}

async fn parts_go_by_trace_in_portions(scene: &Scene<'_, impl Units<Unit: Directory + Erasure + Entries + Journal>>) {
    let (ada, bob) = (scene.tenant().await, scene.tenant().await);
    let log = Some(ada.id());
    let event = |actor: &Actor, log: Option<TenantId>| Event::new(&scene.context, actor, ROLE_CREATED).within(log);
    let by = |person| scene.actor(person, log);
    let own: Vec<Event> = (0..3).map(|_| event(&by(&ada.owner), log)).collect();
    let of_nobody = event(&by(&ada.owner), None);
    let to_her = event(&by(&bob.owner), log).target(ada.owner.id, Some("Ada"));
    let others = event(&by(&bob.owner), log);
    let all: Vec<&Event> = own.iter().chain([&of_nobody, &to_her, &others]).collect();
    scene
        .system(async |unit| {
            for event in &all {
                unit.append_event((*event).clone()).await.unwrap();
            }
        })
        .await;
    let traces = [Trace::Actor(ada.owner.id), Trace::Target(ada.owner.id.uuid())];
    let mut erased = 0;
    for trace in traces {
        let mut after: Option<EventId> = None;
        loop {
            let (parts, last) =
                scene.system(async |unit| unit.delete_personal_parts(log, trace, after, 2).await.unwrap()).await;
            erased += parts;
            if last.is_none() {
                break;
            }
            after = last;
        }
    }
    assert_eq!(erased, 4);
    let is_erased = async |event: &Event| {
        let entry = scene.look(async |unit| unit.entry_by_id(event.id).await.unwrap()).await.unwrap();
        let commitment = event.personal.commitment(&event.salt).unwrap();
        assert_eq!(entry.commitment, commitment, "sealed entries stay");
        entry.personal == PersonalPart::default()
    };
    for event in own.iter().chain([&to_her]) {
        assert!(is_erased(event).await);
    }
    for event in [&others, &of_nobody] {
        assert!(!is_erased(event).await);
    }
    let trace = Trace::Actor(ada.owner.id);
    let (parts, _) = scene.system(async |unit| unit.delete_personal_parts(None, trace, None, 10).await.unwrap()).await;
    assert_eq!((parts, is_erased(&of_nobody).await), (1, true));
}

async fn tenants_come_in_order(scene: &Scene<'_, impl Units<Unit: Directory + Erasure>>) {
    let wanted = [scene.tenant().await.id(), scene.tenant().await.id()];
    let mut found: Vec<TenantId> = Vec::new();
    while let Some(next) = scene.look(async |unit| unit.next_tenant(found.last().copied()).await.unwrap()).await {
        found.push(next);
    }
    assert!(found.is_sorted() && wanted.iter().all(|tenant| found.contains(tenant)), "{found:?}");
}
