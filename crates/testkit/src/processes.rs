//! The suite of [`Processes`].

use tenantry_kernel::{StoreError, TenantId, Timestamp, UserId};
use tenantry_limits::{ProcessId, Processes};

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

suite! {
    processes(units: impl Units<Unit: Processes>) calls (&Scene::new(&units)) {
        a_process_lives_as_long_as_it_says_so,
        a_process_that_stops_is_taken_off,
        the_silent_are_taken_off,
        only_system_units_know_processes,
    }
}

async fn note(scene: &Scene<'_, impl Units<Unit: Processes>>, id: ProcessId) -> Timestamp {
    let now = scene.context.now();
    scene.system(async |unit| unit.note_process(id, now).await.unwrap()).await;
    now
}

async fn live(scene: &Scene<'_, impl Units<Unit: Processes>>, since: Timestamp) -> u32 {
    scene.look(async |unit| unit.live_processes(since).await.unwrap()).await
}

async fn a_process_lives_as_long_as_it_says_so(scene: &Scene<'_, impl Units<Unit: Processes>>) {
    let (one, other) = (ProcessId::new(&scene.context), ProcessId::new(&scene.context));
    let began = scene.context.now();
    assert_eq!(live(scene, began).await, 0);
    note(scene, one).await;
    note(scene, other).await;
    note(scene, one).await;
    assert_eq!(live(scene, began).await, 2, "a repeated report adds no process");
    let later = scene.later(1);
    assert_eq!(live(scene, later).await, 0);
    assert_eq!(note(scene, one).await, later);
    assert_eq!(live(scene, later).await, 1, "the moment itself counts");
}

async fn a_process_that_stops_is_taken_off(scene: &Scene<'_, impl Units<Unit: Processes>>) {
    let (one, other) = (ProcessId::new(&scene.context), ProcessId::new(&scene.context));
    let now = scene.later(1);
    note(scene, one).await;
    note(scene, other).await;
    for _ in 0..2 {
        scene.system(async |unit| unit.remove_process(one).await.unwrap()).await;
        assert_eq!(live(scene, now).await, 1);
    }
    note(scene, one).await;
    assert_eq!(live(scene, now).await, 2);
}

async fn the_silent_are_taken_off(scene: &Scene<'_, impl Units<Unit: Processes>>) {
    let began = scene.later(1);
    note(scene, ProcessId::new(&scene.context)).await;
    let later = scene.later(1);
    note(scene, ProcessId::new(&scene.context)).await;
    let removed = scene.system(async |unit| unit.remove_silent_processes(later).await.unwrap()).await;
    assert!(removed >= 1, "the earlier ones, and no others");
    assert_eq!(live(scene, began).await, 1);
    let removed = scene.system(async |unit| unit.remove_silent_processes(later).await.unwrap()).await;
    assert_eq!(removed, 0);
}

async fn only_system_units_know_processes(scene: &Scene<'_, impl Units<Unit: Processes>>) {
    let (id, now) = (ProcessId::new(&scene.context), scene.later(1));
    let (tenant, person) = (TenantId::new(&scene.context), UserId::new(&scene.context));
    for scope in [TestScope::Tenant { tenant, person }, TestScope::Person(person)] {
        scene
            .change(scope, async |unit| {
                must_be!(unit.note_process(id, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.live_processes(now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.remove_process(id).await, Err(StoreError::Misuse(_)));
                must_be!(unit.remove_silent_processes(now).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    assert_eq!(live(scene, now).await, 0);
}
