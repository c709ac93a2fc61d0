//! What every way of telling other processes of changes promises.

use std::time::Duration;
use tenantry_cache::{Change, Invalidation};
use tenantry_kernel::{SessionId, TenantId, UserId};
use tokio::time::timeout;

use crate::world;

/// How long a message may be on its way, and how long is waited for none.
const ARRIVES: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(200);

/// Tries two members who should hear each other. Others may be about.
pub async fn contract(one: &dyn Invalidation, other: &dyn Invalidation) {
    let world = world::real();
    let changes = [
        Change::Session(SessionId::new(&world)),
        Change::User(UserId::new(&world)),
        Change::Tenant(TenantId::new(&world)),
    ];
    // Whoever listens over a network may do so a moment later.
    meet(one, other).await;
    meet(other, one).await;
    one.publish(&changes);
    hears(other, &changes).await;
    one.publish(&[]);
    is_not_told(one, &changes).await;
    for change in changes {
        other.publish(&[change]);
    }
    hears(one, &changes).await;
}

async fn meet(from: &dyn Invalidation, to: &dyn Invalidation) {
    let hello = Change::User(UserId::new(&world::real()));
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

/// All of these arrive, in any number of messages.
async fn hears(member: &dyn Invalidation, changes: &[Change]) {
    let mut missing = changes.to_vec();
    let all = async {
        while !missing.is_empty() {
            let heard = member.received().await;
            missing.retain(|change| !heard.contains(change));
        }
    };
    timeout(ARRIVES, all).await.expect("every change arrives");
}

async fn is_not_told(member: &dyn Invalidation, changes: &[Change]) {
    let told = async {
        loop {
            let heard = member.received().await;
            assert!(!heard.iter().any(|change| changes.contains(change)), "it heard itself: {heard:?}");
        }
    };
    assert!(timeout(QUIET, told).await.is_err());
}
