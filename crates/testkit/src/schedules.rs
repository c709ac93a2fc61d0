//! The suite of [`Schedules`], and of [`register_schedule`] and [`fire_schedule`] over it.

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};
use tenantry_jobs::{
    ClaimJobs, ExpiredRows, FairnessCursor, JobClaims, JobQueue, Kind, RetentionMode, RetentionStore, RetryPolicy,
    Schedule, Schedules, fire_schedule, register_schedule,
};
use tenantry_kernel::{StoreError, Timestamp};

use crate::{
    context::moment,
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

/// The ports of this suite: schedules, the queue that they enqueue to, the sweeper of their ticks, and tenants, which
/// must not see them.
pub trait SchedulePorts: Directory + Schedules + JobQueue + JobClaims + RetentionStore {}
impl<T: Directory + Schedules + JobQueue + JobClaims + RetentionStore + ?Sized> SchedulePorts for T {}

suite! {
    schedules(units: impl Units<Unit: SchedulePorts>) calls (&Scene::new(&units)) {
        fa12_a_new_schedule_waits_for_its_next_tick,
        fa12_of_missed_ticks_the_last_fires,
        fa12_each_tick_fires_once_however_the_clock_jumps,
        fa12_of_many_units_one_fires,
        fa12_a_tick_of_a_dropped_unit_fires_again,
        a_tick_fires_into_nothing_while_its_last_job_is_live,
        a_schedule_is_new_once,
        ticks_are_forgotten_but_for_the_last,
        te1_schedules_are_no_tenants_business,
    }
}

#[derive(Serialize, Deserialize)]
struct DailyTask;

impl Kind for DailyTask {
    const NAME: &'static str = "sweep";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "sweeping";
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 2, first: Duration::from_secs(1), longest: Duration::from_secs(1) };
}

const MINUTE: Duration = Duration::from_secs(60);
/// Every five minutes.
const CRON: &str = "*/5 * * * *";

fn schedule(scene: &Scene<'_, impl Units>, name: &'static str) -> Schedule {
    Schedule::of(&scene.context, name, CRON.parse().unwrap(), &DailyTask).unwrap()
}

/// Returns a time this many minutes and milliseconds after one at which [`CRON`] fires.
fn at(minutes: u32, millis: u64) -> Timestamp {
    moment(1_795_430_100_000).plus(minutes * MINUTE).plus(Duration::from_millis(millis))
}

/// Registers a schedule shortly after a tick.
async fn registered(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>, name: &'static str) -> Schedule {
    scene.clock.set(at(0, 1));
    let schedule = schedule(scene, name);
    scene.system(async |unit| register_schedule(unit, &scene.context, &schedule).await.unwrap()).await;
    schedule
}

/// Fires the schedule if it is due, and returns its tick.
async fn fire(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>, schedule: &Schedule) -> Option<Timestamp> {
    scene.system(async |unit| fire_schedule(unit, &scene.context, schedule).await.unwrap()).await
}

/// Returns how many jobs wait, and completes them so that the next tick adds one again.
async fn jobs(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) -> usize {
    let now = scene.context.now();
    let (token, until) = (scene.context.uuid_v7(), now.plus(MINUTE));
    let limits = ClaimJobs {
        queue: DailyTask::QUEUE,
        limit: 100,
        tenant_limit: Some(100),
        except: &[],
        after: FairnessCursor::default(),
        token,
        until,
    };
    scene
        .system(async |unit| {
            let claimed = unit.claim_jobs(limits, now).await.unwrap().jobs;
            for claimed in &claimed {
                assert_eq!(
                    (claimed.job.kind.as_str(), claimed.job.tenant, claimed.job.run_at),
                    (DailyTask::NAME, None, now)
                );
                assert!(unit.complete_job(claimed.claim, now).await.unwrap());
            }
            claimed.len()
        })
        .await
}

async fn fa12_a_new_schedule_waits_for_its_next_tick(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "new").await;
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(0, 0)), 0), "that tick was not missed");
    scene.clock.set(at(4, 59_999));
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(0, 0)), 0));
    scene.clock.set(at(5, 0));
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(5, 0)), 1));
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(5, 0)), 0), "once");
    // A restart of the program does not register it again.
    scene.clock.set(at(10, 1));
    scene.system(async |unit| register_schedule(unit, &scene.context, &schedule).await.unwrap()).await;
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(10, 0)), 1), "it was missed");
}

async fn fa12_of_missed_ticks_the_last_fires(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "missed").await;
    scene.clock.set(at(3 * 60 + 4, 7));
    assert_eq!((fire(scene, &schedule).await, jobs(scene).await), (Some(at(3 * 60, 0)), 1));
    for minutes in 3 * 60 + 4..3 * 60 + 10 {
        scene.clock.set(at(minutes, 0));
        let is_next = minutes == 3 * 60 + 5;
        fire(scene, &schedule).await;
        assert_eq!(jobs(scene).await, usize::from(is_next), "{minutes}");
    }
}

async fn fa12_each_tick_fires_once_however_the_clock_jumps(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "jumpy").await;
    let mut fired = HashSet::from([at(0, 0)]);
    let minutes = [0, 5, 7, 5, 60, 61, 3, 6, 59, 60, 12, 14, 9, 11, 64, 65, 0, 1_440, 65, 62, 1_441, 66];
    for (index, minutes) in minutes.into_iter().enumerate() {
        scene.clock.set(at(minutes, 3));
        let tick = fire(scene, &schedule).await.unwrap();
        assert_eq!(tick, at(minutes - minutes % 5, 0));
        assert_eq!(jobs(scene).await, usize::from(fired.insert(tick)), "at {minutes} minutes, the {index}th");
    }
}

