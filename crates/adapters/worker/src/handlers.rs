//! Maps kinds of jobs to their handlers.

use futures::{FutureExt, future::BoxFuture};
use std::{collections::HashMap, error::Error, fmt::Write, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tenantry_jobs::{AttemptOutcome, Claimed, Done, Handler, Job, JobAttempt, JobFailure, Kind, RetryPolicy};
use tenantry_kernel::Context;
use tokio::time::timeout;

/// Maximum length of an error text in characters.
const MAX_ERROR_CHARS: usize = 500;

type Run = dyn Fn(JobAttempt) -> BoxFuture<'static, Result<Done, JobFailure>> + Send + Sync;

struct Entry {
    version: i32,
    retry: RetryPolicy,
    time_limit: Duration,
    run: Arc<Run>,
}

/// The handlers of a program, one per kind.
#[derive(Default)]
pub struct Handlers(HashMap<&'static str, Entry>);

/// Result of an attempt, and the name under which the metrics count it.
pub(crate) struct Ended {
    /// The outcome to record; `None` when the handler has recorded it in its own unit.
    pub(crate) outcome: Option<AttemptOutcome>,
    pub(crate) kind: &'static str,
}

impl Handlers {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for the jobs of this kind.
    ///
    /// # Panics
    ///
    /// Panics when the kind already has a handler: one of the two would never run.
    #[must_use]
    pub fn with<K: Kind + Send>(mut self, handler: impl Handler<K> + 'static) -> Self {
        let handler = Arc::new(handler);
        let run: Arc<Run> = Arc::new(move |of: JobAttempt| {
            let handler = handler.clone();
            async move { handler.run(of.job.parse_payload::<K>()?, &of).await }.boxed()
        });
        let entry = Entry { version: K::VERSION, retry: K::RETRY, time_limit: K::TIME_LIMIT, run };
        assert!(self.0.insert(K::NAME, entry).is_none(), "two handlers for the job kind {:?}", K::NAME);
        self
    }

    /// Returns whether this program can run the job: there is a handler, and the payload is not of a newer version.
    pub(crate) fn can_run(&self, job: &Job) -> bool {
        self.0.get(job.kind.as_str()).is_some_and(|entry| job.version <= entry.version)
    }

    /// Runs a job. Handles panics and time-outs of the handler.
    pub(crate) async fn run(&self, claimed: Claimed, context: &Context) -> Ended {
        let (attempt, max_attempts) = (claimed.job.attempt, claimed.job.max_attempts);
        let Some((&kind, entry)) = self.0.get_key_value(claimed.job.kind.as_str()) else {
            return Ended { outcome: Some(AttemptOutcome::HandedBack), kind: "unknown" };
        };
        let running = AssertUnwindSafe((entry.run)(JobAttempt::new(claimed, context.clone()))).catch_unwind();
        let done = match timeout(entry.time_limit, running).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(JobFailure::retry("it panicked")),
            Err(_) => Err(JobFailure::retry("it exceeded its time limit")),
        };
        let outcome = match done {
            Ok(Done::InUnit) => None,
            Ok(Done::Outside) => Some(AttemptOutcome::Completed),
            Ok(Done::Snooze { until }) => Some(AttemptOutcome::Snoozed { until }),
            Err(failure) => {
                let error = account(&*failure.cause);
                Some(match entry.retry.wait(attempt, context).filter(|_| attempt < max_attempts) {
                    _ if failure.is_permanent => AttemptOutcome::Discarded { error },
                    Some(wait) => AttemptOutcome::RetryAt { at: context.now().plus(wait), error },
                    None => AttemptOutcome::Dead { error },
                })
            }
        };
        Ended { outcome, kind }
    }
}

/// Writes an error and its causes on one line.
fn account(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text.chars().take(MAX_ERROR_CHARS).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
