//! The suite of [`IdempotencyStore`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_idempotency::{
    Fingerprint, IdempotencyKey, IdempotencyRecord, IdempotencyScope, IdempotencyStore, KeyState, StoredResponse,
};
use tenantry_kernel::{StoreError, Timestamp};

use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

/// Maximum time that the rollback of a dropped unit may take.
const FREED: Duration = Duration::from_secs(5);

/// The ports of this suite: idempotency keys and the users that own them.
pub trait IdempotencyPorts: Directory + IdempotencyStore {}
impl<T> IdempotencyPorts for T where T: Directory + IdempotencyStore + ?Sized {}

suite! {
    idempotency(units: impl Units<Unit: IdempotencyPorts>) calls (&Scene::new(&units)) {
        an_answer_reads_back_as_it_was_given,
        what_is_not_committed_was_not_answered,
        an_answer_is_forgotten_in_time_and_another_takes_its_place,
        te5_every_part_of_a_key_counts_and_none_runs_into_the_next,
        one_unit_at_a_time_holds_a_key,
        nobody_reads_or_writes_answers_of_others,
    }
}

async fn key_scope(scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>) -> (TestScope, IdempotencyScope) {
    let tenant = scene.tenant().await;
    let key_scope = IdempotencyScope {
        tenant: Some(tenant.id()),
        person: tenant.owner.id,
        route: "POST /api/v1/roles".to_owned(),
        key: key(&scene.context.uuid_v7().to_string()),
    };
    (tenant.scope(), key_scope)
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text.as_bytes()).unwrap()
}

fn record(scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>, body: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        secret_id: "k1".to_owned(),
        fingerprint: Fingerprint::from_bytes(scene.context.random()),
        response: StoredResponse {
            status: 201,
            headers: vec![
                ("Location".to_owned(), "/api/v1/roles/1".to_owned()),
                ("ETag".to_owned(), "\"1\"".to_owned()),
            ],
            body: body.as_bytes().to_vec(),
        },
        answered_at: scene.later(1),
    }
}

async fn store(
    scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>,
    scope: TestScope,
    key_scope: &IdempotencyScope,
    record: &IdempotencyRecord,
) {
    scene
        .change(scope, async |unit| {
            assert_eq!(
                unit.acquire_key(key_scope, record.answered_at).await.unwrap(),
                KeyState::First,
                "{key_scope:?}"
            );
            unit.store_response(key_scope, record).await.unwrap();
        })
        .await;
}

/// Claims a key as soon as no unit holds it. A dropped unit holds its key until its rollback, which may run in the
/// background.
async fn claim_when_free(
    scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>,
    scope: TestScope,
    key_scope: &IdempotencyScope,
    since: Timestamp,
) -> KeyState {
    let asked = Instant::now();
    loop {
        let claim = scene.change(scope, async |unit| unit.acquire_key(key_scope, since).await.unwrap()).await;
        if claim != KeyState::Running {
            return claim;
        }
        assert!(asked.elapsed() < FREED, "the key is held without end");
    }
}

async fn stored(
    scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>,
    scope: TestScope,
    key_scope: &IdempotencyScope,
    since: Timestamp,
) -> Option<IdempotencyRecord> {
    let read = scene.look_as(scope, async |unit| unit.stored_response(key_scope, since).await.unwrap()).await;
    let claimed = claim_when_free(scene, scope, key_scope, since).await;
    assert_eq!(claimed, read.clone().map_or(KeyState::First, KeyState::Answered));
    read
}

async fn an_answer_reads_back_as_it_was_given(scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>) {
    let (scope, of_tenant) = key_scope(scene).await;
    let person = scene.person().await.id;
    let of_nobody = IdempotencyScope { tenant: None, person, ..of_tenant.clone() };
    for (scope, key_scope) in [(scope, of_tenant), (TestScope::Person(person), of_nobody)] {
        let began = scene.context.now();
        assert_eq!(stored(scene, scope, &key_scope, began).await, None);
        let first = record(scene, "{\"größe\":\"\u{1F980}\0\"}");
        store(scene, scope, &key_scope, &first).await;
        assert_eq!(stored(scene, scope, &key_scope, began).await, Some(first.clone()));
        let system = scene.look(async |unit| unit.stored_response(&key_scope, began).await.unwrap()).await;
        assert_eq!(system, Some(first));

        let empty = IdempotencyScope { key: key("empty"), ..key_scope };
        let given = StoredResponse { status: 204, headers: vec![], body: vec![] };
        let nothing = IdempotencyRecord { response: given, ..record(scene, "") };
        store(scene, scope, &empty, &nothing).await;
        assert_eq!(stored(scene, scope, &empty, began).await, Some(nothing));
    }
}

async fn what_is_not_committed_was_not_answered(scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>) {
    let (scope, key_scope) = key_scope(scene).await;
    let began = scene.context.now();
    let lost = record(scene, "lost");
    {
        let mut unit = scene.units.begin(scope).await;
        assert_eq!(unit.acquire_key(&key_scope, began).await.unwrap(), KeyState::First);
        unit.store_response(&key_scope, &lost).await.unwrap();
        assert_eq!(unit.stored_response(&key_scope, began).await.unwrap(), Some(lost));
    }
    assert_eq!(stored(scene, scope, &key_scope, began).await, None);
}

