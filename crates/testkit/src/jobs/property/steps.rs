//! The random steps of a history.

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
};
use std::ops::RangeInclusive;

pub(super) const QUEUES: [&str; 2] = ["errands", "parcels"];
pub(super) const KINDS: [&str; 2] = ["errand", "parcel"];
/// Number of tenant keys: one without a tenant, and one per tenant.
pub(super) const TENANT_KEYS: usize = 4;
pub(super) const WORKERS: usize = 3;

/// Starts at zero, so that a failed history can shrink to a short one.
const STEPS: RangeInclusive<usize> = 0..=100;

/// A job to enqueue; times are milliseconds from now.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub(super) tenant_key: usize,
    pub(super) queue: usize,
    pub(super) kind: usize,
    pub(super) key: Option<usize>,
    pub(super) priority: i32,
    pub(super) run_in: i64,
    pub(super) max_attempts: u32,
}

/// What a worker reports of an attempt; times are milliseconds from now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Completed,
    RetryIn(u64),
    Dead,
    Discarded,
    SnoozedFor(u64),
    HandedBack,
}

/// The claims that a report is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speaker {
    /// The claims that a worker believes to hold.
    Worker(usize),
    /// Recent claims of any worker, crashed and replaced ones included: late reports.
    Late,
}

/// A step. A step that is not `kept` happens in a unit that is dropped.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Runs in a unit of the first job's tenant, which then owns all the jobs, or in a System unit.
    Enqueue {
        jobs: Vec<Errand>,
        by_tenant: bool,
        kept: bool,
    },
    Advance {
        kept: bool,
    },
    Claim {
        worker: usize,
        queue: usize,
        limit: u32,
        tenant_limit: Option<u32>,
        lease: u64,
        advances: bool,
        kept: bool,
    },
    Renew {
        speaker: Speaker,
        lease: u64,
        kept: bool,
    },
    Settle {
        speaker: Speaker,
        words: Vec<(Index, Word)>,
        kept: bool,
    },
    /// Completes one job and enqueues another in the same unit.
    Succeed {
        speaker: Speaker,
        which: Index,
        next: Errand,
        kept: bool,
    },
    /// A worker loses its state without a report.
    Crash {
        worker: usize,
    },
    Wait {
        millis: u64,
    },
    Retry {
        which: Index,
    },
    Cancel {
        which: Index,
    },
}

fn errand() -> impl Strategy<Value = Errand> {
    let run_in = prop_oneof![4 => Just(0), 1 => -3_000..0_i64, 2 => 1..6_000_i64];
    (0..TENANT_KEYS, 0..QUEUES.len(), 0..KINDS.len(), option::weighted(0.3, 0..2_usize), -1..=1, run_in, 1..=3_u32)
        .prop_map(|(tenant_key, queue, kind, key, priority, run_in, max_attempts)| Errand {
            tenant_key,
            queue,
            kind,
            key,
            priority,
            run_in,
            max_attempts,
        })
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => Just(Word::Completed),
        2 => (0..5_000_u64).prop_map(Word::RetryIn),
        1 => Just(Word::Dead),
        1 => Just(Word::Discarded),
        1 => (0..5_000_u64).prop_map(Word::SnoozedFor),
        1 => Just(Word::HandedBack),
    ]
}

fn speaker() -> impl Strategy<Value = Speaker> {
    prop_oneof![3 => (0..WORKERS).prop_map(Speaker::Worker), 1 => Just(Speaker::Late)]
}

/// Most units are committed.
fn kept() -> impl Strategy<Value = bool> {
    prop_oneof![7 => Just(true), 1 => Just(false)]
}

fn lease() -> impl Strategy<Value = u64> {
    1..10_000_u64
}

fn claim() -> impl Strategy<Value = Step> {
    // Often below the number of tenant keys, so that tenant keys have to wait for each other.
    let limit = prop_oneof![2 => 1..=2_u32, 1 => 0..=6_u32];
    let tenant_limit = proptest::option::weighted(0.5, 1..=4_u32);
    (0..WORKERS, 0..QUEUES.len(), limit, tenant_limit, lease(), any::<bool>(), kept()).prop_map(
        |(worker, queue, limit, tenant_limit, lease, advances, kept)| Step::Claim {
            worker,
            queue,
            limit,
            tenant_limit,
            lease,
            advances,
            kept,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let millis = prop_oneof![1..50_u64, 500..5_000_u64, 10_000..20_000_u64];
    let enqueue = (vec(errand(), 1..=5), any::<bool>(), kept());
    let succeed = (speaker(), any::<Index>(), errand(), kept());
    prop_oneof![
        7 => enqueue.prop_map(|(jobs, by_tenant, kept)| Step::Enqueue { jobs, by_tenant, kept }),
        2 => kept().prop_map(|kept| Step::Advance { kept }),
        10 => claim(),
        2 => (speaker(), lease(), kept()).prop_map(|(speaker, lease, kept)| Step::Renew { speaker, lease, kept }),
        5 => (speaker(), vec((any::<Index>(), word()), 1..=4), kept())
            .prop_map(|(speaker, words, kept)| Step::Settle { speaker, words, kept }),
        3 => succeed.prop_map(|(speaker, which, next, kept)| Step::Succeed { speaker, which, next, kept }),
        1 => (0..WORKERS).prop_map(|worker| Step::Crash { worker }),
        5 => millis.prop_map(|millis| Step::Wait { millis }),
        1 => any::<Index>().prop_map(|which| Step::Retry { which }),
        1 => any::<Index>().prop_map(|which| Step::Cancel { which }),
    ]
}

/// Returns the steps of one round.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), STEPS)
}
