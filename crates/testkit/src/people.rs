//! The suite of [`People`].

use futures::future::join_all;
use tenantry_identity::{IdentityError, People, Person, PersonStatus};
use tenantry_kernel::{Direction, Page, PageRequest, UserId};
use tenantry_tenancy::{MemberFilter, MemberOrder, Memberships};

use crate::{
    scene::{Directory, SampleTenant, Scene, email, name},
    units::{TestScope, Units},
};

mod tenant_isolation;

suite! {
    people(units: impl Units<Unit: Directory>) calls (&Scene::new(&units)) {
        a_person_reads_back_as_inserted,
        many_people_are_read_at_once,
        re5_two_spellings_of_an_address_are_one_person,
        re5_two_units_cannot_both_take_an_address,
        an_update_writes_and_moves_the_version_on,
        an_update_of_an_older_version_changes_nothing,
        an_update_cannot_take_the_address_of_another,
        an_update_moves_the_search_keys_of_every_membership,
        a_locked_person_is_held_until_the_unit_ends,
    }
    tenant_isolation {
        te1_a_scope_sees_its_own_people,
        te1_only_system_units_find_by_address_and_write,
    }
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Directory>>, id: UserId) -> Option<Person> {
    scene.look(async |unit| unit.person_by_id(id).await.unwrap()).await
}

async fn a_person_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    for millis in [1, 998, 1] {
        let plain = Person { created_at: scene.later(millis), ..scene.new_person("Ünal \u{1F980} O'Hara \"%_\\") };
        let full = Person {
            email: scene.new_email("josé.o'hara+100%_x"),
            email_verified_at: Some(scene.later(millis)),
            status: PersonStatus::Disabled,
            version: 7,
            ..scene.new_person("Grace Hopper")
        };
        for person in [plain, full] {
            scene.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
            scene
                .look(async |unit| {
                    assert_eq!(unit.person_by_id(person.id).await.unwrap(), Some(person.clone()));
                    assert_eq!(unit.person_by_email(&person.email).await.unwrap(), Some(person.clone()));
                })
                .await;
        }
    }
    let nobody = scene.new_person("Nobody");
    scene
        .look(async |unit| {
            assert_eq!(unit.person_by_id(nobody.id).await.unwrap(), None);
            assert_eq!(unit.person_by_email(&nobody.email).await.unwrap(), None);
        })
        .await;
    scene.system(async |unit| assert_eq!(unit.lock_person(nobody.id).await.unwrap(), None)).await;
}

async fn many_people_are_read_at_once(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (one, two, other) = (scene.person().await, scene.person().await, scene.person().await);
    scene
        .look(async |unit| {
            let ids = [two.id, scene.new_person("Nobody").id, one.id, two.id];
            let mut found = unit.people_by_ids(&ids).await.unwrap();
            found.sort_by_key(|person| person.id);
            let mut expected = [one.clone(), two.clone()];
            expected.sort_by_key(|person| person.id);
            assert_eq!(found, expected, "each once, without {}", other.id);
            assert_eq!(unit.people_by_ids(&[]).await.unwrap(), []);
        })
        .await;
}

async fn re5_two_spellings_of_an_address_are_one_person(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let first = Person { email: scene.new_email("jose\u{301}.ada"), ..scene.new_person("Ada") };
    let spelling = format!(" {} ", first.email.as_str().to_uppercase().replace('É', "E\u{301}"));
    let second = Person { email: email(&spelling), ..scene.new_person("Ada Again") };
    let third = scene.new_person("Ada Elsewhere");
    scene.system(async |unit| unit.insert_person(&first).await.unwrap()).await;
    scene
        .system(async |unit| {
            must_be!(unit.insert_person(&second).await, Err(IdentityError::EmailTaken));
            unit.insert_person(&third).await.unwrap();
            assert_eq!(unit.person_by_email(&second.email).await.unwrap().map(|p| p.id), Some(first.id));
        })
        .await;
    assert_eq!(stored(scene, second.id).await, None);
    assert_eq!(stored(scene, third.id).await, Some(third), "the conflict left the unit usable");
}

