//! The one place that begins and commits a change, tries it again after a collision, and tells who must know.

use std::time::Duration;
use tenantry_kernel::{Action, Actor, ErrorKind, Outcome};
use tenantry_store::{Scope, Unit};

use crate::{Answer, App, Failure, answer::Decision, logging, once::Once, refusals::Refused};

/// How often a change is tried when others come between.
const TRIES: u32 = 5;

/// Who tries to do what: what a refusal will be noted as.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    /// Where the caller has named the request by a key.
    pub(crate) once: Option<Once>,
}

impl Attempt {
    /// Of somebody who sends no key.
    pub(crate) fn new(actor: Actor, action: Action) -> Self {
        Self { actor, action, once: None }
    }
}

impl App {
    /// Runs a change in a unit of its own and commits it with everything that must last with it.
    ///
    /// It goes on when the client goes away: a broken connection cannot stop it between the commit and what follows.
    /// A refusal rolls back and leaves its event in a unit of its own.
    pub(crate) async fn change<W, D>(&self, by: Attempt, scope: Scope, work: W) -> Result<Answer, Failure>
    where
        W: AsyncFn(&App, &mut Unit, &Actor) -> Result<D, Failure> + 'static,
        D: Into<Decision> + 'static,
    {
        let app = self.clone();
        let task = self.changes.track_future(async move {
            let outcome = app.attempt(&by, scope, &work).await;
            if let Err(failure) = &outcome {
                app.note_denial(&by, failure).await;
            }
            outcome
        });
        actix_web::rt::spawn(logging::inherit(task)).await.map_err(Failure::internal)?
    }

    async fn attempt<W, D>(&self, by: &Attempt, scope: Scope, work: &W) -> Result<Answer, Failure>
    where
        W: AsyncFn(&App, &mut Unit, &Actor) -> Result<D, Failure>,
        D: Into<Decision>,
    {
        let mut tries = 1;
        loop {
            match self.attempt_once(by, scope, work).await {
                Err(failure) if failure.is_collision() && tries < TRIES => {
                    let spread = u64::from(self.world.random::<1>()[0] % 16);
                    tokio::time::sleep(Duration::from_millis(spread * u64::from(tries))).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt_once<W, D>(&self, by: &Attempt, scope: Scope, work: &W) -> Result<Answer, Failure>
    where
        W: AsyncFn(&App, &mut Unit, &Actor) -> Result<D, Failure>,
        D: Into<Decision>,
    {
        let mut unit = self.store.begin(scope).await?;
        let decision = match self.decide(by, &mut unit, work).await {
            Ok(decision) => decision,
            Err(failure) => {
                // Dropped, it would hold its key until the connection is used again, and whoever asks next would be told that
                // this one is still at work.
                if by.once.is_some()
                    && let Err(error) = unit.roll_back().await
                {
                    tracing::debug!(%error, "a unit was not rolled back, and ends with its connection");
                }
                return Err(failure);
            }
        };
        self.announce(&unit.commit().await?);
        match decision {
            Decision::Done(answer) => Ok(answer),
            Decision::RefusedAndKept(failure) => Err(failure),
        }
    }

    /// Does the work, unless the request was answered before.
    async fn decide<W, D>(&self, by: &Attempt, unit: &mut Unit, work: &W) -> Result<Decision, Failure>
    where
        W: AsyncFn(&App, &mut Unit, &Actor) -> Result<D, Failure>,
        D: Into<Decision>,
    {
        let Some(once) = &by.once else { return Ok(work(self, unit, &by.actor).await?.into()) };
        if let Some(answer) = self.claim(once, unit).await? {
            return Ok(Decision::Done(answer));
        }
        let decision = work(self, unit, &by.actor).await?.into();
        if let Decision::Done(answer) = &decision {
            self.remember(once, unit, answer).await?;
        }
        Ok(decision)
    }

    /// A signed-in person who may not do something leaves a trace.
    pub(crate) async fn note_denial(&self, by: &Attempt, failure: &Failure) {
        if failure.code.kind() == ErrorKind::Forbidden && by.actor.user.is_some() {
            self.refusals.note(self, Refused::new(by, Outcome::Denied, failure)).await;
        }
    }
}