async fn an_answer_is_forgotten_in_time_and_another_takes_its_place(
    scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>,
) {
    let (scope, key_scope) = key_scope(scene).await;
    let began = scene.context.now();
    let first = record(scene, "first");
    store(scene, scope, &key_scope, &first).await;
    let at = first.answered_at;
    assert_eq!(stored(scene, scope, &key_scope, at).await, Some(first));
    assert_eq!(stored(scene, scope, &key_scope, at.plus(Duration::from_millis(1))).await, None);
    let second = record(scene, "second");
    store(scene, scope, &key_scope, &second).await;
    assert_eq!(stored(scene, scope, &key_scope, began).await, Some(second));
}

async fn te5_every_part_of_a_key_counts_and_none_runs_into_the_next(
    scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>,
) {
    let (scope, one) = key_scope(scene).await;
    let (other_scope, other) = key_scope(scene).await;
    let one = IdempotencyScope { key: key("a"), route: "POST /x".to_owned(), ..one };
    let alike = [
        (scope, IdempotencyScope { key: key("aa"), ..one.clone() }),
        (scope, IdempotencyScope { key: key("A"), ..one.clone() }),
        (scope, IdempotencyScope { key: key("x/a"), route: "POST /".to_owned(), ..one.clone() }),
        (scope, IdempotencyScope { route: "PATCH /x".to_owned(), ..one.clone() }),
        (other_scope, IdempotencyScope { key: key("a"), route: "POST /x".to_owned(), ..other }),
        (TestScope::Person(one.person), IdempotencyScope { tenant: None, ..one.clone() }),
    ];
    let began = scene.context.now();
    store(scene, scope, &one, &record(scene, "one")).await;
    for (scope, key_scope) in &alike {
        assert_eq!(stored(scene, *scope, key_scope, began).await, None, "{key_scope:?}");
    }
    for (place, (scope, key_scope)) in alike.iter().enumerate() {
        store(scene, *scope, key_scope, &record(scene, &place.to_string())).await;
    }
    for (place, (scope, key_scope)) in alike.iter().enumerate() {
        let told = stored(scene, *scope, key_scope, began).await.unwrap();
        assert_eq!(told.response.body, place.to_string().into_bytes());
    }
    assert_eq!(stored(scene, scope, &one, began).await.unwrap().response.body, b"one");
}

/// Of many units that claim a key at once, one does the work. Each other unit waits for it or learns that it runs.
async fn one_unit_at_a_time_holds_a_key<U: Units<Unit: IdempotencyPorts>>(scene: &Scene<'_, U>) {
    let (scope, key_scope) = key_scope(scene).await;
    let began = scene.context.now();
    let records: Arc<[IdempotencyRecord]> = (0..8).map(|place| record(scene, &format!("answer {place}"))).collect();
    let tries = records.iter().map(async |record| {
        let mut unit = scene.units.begin(scope).await;
        let claim = unit.acquire_key(&key_scope, began).await.unwrap();
        if claim == KeyState::First {
            unit.store_response(&key_scope, record).await.unwrap();
        }
        U::commit(unit).await.unwrap();
        claim
    });
    let claims = futures::future::join_all(tries).await;
    let firsts: Vec<usize> = (0..claims.len()).filter(|place| claims[*place] == KeyState::First).collect();
    assert_eq!(firsts.len(), 1, "{claims:?}");
    let done = &records[firsts[0]];
    assert_eq!(stored(scene, scope, &key_scope, began).await.as_ref(), Some(done));
    for claim in claims {
        assert!(
            claim == KeyState::First || claim == KeyState::Running || claim == KeyState::Answered(done.clone()),
            "{claim:?}"
        );
    }

    // A unit that held the key and gave up leaves it free.
    let other = IdempotencyScope { key: key("given-up"), ..key_scope };
    let mut unit = scene.units.begin(scope).await;
    assert_eq!(unit.acquire_key(&other, began).await.unwrap(), KeyState::First);
    drop(unit);
    assert_eq!(claim_when_free(scene, scope, &other, began).await, KeyState::First);
}

async fn nobody_reads_or_writes_answers_of_others(scene: &Scene<'_, impl Units<Unit: IdempotencyPorts>>) {
    let (scope, key_scope) = key_scope(scene).await;
    let began = scene.context.now();
    let given = record(scene, "mine");
    store(scene, scope, &key_scope, &given).await;
    let (tenant, stranger) = (scene.tenant().await, scene.person().await.id);
    let own = key_scope.tenant.unwrap();
    let others = [
        tenant.scope(),
        TestScope::Tenant { tenant: own, person: stranger },
        TestScope::Tenant { tenant: tenant.id(), person: key_scope.person },
        TestScope::Person(key_scope.person),
        TestScope::Person(stranger),
    ];
    for scope in others {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.stored_response(&key_scope, began).await, Err(StoreError::Misuse(_)));
            })
            .await;
        scene
            .change(scope, async |unit| {
                must_be!(unit.acquire_key(&key_scope, began).await, Err(StoreError::Misuse(_)));
                must_be!(unit.store_response(&key_scope, &given).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    let of_none = IdempotencyScope { tenant: None, ..key_scope.clone() };
    scene
        .look_as(scope, async |unit| {
            must_be!(unit.stored_response(&of_none, began).await, Err(StoreError::Misuse(_)));
        })
        .await;
    assert_eq!(stored(scene, scope, &key_scope, began).await, Some(given));
}
