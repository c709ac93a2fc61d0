//! Checks the services that this installation needs, for `/health` and for the doctor.
//!
//! All checks run at the same time within a second, and at most once a second for any number of callers. The mail
//! server is checked at most every 15 s. No request waits for Redis or the mail server, so their checks warn and never
//! fail.

mod disk;
mod mail;
mod queue;
mod storage;

use async_trait::async_trait;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tenantry_files::Blobs;
use tenantry_http::{Check, Checks, HealthProbe, Status};
use tenantry_jobs::JobAdmin;
use tenantry_kernel::Context;
use tenantry_redis::Redis;
use tenantry_store::{Scope, Store, SystemReason};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    config::{HealthConfig, StoragePlace},
    mail::ConfiguredMailer,
    watchdog::Watchdog,
};

pub(crate) use disk::{FolderError, check_space, folders, try_folder};
pub(crate) use mail::LastMailCheck;
pub(crate) use queue::check_queue;
pub(crate) use storage::check_storage;

const SCOPE: Scope = Scope::System(SystemReason::Maintenance);
/// Time limit of each check.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// Time for which results are reused.
const FRESH: Duration = Duration::from_secs(1);

/// The observation of a PostgreSQL that takes no changes.
pub(crate) const ONLY_READS: &str = "only reads: it is a standby, or default_transaction_read_only is on";

/// A status and the observation behind it, in words for users. The text contains no secret.
pub(crate) type Observation = (Status, String);

/// The services and settings that the checks use.
pub(crate) struct HealthSources {
    pub(crate) store: Store,
    pub(crate) redis: Option<Redis>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) place: StoragePlace,
    pub(crate) outbox: ConfiguredMailer,
    /// The folders in which the process stores files.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) context: Context,
    pub(crate) limits: HealthConfig,
    pub(crate) watchdog: Arc<Watchdog>,
}

/// Runs all checks and keeps the last results.
pub(crate) struct Health {
    sources: HealthSources,
    /// Held while all checks run; concurrent callers wait and get the same result.
    last: Mutex<Option<(Instant, Arc<Checks>)>>,
    mail: LastMailCheck,
    /// Whether the server serves requests, rather than starts or stops.
    is_serving: AtomicBool,
}

/// Runs a check within the time limit. A slow result is at least a warning.
async fn check(limits: &HealthConfig, late: Status, look: impl Future<Output = Observation>) -> Check {
    let began = Instant::now();
    let observation = timeout(TIME_LIMIT, look).await;
    let latency = began.elapsed();
    let (status, observed) =
        observation.unwrap_or_else(|_| (late, format!("no answer within {} s", TIME_LIMIT.as_secs())));
    let is_slow = status == Status::Pass && latency > limits.latency_warn;
    match is_slow {
        true => Check { status: Status::Warn, latency, observed: format!("{observed}, slowly") },
        false => Check { status, latency, observed },
    }
}

#[async_trait]
impl HealthProbe for Health {
    fn is_alive(&self) -> bool {
        self.sources.watchdog.wedged().is_none()
    }

    async fn is_ready(&self) -> bool {
        self.is_serving.load(Ordering::Acquire) && self.check_database().await.status != Status::Fail
    }

    async fn checks(&self) -> Arc<Checks> {
        let mut last = self.last.lock().await;
        if let Some((at, checks)) = &*last
            && at.elapsed() < FRESH
        {
            return checks.clone();
        }
        let checks = Arc::new(self.check_everything().await);
        *last = Some((Instant::now(), checks.clone()));
        checks
    }
}

impl Health {
    pub(crate) fn new(sources: HealthSources) -> Self {
        Self { sources, last: Mutex::default(), mail: LastMailCheck::default(), is_serving: AtomicBool::new(false) }
    }

    /// Sets whether the server serves requests. It does not while it starts or stops.
    pub(crate) fn set_serving(&self, is_serving: bool) {
        self.is_serving.store(is_serving, Ordering::Release);
    }

    async fn check_everything(&self) -> Checks {
        let (database, redis, queue, storage, mail, disk) = tokio::join!(
            self.check_database(),
            self.check_redis(),
            self.check_queue(),
            self.check_storage(),
            self.mail.check(&self.sources.outbox),
            self.check_disk()
        );
        Checks { database, redis, queue, storage, mail, disk }
    }

    /// Checks whether the database responds and takes changes.
    async fn check_database(&self) -> Check {
        check(&self.sources.limits, Status::Fail, async {
            match self.sources.store.takes_changes().await {
                Ok(true) => (Status::Pass, "answers".to_owned()),
                Ok(false) => (Status::Fail, ONLY_READS.to_owned()),
                Err(_) => (Status::Fail, "no answer".to_owned()),
            }
        })
        .await
    }

    async fn check_redis(&self) -> Check {
        let Some(redis) = &self.sources.redis else {
            let observed = "not configured".to_owned();
            return Check { status: Status::Pass, latency: Duration::ZERO, observed };
        };
        check(&self.sources.limits, Status::Warn, async {
            match redis.ping().await {
                Ok(()) => (Status::Pass, "answers".to_owned()),
                Err(_) => (Status::Warn, "no answer; requests are served without it".to_owned()),
            }
        })
        .await
    }

    async fn check_queue(&self) -> Check {
        check(&self.sources.limits, Status::Fail, async {
            let figures = async { self.sources.store.read(SCOPE).await?.queue_figures().await }.await;
            match figures {
                Ok(figures) => check_queue(&figures, self.sources.context.now(), &self.sources.limits),
                Err(_) => (Status::Fail, "the database does not report it".to_owned()),
            }
        })
        .await
    }

    async fn check_storage(&self) -> Check {
        check(&self.sources.limits, Status::Fail, check_storage(&self.sources.place, &*self.sources.blobs)).await
    }

    async fn check_disk(&self) -> Check {
        let (folders, limits) = (self.sources.folders.clone(), self.sources.limits.clone());
        check(&self.sources.limits, Status::Fail, async move {
            let looked = tokio::task::spawn_blocking(move || check_space(&folders, &limits)).await;
            looked.unwrap_or_else(|_| (Status::Fail, "it cannot be inspected".to_owned()))
        })
        .await
    }
}
