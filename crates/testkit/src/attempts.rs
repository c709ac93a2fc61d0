//! The suite of [`Attempts`].

use futures::future::join_all;
use std::time::Duration;
use tenantry_identity::{Attempts, GuessCount, GuessCounter, GuessQuota};
use tenantry_kernel::{StoreError, TenantId, Timestamp, UserId};

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

suite! {
    attempts(units: impl Units<Unit: Attempts>) calls (&Scene::new(&units)) {
        a_counter_counts_from_one_until_its_window_ends,
        answers_stand_in_the_order_of_the_charges,
        si2_fifty_parallel_charges_count_exactly,
        units_that_charge_in_other_orders_do_not_collide,
        what_is_given_back_is_taken_off,
        a_dropped_unit_charges_nothing,
        a_source_is_known_since_its_last_success,
        te5_account_and_source_do_not_change_places,
        only_system_units_count,
    }
}

const WINDOW: Duration = Duration::from_millis(900_001);

fn charge(key: [u8; 32]) -> GuessCounter {
    GuessCounter { key, quota: GuessQuota { limit: 10, window: WINDOW } }
}

async fn charge_one(scene: &Scene<'_, impl Units<Unit: Attempts>>, key: [u8; 32]) -> GuessCount {
    let now = scene.context.now();
    let charged = scene.system(async |unit| unit.charge_attempts(&[charge(key)], now).await.unwrap()).await;
    assert_eq!(charged.len(), 1);
    charged[0]
}

#[track_caller]
fn assert_charged(charged: GuessCount, count: u32, resets_at: Timestamp) {
    assert_eq!((charged.count, charged.resets_at), (count, resets_at));
}

async fn a_counter_counts_from_one_until_its_window_ends(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let resets_at = scene.context.now().plus(WINDOW);
    assert_charged(charge_one(scene, key).await, 1, resets_at);
    scene.later(1);
    assert_charged(charge_one(scene, key).await, 2, resets_at);
    scene.clock.set(resets_at.minus(Duration::from_millis(1)));
    assert_charged(charge_one(scene, key).await, 3, resets_at);

    scene.clock.set(resets_at);
    assert_charged(charge_one(scene, key).await, 1, resets_at.plus(WINDOW));
    let much_later = scene.later(86_400_000);
    assert_charged(charge_one(scene, key).await, 1, much_later.plus(WINDOW));
    // A clock that jumps back never extends a window.
    scene.clock.set(resets_at);
    assert_charged(charge_one(scene, key).await, 2, much_later.plus(WINDOW));
}

async fn answers_stand_in_the_order_of_the_charges(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let mut keys: [[u8; 32]; 3] = [scene.context.random(), scene.context.random(), scene.context.random()];
    keys.sort();
    let [low, middle, high] = keys;
    for _ in 0..2 {
        charge_one(scene, high).await;
    }
    charge_one(scene, low).await;
    let now = scene.context.now();
    let charges = [charge(high), charge(middle), charge(low)];
    let charged = scene.system(async |unit| unit.charge_attempts(&charges, now).await.unwrap()).await;
    assert_eq!(charged.iter().map(|charged| charged.count).collect::<Vec<_>>(), [3, 1, 2]);
    let none = scene.system(async |unit| unit.charge_attempts(&[], now).await.unwrap()).await;
    assert!(none.is_empty());
}

