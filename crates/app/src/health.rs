//! How the things are that this installation needs: what `/health` answers, and the doctor tells people.
//!
//! Everything is asked at the same time and within a second, at most once a second however many ask, and the mail server at
//! most every 15 s. What nobody's request waits for, Redis and mail, warns and never fails.

mod disk;
mod mail;
mod queue;
mod storage;

use std::{
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_files::Blobs;
use tenantry_jobs::Jobs;
use tenantry_kernel::World;
use tenantry_redis::Redis;
use tenantry_store::{Scope, Store, SystemReason};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    config::{HealthConfig, StoragePlace},
    mail::Outbox,
};

pub(crate) use disk::{FolderError, folders, judge_space, try_folder};
pub(crate) use mail::LastMailCheck;
pub(crate) use queue::judge_queue;
pub(crate) use storage::judge_storage;

const SCOPE: Scope = Scope::System(SystemReason::Maintenance);
/// How long anything has to answer.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// For how long what was seen is told to whoever asks.
const FRESH: Duration = Duration::from_secs(1);

/// How a thing is, the better the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Pass,
    Warn,
    Fail,
}

/// What was judged, and what was seen of it, for people. It names no secret.
pub(crate) type Judgement = (Status, String);

/// How one thing is.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) status: Status,
    pub(crate) latency: Duration,
    pub(crate) observed: String,
}

/// How everything is.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) database: Check,
    pub(crate) redis: Check,
    pub(crate) queue: Check,
    pub(crate) storage: Check,
    pub(crate) mail: Check,
    pub(crate) disk: Check,
}

/// What health is asked of.
pub(crate) struct HealthSources {
    pub(crate) store: Store,
    pub(crate) redis: Option<Redis>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) place: StoragePlace,
    pub(crate) outbox: Outbox,
    /// Where files of ours are.
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) world: World,
    pub(crate) limits: HealthConfig,
}

/// Checks how everything is, and remembers what was seen last.
pub(crate) struct Health {
    sources: HealthSources,
    /// Held while everything is checked; concurrent callers wait and get the same result.
    last: Mutex<Option<(Instant, Arc<Checks>)>>,
    mail: LastMailCheck,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Check {
    /// Looks within the time limit. An answer that comes late is a warning at least.
    async fn of(limits: &HealthConfig, late: Status, look: impl Future<Output = Judgement>) -> Self {
        let began = Instant::now();
        let judged = timeout(TIME_LIMIT, look).await;
        let latency = began.elapsed();
        let (status, observed) =
            judged.unwrap_or_else(|_| (late, format!("no answer within {} s", TIME_LIMIT.as_secs())));
        let is_slow = status == Status::Pass && latency > limits.latency_warn;
        match is_slow {
            true => Self { status: Status::Warn, latency, observed: format!("{observed}, slowly") },
            false => Self { status, latency, observed },
        }
    }

    /// What needs no look.
    fn unused(observed: &str) -> Self {
        Self { status: Status::Pass, latency: Duration::ZERO, observed: observed.to_owned() }
    }
}

impl Checks {
    /// The worst of them.
    pub(crate) fn status(&self) -> Status {
        let Self { database, redis, queue, storage, mail, disk } = self;
        [database, redis, queue, storage, mail, disk]
            .map(|check| check.status)
            .into_iter()
            .max()
            .unwrap_or(Status::Pass)
    }
}

impl Health {
    pub(crate) fn new(sources: HealthSources) -> Self {
        Self { sources, last: Mutex::default(), mail: LastMailCheck::default() }
    }

    /// Returns how everything is, as it was seen less than a second ago.
    pub(crate) async fn checks(&self) -> Arc<Checks> {
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

    /// Whether the database answers.
    pub(crate) async fn check_database(&self) -> Check {
        Check::of(&self.sources.limits, Status::Fail, async {
            match self.sources.store.ping().await {
                Ok(()) => (Status::Pass, "answers".to_owned()),
                Err(_) => (Status::Fail, "no answer".to_owned()),
            }
        })
        .await
    }

    async fn check_redis(&self) -> Check {
        let Some(redis) = &self.sources.redis else { return Check::unused("none is configured") };
        Check::of(&self.sources.limits, Status::Warn, async {
            match redis.ping().await {
                Ok(()) => (Status::Pass, "answers".to_owned()),
                Err(_) => (Status::Warn, "no answer; requests are served without it".to_owned()),
            }
        })
        .await
    }

    async fn check_queue(&self) -> Check {
        Check::of(&self.sources.limits, Status::Fail, async {
            let figures = async { self.sources.store.read(SCOPE).await?.queue_figures().await }.await;
            match figures {
                Ok(figures) => judge_queue(&figures, self.sources.world.now(), &self.sources.limits),
                Err(_) => (Status::Fail, "the database does not tell".to_owned()),
            }
        })
        .await
    }

    async fn check_storage(&self) -> Check {
        Check::of(&self.sources.limits, Status::Fail, judge_storage(&self.sources.place, &*self.sources.blobs)).await
    }

    async fn check_disk(&self) -> Check {
        let (folders, limits) = (self.sources.folders.clone(), self.sources.limits.clone());
        Check::of(&self.sources.limits, Status::Fail, async move {
            let looked = tokio::task::spawn_blocking(move || judge_space(&folders, &limits)).await;
            looked.unwrap_or_else(|_| (Status::Fail, "it cannot be looked at".to_owned()))
        })
        .await
    }
}
