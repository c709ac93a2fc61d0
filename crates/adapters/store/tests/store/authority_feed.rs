//! Tests of the feed of authority changes: it reports each change once, in whatever order units commit.

use std::collections::HashSet;
use tenantry_kernel::{Authorities, SessionId, TenantId, UserId};
use tenantry_store::{AuthorityChange, AuthorityFeed, FeedRead, Scope, Store, Unit};

use crate::{
    collisions::terminate,
    support::{Opened, SYSTEM, postgres},
};

on_both_databases! {
    a_feed_sees_the_changes_of_another_store_each_once
    a_feed_begins_with_its_first_reading
    two_feeds_see_the_same
    what_is_rolled_back_was_never_changed
}

/// Creates a feed whose first read is done.
async fn feed(opened: &Opened) -> AuthorityFeed {
    let mut feed = AuthorityFeed::new(opened.config.clone());
    assert_eq!(feed.read().await.unwrap(), FeedRead::Begun);
    feed
}

fn user(opened: &Opened) -> UserId {
    UserId::new(&opened.context)
}

/// Creates a unit that has published a change and is not committed.
async fn publishing(store: &Store, user: UserId) -> Unit {
    let mut unit = store.begin(Scope::Person(user)).await.unwrap();
    unit.user_authority_changed(user).await.unwrap();
    unit
}

async fn publish(store: &Store, user: UserId) {
    publishing(store, user).await.commit().await.unwrap();
}

async fn changes(feed: &mut AuthorityFeed) -> Vec<AuthorityChange> {
    match feed.read().await.unwrap() {
        FeedRead::Changes(changes) => changes,
        FeedRead::Begun => panic!("the feed has begun already"),
    }
}

async fn users(feed: &mut AuthorityFeed) -> Vec<UserId> {
    let changes = changes(feed).await;
    let user = |change: &AuthorityChange| match change {
        AuthorityChange::User(user) => *user,
        other => panic!("not published: {other:?}"),
    };
    let mut users: Vec<UserId> = changes.iter().map(user).collect();
    users.sort();
    users
}

async fn a_feed_sees_the_changes_of_another_store_each_once(opened: Opened) {
    let mut feed = feed(&opened).await;
    let other = opened.again(|_| {}).await;
    let (session, user, tenant) =
        (SessionId::new(&opened.context), UserId::new(&opened.context), TenantId::new(&opened.context));
    let mut unit = other.begin(SYSTEM).await.unwrap();
    unit.session_authority_changed(session).await.unwrap();
    unit.user_authority_changed(user).await.unwrap();
    unit.tenant_authority_changed(tenant).await.unwrap();
    unit.commit().await.unwrap();
    let read = changes(&mut feed).await;
    assert_eq!(read.len(), 3);
    for change in [AuthorityChange::Session(session), AuthorityChange::User(user), AuthorityChange::Tenant(tenant)] {
        assert!(read.contains(&change), "{change:?}");
    }
    assert_eq!(changes(&mut feed).await, []);
    publish(&other, user).await;
    assert_eq!(users(&mut feed).await, [user], "the same again is another change");
    assert_eq!(users(&mut feed).await, []);
}

async fn a_feed_begins_with_its_first_reading(opened: Opened) {
    publish(&opened.store, user(&opened)).await;
    let mut feed = feed(&opened).await;
    let later = user(&opened);
    publish(&opened.store, later).await;
    assert_eq!(users(&mut feed).await, [later]);
}

async fn two_feeds_see_the_same(opened: Opened) {
    let (mut one, mut other) = (feed(&opened).await, feed(&opened).await);
    let changed = user(&opened);
    publish(&opened.store, changed).await;
    assert_eq!(users(&mut one).await, [changed]);
    assert_eq!(users(&mut other).await, [changed]);
}

async fn what_is_rolled_back_was_never_changed(opened: Opened) {
    let mut feed = feed(&opened).await;
    let unit = publishing(&opened.store, user(&opened)).await;
    assert_eq!(users(&mut feed).await, [], "nor before the commit");
    drop(unit);
    let changed = user(&opened);
    publish(&opened.store, changed).await;
    assert_eq!(users(&mut feed).await, [changed]);
}

