//! Contract of every adapter that notifies other processes of changes. The suite takes two members that hear each
//! other; other members may exist.

use std::{sync::Arc, time::Duration};
use tenantry_cache::{InvalidatedSessions, Invalidation};
use tenantry_kernel::{SessionId, TenantId, UserId};
use tokio::time::timeout;

use crate::context;

/// Maximum time for a message to arrive, and the time a test waits for the absence of one.
const ARRIVES: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(200);

suite! {
    invalidation(members: [Arc<dyn Invalidation>; 2]) calls (&*members[0], &*members[1]) {
        changes_published_together_are_heard_by_the_other_and_not_by_the_publisher,
        changes_published_one_by_one_are_all_heard,
    }
}

/// Returns one change of each kind.
fn changes() -> [InvalidatedSessions; 3] {
    let context = context::real();
    [
        InvalidatedSessions::Session(SessionId::new(&context)),
        InvalidatedSessions::User(UserId::new(&context)),
        InvalidatedSessions::Tenant(TenantId::new(&context)),
    ]
}

/// Waits until each member hears the other: a member that listens over a network may start a little later.
async fn introduce(one: &dyn Invalidation, other: &dyn Invalidation) {
    meet(one, other).await;
    meet(other, one).await;
}

async fn changes_published_together_are_heard_by_the_other_and_not_by_the_publisher(
    one: &dyn Invalidation,
    other: &dyn Invalidation,
) {
    introduce(one, other).await;
    let changes = changes();
    one.publish(&changes);
    hears(other, &changes).await;
    one.publish(&[]);
    is_not_told(one, &changes).await;
}

async fn changes_published_one_by_one_are_all_heard(one: &dyn Invalidation, other: &dyn Invalidation) {
    introduce(one, other).await;
    let changes = changes();
    for change in changes {
        other.publish(&[change]);
    }
    hears(one, &changes).await;
}

async fn meet(from: &dyn Invalidation, to: &dyn Invalidation) {
    let hello = InvalidatedSessions::User(UserId::new(&context::real()));
    let heard = async {
        loop {
            from.publish(&[hello]);
            if let Ok(heard) = timeout(QUIET, to.received()).await
                && heard.contains(&hello)
            {
                return;
            }
        }
    };
    timeout(ARRIVES, heard).await.expect("they hear each other");
}

/// Waits until all of these changes arrive, in any number of messages.
async fn hears(member: &dyn Invalidation, changes: &[InvalidatedSessions]) {
    let mut missing = changes.to_vec();
    let all = async {
        while !missing.is_empty() {
            let heard = member.received().await;
            missing.retain(|change| !heard.contains(change));
        }
    };
    timeout(ARRIVES, all).await.expect("every change arrives");
}

async fn is_not_told(member: &dyn Invalidation, changes: &[InvalidatedSessions]) {
    let told = async {
        loop {
            let heard = member.received().await;
            assert!(!heard.iter().any(|change| changes.contains(change)), "it received its own message: {heard:?}");
        }
    };
    assert!(timeout(QUIET, told).await.is_err());
}
