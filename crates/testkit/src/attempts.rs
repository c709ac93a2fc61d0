//! The suite of [`Attempts`].

use futures::future::join_all;
use std::time::Duration;
use tenantry_identity::{Attempts, GuessCount, GuessCounter, GuessId, GuessQuota};
use tenantry_kernel::{StoreError, TenantId, Timestamp, UserId};

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

suite! {
    attempts(units: impl Units<Unit: Attempts>) calls (&Scene::new(&units)) {
        a_counter_counts_from_one_until_its_window_ends,
        counts_are_in_the_order_of_the_counters,
        si2_fifty_parallel_attempts_count_exactly,
        units_that_consume_in_other_orders_do_not_collide,
        a_locked_counter_is_read_and_not_increased,
        guesses_are_in_flight_until_their_end,
        si2_fifty_parallel_guesses_see_each_other,
        a_dropped_unit_consumes_nothing,
        a_source_is_known_since_its_last_success,
        a_forgotten_account_has_no_known_sources,
        te5_account_and_source_do_not_change_places,
        only_system_units_count,
    }
}

const WINDOW: Duration = Duration::from_millis(900_001);

fn counter(key: [u8; 32]) -> GuessCounter {
    GuessCounter { key, quota: GuessQuota { limit: 10, window: WINDOW } }
}

async fn consume_one(scene: &Scene<'_, impl Units<Unit: Attempts>>, key: [u8; 32]) -> GuessCount {
    let now = scene.context.now();
    let counted = scene.system(async |unit| unit.consume_attempts(&[counter(key)], now).await.unwrap()).await;
    assert_eq!(counted.len(), 1);
    counted[0]
}

#[track_caller]
fn assert_count(counted: GuessCount, count: u32, resets_at: Timestamp) {
    assert_eq!((counted.count, counted.resets_at), (count, resets_at));
}

async fn a_counter_counts_from_one_until_its_window_ends(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let resets_at = scene.context.now().plus(WINDOW);
    assert_count(consume_one(scene, key).await, 1, resets_at);
    scene.later(1);
    assert_count(consume_one(scene, key).await, 2, resets_at);
    scene.clock.set(resets_at.minus(Duration::from_millis(1)));
    assert_count(consume_one(scene, key).await, 3, resets_at);

    scene.clock.set(resets_at);
    assert_count(consume_one(scene, key).await, 1, resets_at.plus(WINDOW));
    let much_later = scene.later(86_400_000);
    assert_count(consume_one(scene, key).await, 1, much_later.plus(WINDOW));
    // A clock that jumps back never extends a window.
    scene.clock.set(resets_at);
    assert_count(consume_one(scene, key).await, 2, much_later.plus(WINDOW));
}

async fn counts_are_in_the_order_of_the_counters(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let mut keys: [[u8; 32]; 3] = [scene.context.random(), scene.context.random(), scene.context.random()];
    keys.sort();
    let [low, middle, high] = keys;
    for _ in 0..2 {
        consume_one(scene, high).await;
    }
    consume_one(scene, low).await;
    let now = scene.context.now();
    let counters = [counter(high), counter(middle), counter(low)];
    let counted = scene.system(async |unit| unit.consume_attempts(&counters, now).await.unwrap()).await;
    assert_eq!(counted.iter().map(|counted| counted.count).collect::<Vec<_>>(), [3, 1, 2]);
    let none = scene.system(async |unit| unit.consume_attempts(&[], now).await.unwrap()).await;
    assert!(none.is_empty());
}

