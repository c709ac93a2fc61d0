//! The suite of [`Registrations`].

use std::time::Duration;
use tenantry_identity::{PasswordHash, Register, Registration, RegistrationId, Registrations};
use tenantry_kernel::{EmailAddress, StoreError, Timestamp, UserId};
use tenantry_tenancy::Slug;

use crate::{
    scene::{Scene, email, name},
    units::{TestScope, Units},
};

mod removal;

suite! {
    registrations(units: impl Units<Unit: Registrations>) calls (&Scene::new(&units)) {
        a_registration_reads_back_as_inserted,
        the_mailed_token_leads_to_its_registration,
        a_newer_token_takes_the_place_of_the_older,
        registrations_of_an_address_come_oldest_first,
        re5_an_address_is_found_however_it_is_spelt,
        only_system_units_see_registrations,
    }
    removal {
        re2_a_registration_is_deleted_once,
        re2_of_many_units_one_deletes_a_registration,
        every_registration_of_an_address_goes_at_once,
        a_dropped_unit_leaves_everything_as_it_was,
    }
}

/// A registration in a form that can be compared.
type Plain = (RegistrationId, [String; 5], Option<[u8; 32]>, Timestamp, Timestamp);

fn plain(registration: &Registration) -> Plain {
    let Register { email, name, hash, tenant_name, tenant_slug } = &registration.wanted;
    let words = [
        email.to_string(),
        name.to_string(),
        hash.phc().to_owned(),
        tenant_name.to_string(),
        format!("{tenant_slug:?}"),
    ];
    (registration.id, words, registration.token_hash, registration.created_at, registration.expires_at)
}

fn new_registration(scene: &Scene<'_, impl Units>, address: &EmailAddress) -> Registration {
    let now = scene.later(1);
    Registration {
        id: RegistrationId::new(&scene.context),
        wanted: Register {
            email: address.clone(),
            name: name("Ada Lovelace"),
            hash: PasswordHash::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaA"),
            tenant_name: name("Acme, Inc."),
            tenant_slug: None,
        },
        token_hash: None,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(86_400)),
    }
}

async fn keep(scene: &Scene<'_, impl Units<Unit: Registrations>>, registrations: &[&Registration]) {
    scene
        .system(async |unit| {
            for registration in registrations {
                unit.insert_registration(registration).await.unwrap();
            }
        })
        .await;
}

/// Stores a new registration of the address.
async fn kept(scene: &Scene<'_, impl Units<Unit: Registrations>>, address: &EmailAddress) -> Registration {
    let registration = new_registration(scene, address);
    keep(scene, &[&registration]).await;
    registration
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Registrations>>, id: RegistrationId) -> Option<Plain> {
    scene.look(async |unit| unit.registration_by_id(id).await.unwrap()).await.as_ref().map(plain)
}

async fn by_token(scene: &Scene<'_, impl Units<Unit: Registrations>>, hash: [u8; 32]) -> Option<Plain> {
    scene.look(async |unit| unit.registration_by_token(&hash).await.unwrap()).await.as_ref().map(plain)
}

async fn of(scene: &Scene<'_, impl Units<Unit: Registrations>>, address: &EmailAddress) -> Vec<RegistrationId> {
    scene.look(async |unit| unit.registrations_of(address).await.unwrap()).await
}

async fn delete(scene: &Scene<'_, impl Units<Unit: Registrations>>, id: RegistrationId) -> bool {
    scene.system(async |unit| unit.delete_registration(id).await.unwrap()).await
}

async fn a_registration_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let first = new_registration(scene, &scene.new_email("ada"));
    let second = Registration {
        wanted: Register {
            email: scene.new_email("josé.o'hara+100%_x"),
            name: name("Ünal \u{1F980} O'Hara \"%_\\"),
            hash: PasswordHash::new("$\"'\\%_ größe \u{1F980}"),
            tenant_name: name(&"Ж".repeat(120)),
            tenant_slug: Some(Slug::parse(&format!("{}a1z", "a1-".repeat(20))).unwrap()),
        },
        token_hash: Some(scene.context.random()),
        created_at: scene.later(1),
        expires_at: scene.later(998),
        ..new_registration(scene, &first.wanted.email)
    };
    for registration in [&first, &second] {
        keep(scene, &[registration]).await;
        assert_eq!(stored(scene, registration.id).await, Some(plain(registration)));
    }
    assert_eq!(by_token(scene, second.token_hash.unwrap()).await, Some(plain(&second)));
    // Registrations are not deleted by time alone.
    scene.clock.set(first.expires_at.plus(Duration::from_secs(86_400)));
    assert_eq!(stored(scene, first.id).await, Some(plain(&first)));
    assert_eq!(by_token(scene, second.token_hash.unwrap()).await, Some(plain(&second)));

    let absent = new_registration(scene, &scene.new_email("nobody"));
    assert_eq!(stored(scene, absent.id).await, None);
    assert_eq!(by_token(scene, scene.context.random()).await, None);
    assert_eq!(of(scene, &absent.wanted.email).await, []);
}

