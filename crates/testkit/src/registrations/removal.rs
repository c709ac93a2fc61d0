//! Tests that a registration is removed exactly once when units compete for it.

use futures::future::join_all;
use tenantry_identity::Registrations;

use super::{by_token, delete, kept, new_registration, of, plain, stored};
use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn re2_a_registration_is_deleted_once(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let address = scene.new_email("ada");
    let (one, other) = (kept(scene, &address).await, kept(scene, &address).await);
    let hash = scene.context.random();
    scene.system(async |unit| unit.set_registration_token(one.id, &hash).await.unwrap()).await;
    assert!(delete(scene, one.id).await);
    assert_eq!(stored(scene, one.id).await, None);
    assert_eq!(by_token(scene, hash).await, None);
    assert!(!delete(scene, one.id).await);
    assert_eq!(stored(scene, other.id).await, Some(plain(&other)), "the other of the address stays");
}

pub(super) async fn re2_of_many_units_one_deletes_a_registration(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let registration = kept(scene, &scene.new_email("ada")).await;
    let deleted = join_all((0..20).map(|_| delete(scene, registration.id))).await;
    assert_eq!(deleted.iter().filter(|deleted| **deleted).count(), 1);
}

pub(super) async fn every_registration_of_an_address_goes_at_once(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let (address, elsewhere) = (scene.new_email("ada"), scene.new_email("ada"));
    let (one, two) = (kept(scene, &address).await, kept(scene, &address).await);
    let others = kept(scene, &elsewhere).await;
    for _ in 0..2 {
        scene.system(async |unit| unit.delete_registrations_of(&address).await.unwrap()).await;
        assert_eq!((stored(scene, one.id).await, stored(scene, two.id).await), (None, None));
        assert_eq!(of(scene, &address).await, []);
        assert_eq!(stored(scene, others.id).await, Some(plain(&others)), "another address's stays");
    }
}

pub(super) async fn a_dropped_unit_leaves_everything_as_it_was(scene: &Scene<'_, impl Units<Unit: Registrations>>) {
    let address = scene.new_email("ada");
    let (before, added) = (kept(scene, &address).await, new_registration(scene, &address));
    let hash = scene.context.random();
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        unit.insert_registration(&added).await.unwrap();
        unit.set_registration_token(before.id, &hash).await.unwrap();
        assert_eq!(unit.registrations_of(&address).await.unwrap(), [before.id, added.id]);
        assert!(unit.delete_registration(before.id).await.unwrap());
        unit.delete_registrations_of(&address).await.unwrap();
    }
    assert_eq!(of(scene, &address).await, [before.id]);
    assert_eq!(stored(scene, before.id).await, Some(plain(&before)));
}