async fn re5_two_units_cannot_both_take_an_address(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let address = scene.new_email("ada");
    let outcomes = join_all((0..8).map(|_| async {
        let person = Person { email: address.clone(), ..scene.new_person("Ada") };
        scene.system(async |unit| unit.insert_person(&person).await).await
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        must_be!(refused, Err(IdentityError::EmailTaken));
    }
}

async fn an_update_writes_and_moves_the_version_on(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let mut expected = scene.person().await;
    for (called, verified, status) in [
        ("Ada King", Some(scene.later(1)), PersonStatus::Disabled),
        ("Ünal \u{1F980} O'Hara", Some(scene.later(60_998)), PersonStatus::Enabled),
        ("Ada Lovelace", None, PersonStatus::Enabled),
    ] {
        let changed = Person {
            name: name(called),
            email: scene.new_email("countess"),
            email_verified_at: verified,
            status,
            ..expected.clone()
        };
        scene.system(async |unit| unit.update_person(&changed).await.unwrap()).await;
        expected = Person { version: expected.version + 1, ..changed };
        assert_eq!(stored(scene, expected.id).await.as_ref(), Some(&expected));
    }
}

async fn an_update_of_an_older_version_changes_nothing(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let first = scene.person().await;
    scene.system(async |unit| unit.update_person(&first).await.unwrap()).await;
    let current = stored(scene, first.id).await;
    for version in [first.version, first.version + 2] {
        let stale = Person { name: name("Somebody Else"), version, ..first.clone() };
        scene
            .system(async |unit| must_be!(unit.update_person(&stale).await, Err(IdentityError::VersionConflict)))
            .await;
        assert_eq!(stored(scene, first.id).await, current);
    }
}

async fn an_update_cannot_take_the_address_of_another(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (ada, grace) = (scene.person().await, scene.person().await);
    let greedy = Person { email: grace.email.clone(), ..ada.clone() };
    must_be!(
        scene.attempt(TestScope::System, async |unit| unit.update_person(&greedy).await).await,
        Err(IdentityError::EmailTaken)
    );
    assert_eq!(stored(scene, ada.id).await, Some(ada));
}

/// Returns the ids of the tenant's members whose name or address starts with this prefix.
async fn found_by(scene: &Scene<'_, impl Units<Unit: Directory>>, tenant: &SampleTenant, prefix: &str) -> Vec<UserId> {
    let filter = MemberFilter { prefix: Some(prefix.to_owned()), ..MemberFilter::default() };
    let page = PageRequest { limit: 10, after: None, direction: Direction::Ascending };
    let read = async |unit: &mut _| Memberships::page_memberships(unit, &filter, MemberOrder::Name, page).await;
    let Page { items, .. } = scene.look_as(tenant.scope(), read).await.unwrap();
    items.into_iter().map(|(member, _)| member.user).collect()
}

async fn an_update_moves_the_search_keys_of_every_membership(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = Person { email: scene.new_email("mononym"), ..scene.new_person("Mononym") };
    scene.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
    for tenant in [&acme, &globex] {
        scene.join(tenant, &person, &[]).await;
        assert_eq!(found_by(scene, tenant, "mononym").await, [person.id]);
    }
    let renamed = Person { name: name("ZARAH Leander"), email: scene.new_email("zl"), ..person.clone() };
    scene.system(async |unit| unit.update_person(&renamed).await.unwrap()).await;
    for tenant in [&acme, &globex] {
        assert_eq!(found_by(scene, tenant, "mononym").await, []);
        assert_eq!(found_by(scene, tenant, "zarah l").await, [person.id]);
        assert_eq!(found_by(scene, tenant, "zl@").await, [person.id]);
    }
}

/// Each unit reads the version under the lock and writes by it. Without the lock, most writes would fail as outdated.
async fn a_locked_person_is_held_until_the_unit_ends(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    const UNITS: i64 = 10;
    let person = scene.person().await;
    join_all((0..UNITS).map(|_| {
        scene.system(async |unit| {
            let locked = unit.lock_person(person.id).await.unwrap().unwrap();
            unit.update_person(&locked).await.unwrap();
        })
    }))
    .await;
    assert_eq!(stored(scene, person.id).await.map(|p| p.version), Some(person.version + UNITS));
}
