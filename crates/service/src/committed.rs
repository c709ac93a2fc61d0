//! The steps after a commit: clear caches, notify other processes, wake workers.

use std::sync::Arc;
use tenantry_cache::{InvalidatedSessions, Invalidation};
use tenantry_jobs::WakeUp;
use tenantry_store::{AuthorityChange, Committed};

use crate::{authority_cache::AuthorityCache, cached::AssignmentCounts};

/// Publishes committed changes within this process and to others. Cloning is cheap.
#[derive(Clone)]
pub struct Publisher {
    /// The cached authority of sessions in this process.
    pub authority: Arc<AuthorityCache>,
    /// The cached number of members per role.
    pub assignment_counts: AssignmentCounts,
    /// Sends messages to other processes.
    pub invalidation: Arc<dyn Invalidation>,
    /// Wakes workers.
    pub wake_up: Arc<dyn WakeUp>,
}

impl Publisher {
    /// Publishes the changes of a unit: to this process at once, and to other processes by messages where there are
    /// any.
    pub fn publish_changes(&self, committed: &Committed) {
        self.authority.forget(&committed.authority_changes);
        self.invalidation.publish(&messages(&committed.authority_changes));
        for tenant in &committed.role_assignment_changes {
            self.assignment_counts.forget(*tenant);
        }
        if committed.has_enqueued {
            self.wake_up.call();
        }
    }
}

fn messages(changes: &[AuthorityChange]) -> Vec<InvalidatedSessions> {
    let message = |change: &AuthorityChange| match *change {
        AuthorityChange::Session(id) => InvalidatedSessions::Session(id),
        AuthorityChange::User(id) => InvalidatedSessions::User(id),
        AuthorityChange::Tenant(id) => InvalidatedSessions::Tenant(id),
    };
    changes.iter().map(message).collect()
}

/// Removes cached authority when other processes report that it has changed. The messages only save time: this process
/// also reads every change from the database.
pub async fn listen_invalidations(invalidation: Arc<dyn Invalidation>, authority: Arc<AuthorityCache>) {
    let change = |message: InvalidatedSessions| match message {
        InvalidatedSessions::Session(id) => AuthorityChange::Session(id),
        InvalidatedSessions::User(id) => AuthorityChange::User(id),
        InvalidatedSessions::Tenant(id) => AuthorityChange::Tenant(id),
    };
    loop {
        let changes: Vec<AuthorityChange> = invalidation.received().await.into_iter().map(change).collect();
        authority.forget(&changes);
    }
}
