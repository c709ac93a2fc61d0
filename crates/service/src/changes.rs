//! Runs changes and commits them, retries them after a collision, and replays stored responses. This file is the one
//! place that does so.

use futures::future::{FutureExt, LocalBoxFuture};
use std::{rc::Rc, sync::Arc, time::Duration};
use tenantry_crypto::ServerSecrets;
use tenantry_kernel::{Action, Actor, Context, ErrorKind, Outcome};
use tenantry_store::{Scope, Unit};
use tokio_util::task::TaskTracker;

use crate::{
    Reply, ServiceError,
    idempotency::{Idempotency, IdempotentRequest},
    log_context,
    refusals::{Refusals, Refused},
    transactions::Transactions,
};

/// Maximum number of attempts of a change that collides with others.
const TRIES: u32 = 5;

/// A request for a change. If the request is refused, the journal records this action by this actor.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// The actor that requests the change.
    pub actor: Actor,
    /// The requested action.
    pub action: Action,
    /// Set when the client sent an `Idempotency-Key`.
    pub idempotent: Option<IdempotentRequest>,
}

impl ChangeRequest {
    /// Creates a request without an `Idempotency-Key`.
    pub fn new(actor: Actor, action: Action) -> Self {
        Self { actor, action, idempotent: None }
    }
}

/// How a unit of work ends when its work did not fail.
pub enum CommitMode {
    /// Commits the unit and returns the reply.
    Done(Reply),
    /// Commits the unit although the request is refused, because the unit records facts that must not be lost.
    RefusedAndKept(ServiceError),
}

impl From<Reply> for CommitMode {
    fn from(answer: Reply) -> Self {
        Self::Done(answer)
    }
}

/// A change with its type erased, so that the code below [`Changes::run`] is compiled once for all callers.
pub type Work =
    dyn for<'u> Fn(&'u mut Unit, &'u Actor, &'u Context) -> LocalBoxFuture<'u, Result<CommitMode, ServiceError>>;

/// Runs changes. Cloning is cheap.
#[derive(Clone)]
pub struct Changes(Arc<Parts>);

struct Parts {
    transactions: Transactions,
    context: Context,
    idempotency: Idempotency,
    refusals: Arc<Refusals>,
    tasks: TaskTracker,
}

impl Changes {
    /// Runs changes in these transactions. Each running change is tracked in `tasks` until it ends.
    pub fn new(
        transactions: Transactions,
        context: Context,
        secrets: Arc<ServerSecrets>,
        refusals: Arc<Refusals>,
        tasks: TaskTracker,
    ) -> Self {
        let idempotency = Idempotency::new(context.clone(), secrets);
        Self(Arc::new(Parts { transactions, context, idempotency, refusals, tasks }))
    }

    /// Runs `work` in a unit of its own and commits it. After a collision with another unit the work runs again, at
    /// most five times in all. Must be called within a `LocalSet`.
    ///
    /// The change runs in a task of its own, so a client that disconnects cannot stop it between the commit and the
    /// steps after it. A refusal rolls the unit back and is recorded in a unit of its own.
    pub fn run<W, D>(
        &self,
        request: ChangeRequest,
        scope: Scope,
        work: W,
    ) -> impl Future<Output = Result<Reply, ServiceError>> + use<W, D>
    where
        W: AsyncFn(&mut Unit, &Actor, &Context) -> Result<D, ServiceError> + 'static,
        D: Into<CommitMode> + 'static,
    {
        let work = Rc::new(work);
        let work: Box<Work> = Box::new(move |unit, actor, context| {
            let work = work.clone();
            async move { Ok(work(unit, actor, context).await?.into()) }.boxed_local()
        });
        self.clone().run_erased(request, scope, work)
    }

    /// Runs a change whose type the caller has erased; otherwise like [`Changes::run`].
    pub async fn run_erased(
        self,
        request: ChangeRequest,
        scope: Scope,
        work: Box<Work>,
    ) -> Result<Reply, ServiceError> {
        let tasks = self.0.tasks.clone();
        let task = tasks.track_future(async move {
            let outcome = self.run_with_retry(&request, scope, &work).await;
            if let Err(failure) = &outcome {
                self.note_denial(&request, failure).await;
            }
            outcome
        });
        tokio::task::spawn_local(log_context::inherit(task)).await.map_err(ServiceError::internal)?
    }

    async fn run_with_retry(&self, request: &ChangeRequest, scope: Scope, work: &Work) -> Result<Reply, ServiceError> {
        let mut tries = 1;
        loop {
            match self.run_once(request, scope, work).await {
                Err(failure) if failure.is_collision() && tries < TRIES => {
                    let spread = u64::from(self.0.context.random::<1>()[0] % 16);
                    tokio::time::sleep(Duration::from_millis(spread * u64::from(tries))).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn run_once(&self, request: &ChangeRequest, scope: Scope, work: &Work) -> Result<Reply, ServiceError> {
        let mut unit = self.0.transactions.begin(scope).await?;
        let mode = match self.replay_or_work(request, &mut unit, work).await {
            Ok(mode) => mode,
            Err(failure) => {
                // A dropped unit holds its idempotency key until its connection is used again. Until then the next
                // request with this key would be told that the first one is still in progress.
                if request.idempotent.is_some()
                    && let Err(error) = unit.roll_back().await
                {
                    tracing::debug!(%error, "a unit was not rolled back; it ends with its connection");
                }
                return Err(failure);
            }
        };
        self.0.transactions.commit(unit).await?;
        match mode {
            CommitMode::Done(answer) => Ok(answer),
            CommitMode::RefusedAndKept(failure) => Err(failure),
        }
    }

    /// Does the work, unless a response to the request is stored already.
    async fn replay_or_work(
        &self,
        request: &ChangeRequest,
        unit: &mut Unit,
        work: &Work,
    ) -> Result<CommitMode, ServiceError> {
        let Parts { context, idempotency, .. } = &*self.0;
        let Some(idempotent) = &request.idempotent else { return work(unit, &request.actor, context).await };
        if let Some(answer) = idempotency.acquire(idempotent, unit).await? {
            return Ok(CommitMode::Done(answer));
        }
        let mode = work(unit, &request.actor, context).await?;
        if let CommitMode::Done(answer) = &mode {
            idempotency.store(idempotent, unit, answer).await?;
        }
        Ok(mode)
    }

    /// Returns the stored response to a request with an `Idempotency-Key`, for handlers that have other work to do
    /// before the change.
    pub async fn answered_before(&self, request: &ChangeRequest, scope: Scope) -> Result<Option<Reply>, ServiceError> {
        let Some(idempotent) = &request.idempotent else { return Ok(None) };
        self.0.idempotency.stored_answer(idempotent, &mut self.0.transactions.read(scope).await?).await
    }

    /// Records in the journal that a signed-in user was denied an action. Other failures are not recorded.
    pub async fn note_denial(&self, request: &ChangeRequest, failure: &ServiceError) {
        if failure.code.kind() == ErrorKind::Forbidden && request.actor.user().is_some() {
            self.0.refusals.note(Refused::new(request, Outcome::Denied, failure)).await;
        }
    }
}
