//! Kinds of jobs, and handlers that do whatever a test says.

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tenantry_jobs::{Done, Handler, JobAttempt, JobFailure, Kind, RetryPolicy};

const SOON: RetryPolicy =
    RetryPolicy { max_attempts: 3, first: Duration::from_millis(20), longest: Duration::from_millis(20) };

/// What a test's jobs are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) to: String,
}

impl Kind for Errand {
    const NAME: &'static str = "errand";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "errands";
    const RETRY: RetryPolicy = SOON;
}

impl Errand {
    pub(crate) fn to(whom: &str) -> Self {
        Self { to: whom.to_owned() }
    }
}

/// One that must be done soon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Brief {}

impl Brief {
    pub(crate) const LIMIT: Duration = Duration::from_millis(300);
}

impl Kind for Brief {
    const NAME: &'static str = "brief";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "errands";
    const RETRY: RetryPolicy = SOON;
    const TIME_LIMIT: Duration = Self::LIMIT;
}

/// One of another queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {}

impl Kind for Parcel {
    const NAME: &'static str = "parcel";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "parcels";
    const RETRY: RetryPolicy = SOON;
}

/// One that no worker serves: it stays to be counted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {}

impl Kind for Receipt {
    const NAME: &'static str = "receipt";
    const VERSION: i32 = 1;
    const QUEUE: &'static str = "receipts";
    const RETRY: RetryPolicy = SOON;
}

/// Does what the function says.
pub(crate) struct Does<F>(pub(crate) F);

#[async_trait]
impl<K, F> Handler<K> for Does<F>
where
    K: Kind + Send + 'static,
    F: Fn(K, JobAttempt) -> BoxFuture<'static, Result<Done, JobFailure>> + Send + Sync,
{
    async fn run(&self, payload: K, of: &JobAttempt) -> Result<Done, JobFailure> {
        (self.0)(payload, of.clone()).await
    }
}
