//! Tests of random sequences of grant, edit, invite, accept, assign, transfer and remove by random users: a user never
//! gets a right that the giver does not have, and the tenant always has an owner.

mod actions;
mod rights;
mod simulation;

use proptest::{
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::collections::BTreeMap;

use self::{
    actions::actions,
    rights::objection,
    simulation::{Done, NUMBERS_PER_STEP, Simulation},
};
use crate::support::{Server, rounds};

const STEPS: usize = 60;
const USUAL_ROUNDS: u32 = 6;

/// Returns the numbers of a round: the same in each run, so that a failed sequence can be repeated.
fn numbers(round: u32) -> Vec<u32> {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&round.to_be_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let wanted = STEPS * NUMBERS_PER_STEP + 2;
    proptest::collection::vec(any::<u32>(), wanted).new_tree(&mut runner).unwrap().current()
}

/// The events of a round; printed when the test fails anywhere.
struct Story(Vec<String>);

impl Drop for Story {
    #[expect(clippy::print_stderr, reason = "a failed test prints the steps before the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.join("\n"));
        }
    }
}

/// How often each action was done, and how often refused.
type Counts = BTreeMap<&'static str, [u32; 2]>;

async fn play(server: &Server, round: u32, counts: &mut Counts) {
    let numbers = numbers(round);
    let mut story = Story(vec![format!("round {round}, numbers {numbers:?}")]);
    let (first, rest) = numbers.split_at(2);
    let mut simulation = Simulation::start(server, &format!("simulated-{round}"), [first[0], first[1]]).await;
    let mut before = simulation.rights().await;
    for (step, numbers) in rest.chunks_exact(NUMBERS_PER_STEP).enumerate() {
        let done = simulation.step(&before, numbers.try_into().unwrap()).await;
        let Done { action, giver, succeeded, told } = done;
        story.0.push(format!("{step}. {told}"));
        counts.entry(action).or_default()[usize::from(!succeeded)] += 1;
        let after = simulation.rights().await;
        if let Some(objection) = objection(&before, &after, &giver, succeeded) {
            panic!("round {round}, step {step}: {objection}\nbefore {before:#?}\nafter {after:#?}");
        }
        before = after;
    }
    simulation.everybody_is_told(&before).await;
}

on_both_databases! {
    async fn te3_nobody_ever_holds_a_right_that_no_giver_held(server: Server) {
        let (mut counts, rounds) = (Counts::new(), rounds(USUAL_ROUNDS));
        for round in 0..rounds {
            play(&server, round, &mut counts).await;
        }
        // Sequences in which every step is refused, or every step succeeds, would prove nothing.
        let both_seen = actions().iter().all(|action| counts.get(action).is_some_and(|[done, refused]| *done > 0 && *refused > 0));
        assert!(rounds < USUAL_ROUNDS || both_seen, "{counts:?}");
    }
}
