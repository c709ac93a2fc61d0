//! Random histories of a queue, compared with a model. Workers may act, crash and report late; every committed job
//! still runs as the ports promise and ends exactly once.

mod actions;
mod claims;
mod entry;
mod fairness;
mod model;
mod play;
mod steps;

#[cfg(test)]
mod objections;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use self::{
    model::Seen,
    play::{Cast, Play},
    steps::{Step, steps},
};
use super::JobPorts;
use crate::{scene::Scene, units::Units};

/// Number of rounds that reaches every expected sight within a few seconds.
pub const USUAL_ROUNDS: u32 = 15;

/// Maximum number of shorter histories that are tried to explain a failed one.
const SHORTER: u32 = 200;

/// Events that must occur; otherwise the histories prove nothing.
const SIGHTS: [&str; 15] = [
    "added",
    "cancelled",
    "came back",
    "came due",
    "claimed",
    "dropped with changes",
    "duplicate",
    "given up",
    "held to the limit of a tenant",
    "late",
    "passed over",
    "renewed",
    "retried",
    "succeeded",
    "word taken",
];

/// Compares an adapter with a model of the queue over `rounds` random histories, which are the same in each run.
///
/// # Panics
///
/// Panics when the adapter and the model differ. The message names the round and the shortest failing history found.
pub async fn property(open: impl Units<Unit: JobPorts>, rounds: u32) {
    let scene = Scene::new(&open);
    let cast = Cast::of(&scene).await;
    let mut seen = Seen::new();
    for round in 0..rounds {
        let mut history = history(round);
        match Play::of(&scene, &cast).await.run(&history.current()).await {
            Ok(sights) => sights.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count),
            Err(objection) => {
                let (steps, objection) = shortest(&scene, &cast, &mut history, objection).await;
                let told: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
                panic!("round {round}: {objection}\nafter\n{}", told.join("\n"));
            }
        }
    }
    let has_seen_all = SIGHTS.iter().all(|what| seen.contains_key(what));
    assert!(rounds < USUAL_ROUNDS || has_seen_all, "of {SIGHTS:?} this was seen: {seen:?}");
}

fn history(round: u32) -> impl ValueTree<Value = Vec<Step>> {
    let mut seed = [0x6a; 32];
    seed[..4].copy_from_slice(&round.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    steps().new_tree(&mut runner).unwrap()
}

/// Returns the shortest history that still fails. The runner of proptest does not support futures.
async fn shortest(
    scene: &Scene<'_, impl Units<Unit: JobPorts>>,
    cast: &Cast,
    history: &mut impl ValueTree<Value = Vec<Step>>,
    objection: String,
) -> (Vec<Step>, String) {
    let mut found = (history.current(), objection);
    let mut goes_on = history.simplify();
    for _ in 0..SHORTER {
        if !goes_on {
            break;
        }
        let steps = history.current();
        goes_on = match Play::of(scene, cast).await.run(&steps).await {
            Ok(_) => history.complicate(),
            Err(objection) => {
                found = (steps, objection);
                history.simplify()
            }
        };
    }
    found
}