async fn the_mailed_token_leads_to_its_registration(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let address = scene.new_email("ada");
    let (one, other) = (kept(scene, &address).await, kept(scene, &address).await);
    let [zeros, ones] = [[0; 32], [0xff; 32]];
    scene
        .system(async |unit| {
            unit.set_registration_token(one.id, &zeros).await.unwrap();
            unit.set_registration_token(other.id, &ones).await.unwrap();
        })
        .await;
    for (registration, token_hash) in [(one, zeros), (other, ones)] {
        let expected = plain(&Registration { token_hash: Some(token_hash), ..registration });
        assert_eq!(by_token(scene, token_hash).await.as_ref(), Some(&expected), "and nothing else was written");
        assert_eq!(stored(scene, expected.0).await, Some(expected));
    }
}

async fn a_newer_token_takes_the_place_of_the_older(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let registration = kept(scene, &scene.new_email("ada")).await;
    let [older, newer] = [scene.context.random(), scene.context.random()];
    for hash in [older, newer, newer] {
        scene.system(async |unit| unit.set_registration_token(registration.id, &hash).await.unwrap()).await;
    }
    assert_eq!(by_token(scene, older).await, None);
    assert!(by_token(scene, newer).await.is_some());
    // A change that matches no row must not be reported as done.
    let absent = RegistrationId::new(&scene.context);
    let hash = scene.context.random();
    let noted = scene.attempt(TestScope::System, async |unit| unit.set_registration_token(absent, &hash).await).await;
    assert!(noted.is_err());
    assert_eq!(by_token(scene, hash).await, None);
}

async fn registrations_of_an_address_come_oldest_first(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let (address, elsewhere) = (scene.new_email("ada"), scene.new_email("ada"));
    let waiting: Vec<Registration> = (0..5).map(|_| new_registration(scene, &address)).collect();
    // In another order than they were requested.
    keep(scene, &[&waiting[3], &waiting[0], &waiting[4], &waiting[2], &waiting[1]]).await;
    kept(scene, &elsewhere).await;
    let mut expected: Vec<RegistrationId> = waiting.iter().map(|registration| registration.id).collect();
    assert_eq!(of(scene, &address).await, expected);
    assert!(delete(scene, expected.remove(2)).await);
    assert_eq!(of(scene, &address).await, expected);
}

async fn re5_an_address_is_found_however_it_is_spelt(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let address = scene.new_email("jose\u{301}.ada");
    let spelling = email(&format!(" {} ", address.as_str().to_uppercase().replace('É', "E\u{301}")));
    let (one, other) = (kept(scene, &address).await, kept(scene, &spelling).await);
    for address in [&address, &spelling] {
        assert_eq!(of(scene, address).await, [one.id, other.id]);
    }
    scene.system(async |unit| unit.delete_registrations_of(&spelling).await.unwrap()).await;
    assert_eq!(of(scene, &address).await, []);
}

async fn only_system_units_see_registrations(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let tenant = scene.new_tenant().id;
    let person = UserId::new(&scene.context);
    let address = scene.new_email("ada");
    let (before, new) = (kept(scene, &address).await, new_registration(scene, &address));
    let hash = scene.context.random();
    for scope in [TestScope::Tenant { tenant, person }, TestScope::Person(person)] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.registration_by_id(before.id).await, Err(StoreError::Misuse(_)));
                must_be!(unit.registration_by_token(&hash).await, Err(StoreError::Misuse(_)));
                must_be!(unit.registrations_of(&address).await, Err(StoreError::Misuse(_)));
            })
            .await;
        scene
            .change(scope, async |unit| {
                must_be!(unit.insert_registration(&new).await, Err(StoreError::Misuse(_)));
                must_be!(unit.set_registration_token(before.id, &hash).await, Err(StoreError::Misuse(_)));
                must_be!(unit.delete_registration(before.id).await, Err(StoreError::Misuse(_)));
                must_be!(unit.delete_registrations_of(&address).await, Err(StoreError::Misuse(_)));
            })
            .await;
        assert_eq!(of(scene, &address).await, [before.id], "{scope:?}");
        assert_eq!(stored(scene, before.id).await, Some(plain(&before)), "{scope:?}");
    }
}
