//! The health of this process and of the services that it needs.

use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// Port: checks this process and the services that it needs.
#[async_trait]
pub trait HealthProbe: Send + Sync {
    /// Returns whether every watched part of this process makes progress.
    fn is_alive(&self) -> bool;

    /// Returns whether requests may be sent here: the server is neither starting nor stopping, and the database
    /// responds and takes changes.
    async fn is_ready(&self) -> bool;

    /// Returns the results of all checks, less than a second old.
    async fn checks(&self) -> Arc<Checks>;
}

/// The status of a check; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The service works.
    Pass,
    /// The service needs attention; requests are served.
    Warn,
    /// The service does not work, or so badly that requests fail.
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone)]
pub struct Check {
    /// The status.
    pub status: Status,
    /// Time that the check took.
    pub latency: Duration,
    /// The observation, in words for users. The text contains no secret.
    pub observed: String,
}

/// The results of all checks.
#[derive(Debug)]
pub struct Checks {
    /// The database.
    pub database: Check,
    /// Redis.
    pub redis: Check,
    /// The queue of jobs.
    pub queue: Check,
    /// The storage of files.
    pub storage: Check,
    /// The transport of emails.
    pub mail: Check,
    /// The free space where this process writes.
    pub disk: Check,
}

impl Status {
    /// Returns the name that clients see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Checks {
    /// Returns the worst status.
    pub fn status(&self) -> Status {
        let Self { database, redis, queue, storage, mail, disk } = self;
        [database, redis, queue, storage, mail, disk]
            .map(|check| check.status)
            .into_iter()
            .max()
            .unwrap_or(Status::Pass)
    }
}