/// The row of the change has the lowest id of all and becomes visible last.
#[tokio::test]
async fn a_change_that_began_before_others_and_is_committed_after_them_is_seen() {
    let opened = postgres().await;
    let mut feed = feed(&opened).await;
    let [early, between, late] = [user(&opened), user(&opened), user(&opened)];
    let first = publishing(&opened.store, early).await;
    publish(&opened.store, between).await;
    assert_eq!(users(&mut feed).await, [between]);
    publish(&opened.store, late).await;
    assert_eq!(users(&mut feed).await, [late]);
    assert_eq!(users(&mut feed).await, []);
    first.commit().await.unwrap();
    assert_eq!(users(&mut feed).await, [early]);
    assert_eq!(users(&mut feed).await, []);
}

/// A feed that starts while a change is under way must not miss it.
#[tokio::test]
async fn a_change_under_way_at_the_first_reading_is_seen() {
    let opened = postgres().await;
    let early = user(&opened);
    let first = publishing(&opened.store, early).await;
    let mut feed = feed(&opened).await;
    first.commit().await.unwrap();
    assert_eq!(users(&mut feed).await, [early]);
}

/// The server's oldest transaction may belong to any client and any database, and be older than earlier changes.
#[tokio::test]
async fn a_feed_begins_with_its_first_reading_whoever_else_is_at_work() {
    let opened = postgres().await;
    let older = publishing(&opened.store, user(&opened)).await;
    publish(&opened.store, user(&opened)).await;
    let mut feed = feed(&opened).await;
    drop(older);
    assert_eq!(users(&mut feed).await, []);
}

/// Twelve units publish changes and commit in another order, with a read after each step.
#[tokio::test]
async fn in_whatever_order_changes_are_committed_each_is_seen_once() {
    const UNITS: usize = 12;
    let opened = postgres().await;
    // 5, 7 and 11 have no divisor in common with 12, so that each stride visits every unit.
    for stride in [5, 7, 11] {
        let mut feed = feed(&opened).await;
        let published: Vec<UserId> = (0..UNITS).map(|_| user(&opened)).collect();
        let mut seen = Vec::new();
        let mut open = Vec::new();
        for user in &published {
            open.push(Some(publishing(&opened.store, *user).await));
            // The feed is read while the units are open.
            seen.extend(users(&mut feed).await);
        }
        for step in 0..UNITS {
            open[step * stride % UNITS].take().unwrap().commit().await.unwrap();
            let now = users(&mut feed).await;
            assert_eq!(now, [published[step * stride % UNITS]]);
            seen.extend(now);
        }
        assert_eq!(seen.len(), UNITS);
        assert_eq!(seen.iter().collect::<HashSet<_>>(), published.iter().collect());
        assert_eq!(users(&mut feed).await, []);
    }
}

/// The next connection may lead to another server, which has other transactions under the same ids.
#[tokio::test]
async fn fa4_a_feed_begins_anew_after_its_connection_was_terminated() {
    let opened = postgres().await;
    let mut feed = feed(&opened).await;
    let mut connection = opened.connect().await;
    for _ in 0..3 {
        let [before, meanwhile, after] = [user(&opened), user(&opened), user(&opened)];
        publish(&opened.store, before).await;
        assert_eq!(users(&mut feed).await, [before]);
        let open = publishing(&opened.store, meanwhile).await;
        terminate(&mut connection, "tenantry authority feed").await;
        assert!(feed.read().await.is_err(), "the reading says that it failed");
        assert_eq!(feed.read().await.unwrap(), FeedRead::Begun, "everything cached is looked up again");
        publish(&opened.store, after).await;
        assert_eq!(users(&mut feed).await, [after], "and from then on nothing is missed or repeated");
        open.commit().await.unwrap();
        assert_eq!(users(&mut feed).await, [meanwhile]);
    }
}
