//! Tests that units of a tenant or of a user neither see nor change other users.

use tenantry_identity::{People, Person};
use tenantry_kernel::{StoreError, UserId};

use super::stored;
use crate::{
    scene::{Directory, Scene, name},
    units::{TestScope, Units},
};

pub(super) async fn te1_a_scope_sees_its_own_people(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let colleague = scene.member(&acme).await;
    let alone = scene.person().await;
    let everybody = [acme.owner.id, colleague.id, globex.owner.id, alone.id];
    let table = [
        (acme.scope(), vec![acme.owner.id, colleague.id]),
        (globex.scope(), vec![globex.owner.id]),
        (acme.scope_of(alone.id), vec![acme.owner.id, colleague.id, alone.id]),
        (TestScope::Person(acme.owner.id), vec![acme.owner.id]),
        (TestScope::Person(alone.id), vec![alone.id]),
        (TestScope::System, everybody.to_vec()),
    ];
    for (scope, mut visible) in table {
        scene
            .look_as(scope, async |unit| {
                for id in everybody {
                    let found = unit.person_by_id(id).await.unwrap().map(|person| person.id);
                    assert_eq!(found, visible.contains(&id).then_some(id), "{scope:?}");
                }
                let mut found: Vec<UserId> =
                    unit.people_by_ids(&everybody).await.unwrap().iter().map(|person| person.id).collect();
                found.sort();
                visible.sort();
                assert_eq!(found, visible, "{scope:?}");
            })
            .await;
    }
    for (scope, members) in [
        (acme.scope(), vec![acme.owner.id, colleague.id]),
        (acme.scope_of(alone.id), vec![acme.owner.id, colleague.id]),
        (globex.scope(), vec![globex.owner.id]),
    ] {
        scene
            .look_as(scope, async |unit| {
                let found = unit.members_by_ids(&everybody).await.unwrap();
                let mut found: Vec<UserId> = found.iter().map(|member| member.person.id).collect();
                found.sort();
                let mut members = members.clone();
                members.sort();
                assert_eq!(found, members, "{scope:?}");
            })
            .await;
    }
    for scope in [TestScope::Person(alone.id), TestScope::System] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.members_by_ids(&everybody).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    for (scope, own) in [(acme.scope(), acme.owner.id), (TestScope::Person(alone.id), alone.id)] {
        scene
            .change(scope, async |unit| {
                for id in everybody {
                    let locked = unit.lock_person(id).await.unwrap().map(|person| person.id);
                    assert_eq!(locked, (id == own).then_some(id), "{scope:?}");
                }
            })
            .await;
    }
}

pub(super) async fn te1_only_system_units_find_by_address_and_write(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let stranger = scene.person().await;
    let new = scene.new_person("Somebody New");
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        for person in [&acme.owner, &stranger] {
            scene
                .look_as(scope, async |unit| {
                    must_be!(unit.person_by_email(&person.email).await, Err(StoreError::Misuse(_)));
                })
                .await;
            let renamed = Person { name: name("Mallory"), ..person.clone() };
            assert!(scene.attempt(scope, async |unit| unit.update_person(&renamed).await).await.is_err());
            assert_eq!(stored(scene, person.id).await.as_ref(), Some(person));
        }
        assert!(scene.attempt(scope, async |unit| unit.insert_person(&new).await).await.is_err());
        assert_eq!(stored(scene, new.id).await, None);
    }
}