async fn si2_fifty_parallel_charges_count_exactly(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let mut counts: Vec<u32> =
        join_all((0..50).map(|_| charge_one(scene, key))).await.iter().map(|charged| charged.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
}

async fn units_that_charge_in_other_orders_do_not_collide(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let keys: [[u8; 32]; 2] = [scene.context.random(), scene.context.random()];
    let now = scene.context.now();
    let outcomes = join_all((0..40).map(|number| async move {
        let charges = [charge(keys[number % 2]), charge(keys[(number + 1) % 2])];
        let given_back = [keys[(number + 1) % 2], keys[number % 2]];
        let charged =
            scene.attempt(TestScope::System, async |unit| unit.charge_attempts(&charges, now).await.map(|_| ())).await;
        charged.and(scene.attempt(TestScope::System, async |unit| unit.give_back_attempts(&given_back).await).await)
    }))
    .await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    for key in keys {
        assert_eq!(charge_one(scene, key).await.count, 1, "everything was given back");
    }
}

async fn what_is_given_back_is_taken_off(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let (key, other) = (scene.context.random(), scene.context.random());
    for _ in 0..3 {
        charge_one(scene, key).await;
    }
    charge_one(scene, other).await;
    let resets_at = scene.context.now().plus(WINDOW);
    let unknown = scene.context.random();
    scene.later(10);
    scene.system(async |unit| unit.give_back_attempts(&[unknown, key]).await.unwrap()).await;
    assert_charged(charge_one(scene, key).await, 3, resets_at);
    assert_charged(charge_one(scene, other).await, 2, resets_at);
    for _ in 0..5 {
        scene.system(async |unit| unit.give_back_attempts(&[key]).await.unwrap()).await;
    }
    assert_charged(charge_one(scene, key).await, 1, resets_at);
}

async fn a_dropped_unit_charges_nothing(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let now = scene.context.now();
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert_eq!(unit.charge_attempts(&[charge(key)], now).await.unwrap()[0].count, 1);
    }
    assert_eq!(charge_one(scene, key).await.count, 1);
}

async fn is_known(
    scene: &Scene<'_, impl Units<Unit: Attempts>>,
    account: [u8; 32],
    source: [u8; 32],
    since: Timestamp,
) -> bool {
    scene.look(async |unit| unit.is_known_source(account, source, since).await.unwrap()).await
}

async fn remember(scene: &Scene<'_, impl Units<Unit: Attempts>>, account: [u8; 32], source: [u8; 32]) {
    let now = scene.context.now();
    scene.system(async |unit| unit.remember_source(account, source, now).await.unwrap()).await;
}

async fn a_source_is_known_since_its_last_success(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let (account, source) = (scene.context.random(), scene.context.random());
    let first = scene.later(5);
    assert!(!is_known(scene, account, source, first).await);
    remember(scene, account, source).await;
    assert!(is_known(scene, account, source, first).await);
    assert!(is_known(scene, account, source, first.minus(MILLISECOND)).await);
    assert!(!is_known(scene, account, source, first.plus(MILLISECOND)).await);

    let second = scene.later(2_592_000_000);
    remember(scene, account, source).await;
    assert!(is_known(scene, account, source, second).await);
    assert!(!is_known(scene, account, source, second.plus(MILLISECOND)).await);
}

async fn te5_account_and_source_do_not_change_places(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let (account, source, other) = (scene.context.random(), scene.context.random(), scene.context.random());
    remember(scene, account, source).await;
    let now = scene.context.now();
    assert!(is_known(scene, account, source, now).await);
    for (account, source) in [(source, account), (account, other), (other, source), (account, account)] {
        assert!(!is_known(scene, account, source, now).await);
    }
}

async fn only_system_units_count(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let (key, source) = (scene.context.random(), scene.context.random());
    charge_one(scene, key).await;
    let now = scene.context.now();
    let (tenant, person) = (TenantId::new(&scene.context), UserId::new(&scene.context));
    for scope in [TestScope::Tenant { tenant, person }, TestScope::Person(person)] {
        scene
            .change(scope, async |unit| {
                must_be!(unit.charge_attempts(&[charge(key)], now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.give_back_attempts(&[key]).await, Err(StoreError::Misuse(_)));
                must_be!(unit.is_known_source(key, source, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.remember_source(key, source, now).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    assert!(!is_known(scene, key, source, now).await);
    assert_eq!(charge_one(scene, key).await.count, 2);
}
