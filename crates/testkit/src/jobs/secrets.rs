//! Tests of secrets: they are deleted when they expire, in every state of their jobs.

use tenantry_jobs::{JobId, NewJob};
use tenantry_kernel::Timestamp;

use super::{
    JobPorts, LEASE, MILLISECOND, blank, claim, clear, complete, dead, enqueue, expected, fail, new_job, retry_at,
    secret_until, shown,
};
use crate::{scene::Scene, units::Units};

/// Two jobs; the secret of the first expires just before that of the second.
type Pair = [NewJob; 2];

/// Jobs in every state, and the steps that put them there before the secrets expire.
struct Sample {
    waiting: Pair,
    failed_twice: Pair,
    running: Pair,
    done: Pair,
    dead: Pair,
    given_up: Pair,
}

impl Sample {
    fn new(scene: &Scene<'_, impl Units>, ends: Timestamp) -> Self {
        let pair = |run_at, max_attempts| {
            [ends, ends.plus(MILLISECOND)].map(|ends| {
                let secret = Some(secret_until(ends));
                NewJob { secret, run_at, max_attempts, ..new_job(scene, None) }
            })
        };
        let now = scene.context.now();
        Self {
            waiting: pair(ends, 3),
            failed_twice: pair(now, 3),
            running: pair(now, 3),
            done: pair(now, 3),
            dead: pair(now, 3),
            given_up: pair(now, 1),
        }
    }

    async fn enter_their_states(&self, scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
        for [first, second] in
            [&self.waiting, &self.failed_twice, &self.running, &self.done, &self.dead, &self.given_up]
        {
            enqueue(scene, &[first, second]).await;
        }
        let is_of = |pair: &Pair, id: JobId| pair.iter().any(|job| job.id == id);
        for _ in 0..2 {
            for claimed in claim(scene, 100).await {
                let (id, claim) = (claimed.job.id, claimed.claim);
                if is_of(&self.failed_twice, id) {
                    assert!(fail(scene, claim, &retry_at(scene.context.now().plus(LEASE))).await);
                } else if is_of(&self.done, id) {
                    assert!(complete(scene, claim).await);
                } else if is_of(&self.dead, id) {
                    assert!(fail(scene, claim, &dead()).await);
                }
            }
            scene.clock.advance(LEASE);
        }
    }

    /// Returns the jobs as a worker gets them once the first secret of each pair was blanked.
    fn blanked(&self) -> Vec<String> {
        let pairs = [(&self.waiting, 1), (&self.failed_twice, 3), (&self.running, 3)];
        let shown = pairs.map(|([first, second], attempt)| {
            let first = NewJob { secret: None, ..first.clone() };
            [expected(&first, attempt), expected(second, attempt)]
        });
        let mut shown = shown.concat();
        shown.sort();
        shown
    }
}

pub(super) async fn exactly_the_secrets_whose_time_is_over_are_blanked(scene: &Scene<'_, impl Units<Unit: JobPorts>>) {
    /// All states but the completed one, which blanks the secret itself.
    const WITH_A_SECRET: u64 = 5;
    clear(scene).await;
    let ends = scene.context.now().plus(99 * LEASE);
    let sample = Sample::new(scene, ends);
    sample.enter_their_states(scene).await;
    let without = NewJob { priority: -1, ..new_job(scene, None) };
    enqueue(scene, &[&without]).await;

    scene.clock.set(ends.minus(MILLISECOND));
    assert_eq!(blank(scene).await, 0);
    scene.clock.set(ends);
    assert_eq!(blank(scene).await, WITH_A_SECRET);
    assert_eq!(blank(scene).await, 0, "what was blanked is not blanked again");

    let mut claimed: Vec<String> = claim(scene, 100).await.iter().map(|claimed| shown(&claimed.job)).collect();
    assert_eq!(claimed.pop(), Some(expected(&without, 1)));
    claimed.sort();
    assert_eq!(claimed, sample.blanked(), "nothing but the secrets has changed, and of the others not even those");
    scene.clock.set(ends.plus(MILLISECOND));
    assert_eq!(blank(scene).await, WITH_A_SECRET, "also of those that are running now");
}