async fn fa12_of_many_units_one_fires(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "common").await;
    for minutes in [5, 10, 15] {
        scene.clock.set(at(minutes, 0));
        let ticks = join_all((0..8).map(|_| fire(scene, &schedule))).await;
        assert_eq!(ticks, [Some(at(minutes, 0)); 8]);
        assert_eq!(jobs(scene).await, 1);
    }
    // The unique key of the jobs would hide it if two had fired.
    let tick = at(20, 0);
    let told =
        join_all((0..8).map(|_| {
            scene.system(async |unit| unit.insert_tick(schedule.name, tick, scene.context.now()).await.unwrap())
        }))
        .await;
    assert_eq!(told.iter().filter(|is_first| **is_first).count(), 1, "{told:?}");
}

async fn fa12_a_tick_of_a_dropped_unit_fires_again(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "dropped").await;
    scene.clock.set(at(5, 0));
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        assert_eq!(fire_schedule(&mut unit, &scene.context, &schedule).await.unwrap(), Some(at(5, 0)));
    }
    assert_eq!(jobs(scene).await, 0);
    fire(scene, &schedule).await;
    assert_eq!(jobs(scene).await, 1);
}

async fn a_tick_fires_into_nothing_while_its_last_job_is_live(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let (slow, other) = (registered(scene, "slow").await, registered(scene, "other").await);
    for minutes in [5, 10, 15] {
        scene.clock.set(at(minutes, 0));
        fire(scene, &slow).await;
    }
    // One of each: the last ticks have added no job, and would not add one later either.
    let now = scene.context.now();
    fire(scene, &other).await;
    let (token, until) = (scene.context.uuid_v7(), now.plus(MINUTE));
    let all = ClaimJobs {
        queue: DailyTask::QUEUE,
        limit: 100,
        tenant_limit: Some(100),
        except: &[],
        after: FairnessCursor::default(),
        token,
        until,
    };
    let claimed = scene.system(async |unit| unit.claim_jobs(all, now).await.unwrap().jobs).await;
    assert_eq!(claimed.len(), 2, "one of each");
    for claimed in claimed {
        assert!(scene.system(async |unit| unit.complete_job(claimed.claim, now).await.unwrap()).await);
    }
    fire(scene, &slow).await;
    assert_eq!(jobs(scene).await, 0);
}

async fn a_schedule_is_new_once(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let now = scene.context.now();
    let put = async |name: &'static str, cron: &'static str| {
        scene.system(async |unit| unit.put_schedule(name, cron, now).await.unwrap()).await
    };
    assert!(put("once", CRON).await);
    assert!(!put("once", CRON).await);
    assert!(!put("once", "0 * * * *").await, "another expression is no other schedule");
    assert!(put("größe '; DROP TABLE schedules; --", CRON).await);
    let told = join_all((0..8).map(|_| put("at once", CRON))).await;
    assert_eq!(told.iter().filter(|is_new| **is_new).count(), 1, "{told:?}");
    let dropped = {
        let mut unit = scene.units.begin(TestScope::System).await;
        unit.put_schedule("dropped put", CRON, now).await.unwrap()
    };
    assert!(dropped && put("dropped put", CRON).await);
}

async fn ticks_are_forgotten_but_for_the_last(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let forget = async |before| {
        let pass =
            tenantry_jobs::RetentionPass { tenant: None, before, mode: RetentionMode::Delete { at_most: 1_000 } };
        scene.system(async |unit| unit.apply_retention(ExpiredRows::ScheduleTicks, pass).await.unwrap()).await
    };
    // What the other scenarios left.
    forget(at(99_999, 0)).await;
    let (one, other) = (registered(scene, "forgetful").await, registered(scene, "quiet").await);
    for minutes in [5, 10, 15, 20] {
        scene.clock.set(at(minutes, 0));
        fire(scene, &one).await;
        jobs(scene).await;
    }
    assert_eq!(forget(at(10, 0)).await, 2, "the first tick and that of 5 minutes, and none that came later");
    assert_eq!(forget(at(10, 0)).await, 0);
    assert_eq!(forget(at(60, 0)).await, 2);
    fire(scene, &one).await;
    assert_eq!(jobs(scene).await, 0, "the last is known still");
    scene.clock.set(at(4, 0));
    fire(scene, &other).await;
    assert_eq!(jobs(scene).await, 0, "and so is the only one of the other");
}

async fn te1_schedules_are_no_tenants_business(scene: &Scene<'_, impl Units<Unit: SchedulePorts>>) {
    let schedule = registered(scene, "ours").await;
    let acme = scene.tenant().await;
    let now = scene.context.now();
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        scene
            .change(scope, async |unit| {
                must_be!(unit.put_schedule("theirs", CRON, now).await, Err(StoreError::Misuse(_)));
                must_be!(unit.insert_tick(schedule.name, at(5, 0), now).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
    scene.clock.set(at(5, 0));
    fire(scene, &schedule).await;
    assert_eq!(jobs(scene).await, 1);
}
