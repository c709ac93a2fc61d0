//! Fires schedules; each tick fires once among all processes.

use std::{collections::HashMap, time::Duration};
use tenantry_jobs::{Schedule, WakeUp, fire_schedule, register_schedule};
use tenantry_kernel::{Context, StoreError, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::JobStore;

const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn fire_until<S: JobStore>(
    stop: CancellationToken,
    store: S,
    context: Context,
    schedules: Vec<Schedule>,
    wake_up: std::sync::Arc<dyn WakeUp>,
) {
    let mut fired: HashMap<&'static str, Timestamp> = HashMap::new();
    let (mut is_registered, mut is_failing) = (false, false);
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let outcome = async {
            if !is_registered {
                register(&store, &context, &schedules).await?;
                is_registered = true;
            }
            for schedule in &schedules {
                // The store is asked only about ticks that this process has not seen fire.
                let tick = schedule.cron.last_tick(context.now());
                if tick.is_some() && fired.get(schedule.name) != tick.as_ref() {
                    fire(&store, &context, schedule, &mut fired).await?;
                    wake_up.call();
                }
            }
            Ok::<_, StoreError>(())
        }
        .await;
        match outcome {
            Ok(()) => is_failing = false,
            Err(error) => {
                if !is_failing {
                    tracing::warn!(%error, "schedules cannot be fired; the last tick of each fires later");
                }
                is_failing = true;
            }
        }
    }
}

async fn register<S: JobStore>(store: &S, context: &Context, schedules: &[Schedule]) -> Result<(), StoreError> {
    let mut unit = store.begin().await?;
    for schedule in schedules {
        register_schedule(&mut unit, context, schedule).await?;
    }
    store.commit(unit).await
}

async fn fire<S: JobStore>(
    store: &S,
    context: &Context,
    schedule: &Schedule,
    fired: &mut HashMap<&'static str, Timestamp>,
) -> Result<(), StoreError> {
    let mut unit = store.begin().await?;
    let tick = fire_schedule(&mut unit, context, schedule).await?;
    store.commit(unit).await?;
    if let Some(tick) = tick {
        fired.insert(schedule.name, tick);
    }
    Ok(())
}