async fn si2_fifty_parallel_attempts_count_exactly(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let mut counts: Vec<u32> =
        join_all((0..50).map(|_| consume_one(scene, key))).await.iter().map(|counted| counted.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
}

async fn units_that_consume_in_other_orders_do_not_collide(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let keys: [[u8; 32]; 2] = [scene.context.random(), scene.context.random()];
    let now = scene.context.now();
    let outcomes = join_all((0..40).map(|number| async move {
        let counters = [counter(keys[number % 2]), counter(keys[(number + 1) % 2])];
        scene.attempt(TestScope::System, async |unit| unit.consume_attempts(&counters, now).await.map(|_| ())).await
    }))
    .await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    for key in keys {
        assert_eq!(consume_one(scene, key).await.count, 41);
    }
}

async fn a_locked_counter_is_read_and_not_increased(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let (key, other) = (scene.context.random(), scene.context.random());
    let resets_at = scene.context.now().plus(WINDOW);
    for _ in 0..3 {
        consume_one(scene, key).await;
    }
    let now = scene.later(1);
    for _ in 0..2 {
        let counters = [counter(key), counter(other)];
        let locked = scene.system(async |unit| unit.lock_attempts(&counters, now).await.unwrap()).await;
        assert_eq!(locked, [GuessCount { count: 3, resets_at }, GuessCount { count: 0, resets_at: now.plus(WINDOW) }]);
    }
    assert_count(consume_one(scene, key).await, 4, resets_at);
    scene.clock.set(resets_at);
    let locked = scene.system(async |unit| unit.lock_attempts(&[counter(key)], resets_at).await.unwrap()).await;
    assert_eq!(locked, [GuessCount { count: 0, resets_at: resets_at.plus(WINDOW) }]);
}

async fn guesses_are_in_flight_until_their_end(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let keys: [[u8; 32]; 3] = [scene.context.random(), scene.context.random(), scene.context.random()];
    let [both, one, _] = keys;
    let (first, second) = (GuessId::new(&scene.context), GuessId::new(&scene.context));
    let now = scene.later(5);
    let ends_at = now.plus(WINDOW);
    let in_flight = async |now| scene.look(async |unit| unit.guesses_in_flight(&keys, now).await.unwrap()).await;
    assert_eq!(in_flight(now).await, [0, 0, 0]);
    scene
        .system(async |unit| {
            unit.begin_guess(&[both, one], first, ends_at).await.unwrap();
            unit.begin_guess(&[both], second, ends_at.plus(WINDOW)).await.unwrap();
        })
        .await;
    assert_eq!(in_flight(now).await, [2, 1, 0]);
    assert_eq!(in_flight(ends_at.minus(Duration::from_millis(1))).await, [2, 1, 0]);
    assert_eq!(in_flight(ends_at).await, [1, 0, 0], "an end is over by itself");
    scene.system(async |unit| unit.end_guess(&[both], second).await.unwrap()).await;
    assert_eq!(in_flight(now).await, [1, 1, 0], "the other one goes on");
    for _ in 0..2 {
        scene.system(async |unit| unit.end_guess(&keys, first).await.unwrap()).await;
        assert_eq!(in_flight(now).await, [0, 0, 0]);
    }
}

async fn si2_fifty_parallel_guesses_see_each_other(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let now = scene.context.now();
    let begin = async || {
        scene
            .system(async |unit| {
                unit.lock_attempts(&[counter(key)], now).await.unwrap();
                let before = unit.guesses_in_flight(&[key], now).await.unwrap()[0];
                unit.begin_guess(&[key], GuessId::new(&scene.context), now.plus(WINDOW)).await.unwrap();
                before
            })
            .await
    };
    let mut seen = join_all((0..50).map(|_| begin())).await;
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

async fn a_dropped_unit_consumes_nothing(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let key = scene.context.random();
    let now = scene.context.now();
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert_eq!(unit.consume_attempts(&[counter(key)], now).await.unwrap()[0].count, 1);
    }
    assert_eq!(consume_one(scene, key).await.count, 1);
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

async fn a_forgotten_account_has_no_known_sources(scene: &Scene<'_, impl Units<Unit: Attempts>>) {
    let (account, other, source) = (scene.context.random(), scene.context.random(), scene.context.random());
    for (account, source) in [(account, source), (account, other), (other, source)] {
        remember(scene, account, source).await;
    }
    scene.system(async |unit| unit.forget_sources(account).await.unwrap()).await;
    let now = scene.context.now();
    for source in [source, other] {
        assert!(!is_known(scene, account, source, now).await);
    }
    assert!(is_known(scene, other, source, now).await);
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
    consume_one(scene, key).await;
    let now = scene.context.now();
    let (tenant, person) = (TenantId::new(&scene.context), UserId::new(&scene.context));
    let guess = GuessId::new(&scene.context);
    for scope in [TestScope::Tenant { tenant, person }, TestScope::Person(person)] {
        scene
            .change(scope, async |unit| {
                must_be!(unit.consume_attempts(&[counter(key)], now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.lock_attempts(&[counter(key)], now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.guesses_in_flight(&[key], now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.begin_guess(&[key], guess, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.end_guess(&[key], guess).await, Err(StoreError::Misuse(_)));
                must_be!(unit.is_known_source(key, source, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.remember_source(key, source, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.forget_sources(key).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    assert!(!is_known(scene, key, source, now).await);
    assert_eq!(consume_one(scene, key).await.count, 2);
}
