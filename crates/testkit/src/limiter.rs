//! Contract of every rate limiter. The suite takes two handles on one limiter; the second may belong to another
//! process. Each case uses its own tenants.

use futures::future::join_all;
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tenantry_kernel::{TenantId, UserId};
use tenantry_limits::{Consumed, Consumption, LimitKey, Limiter, Policy, RateQuota};
use tokio::time::{Instant, sleep};

use crate::context;

const WINDOW: Duration = Duration::from_secs(60);
const ONE: NonZeroU32 = NonZeroU32::MIN;

suite! {
    limiter(handles: [Arc<dyn Limiter>; 2]) calls (&*handles[0], &*handles[1]) {
        a_quota_may_be_used_at_once_and_no_more,
        it_comes_back_evenly,
        te5_keys_are_apart,
        a_quota_that_changes_begins_anew,
        the_first_that_is_refused_ends_it,
        a_weight_divides_a_quota,
        no_weight_is_more_than_the_whole_quota,
        fifty_at_once_count_exactly,
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn tenant() -> TenantId {
    TenantId::new(&context::real())
}

/// Creates a consumption whose quota refills so slowly that none of it returns during a test.
fn consumption(key: LimitKey, limit: u32) -> Consumption {
    Consumption { policy: Policy::Caller, key, quota: RateQuota { limit: number(limit), window: WINDOW * 60 } }
}

async fn consumed(limiter: &dyn Limiter, consumptions: &[Consumption]) -> Consumed {
    limiter.consume(consumptions, ONE).await.unwrap()
}

async fn admits(limiter: &dyn Limiter, consumption: &Consumption) -> bool {
    consumed(limiter, std::slice::from_ref(consumption)).await.is_admitted()
}

async fn a_quota_may_be_used_at_once_and_no_more(one: &dyn Limiter, other: &dyn Limiter) {
    let consumption = consumption(LimitKey::Tenant(tenant()), 5);
    for (limiter, remaining) in [one, other, one, other, one].into_iter().zip([4, 3, 2, 1, 0]) {
        let consumed = consumed(limiter, std::slice::from_ref(&consumption)).await;
        assert!(consumed.is_admitted() && !consumed.has_forgotten);
        assert_eq!(consumed.statuses[0].remaining, remaining);
    }
    for limiter in [one, other] {
        let refused = consumed(limiter, std::slice::from_ref(&consumption)).await.statuses[0];
        let wait = refused.wait.expect("it is refused");
        let step = consumption.quota.step(ONE);
        assert_eq!(refused.remaining, 0);
        assert!(wait <= step && wait > step - Duration::from_secs(10), "{wait:?} of {step:?}");
    }
}

async fn it_comes_back_evenly(limiter: &dyn Limiter, _: &dyn Limiter) {
    let quota = RateQuota { limit: number(5), window: Duration::from_secs(2) };
    let consumption = Consumption { policy: Policy::Caller, key: LimitKey::Tenant(tenant()), quota };
    let began = Instant::now();
    let mut admitted = 0;
    while began.elapsed() < Duration::from_millis(2_100) {
        let consumed = consumed(limiter, std::slice::from_ref(&consumption)).await;
        admitted += u32::from(consumed.is_admitted());
        if let Some(wait) = consumed.statuses[0].wait {
            sleep(wait).await;
            assert!(admits(limiter, &consumption).await, "it was to be let through after {wait:?}");
            admitted += 1;
        }
    }
    let most = 5 + u32::try_from(began.elapsed().as_millis() / 400).unwrap();
    assert!((9..=most).contains(&admitted), "{admitted} in {:?}", began.elapsed());
}

async fn te5_keys_are_apart(limiter: &dyn Limiter, _: &dyn Limiter) {
    let (acme, globex) = (tenant(), tenant());
    let (ada, bob) = (UserId::new(&context::real()), UserId::new(&context::real()));
    let keys = [
        LimitKey::Tenant(acme),
        LimitKey::Tenant(globex),
        LimitKey::Person(Some(acme), ada),
        LimitKey::Person(Some(acme), bob),
        LimitKey::Person(Some(globex), ada),
        LimitKey::Person(None, ada),
        LimitKey::Person(None, UserId::from_uuid(acme.uuid())),
        LimitKey::Address(format!("{acme}:tenant")),
        LimitKey::Address(format!("{acme}")),
    ];
    for key in &keys {
        assert!(admits(limiter, &consumption(key.clone(), 1)).await, "{key}");
    }
    for key in keys {
        assert!(!admits(limiter, &consumption(key.clone(), 1)).await, "{key}");
    }
}

async fn a_quota_that_changes_begins_anew(limiter: &dyn Limiter, _: &dyn Limiter) {
    let tenant = tenant();
    let (small, great) = (consumption(LimitKey::Tenant(tenant), 1), consumption(LimitKey::Tenant(tenant), 3));
    assert!(admits(limiter, &small).await && !admits(limiter, &small).await);
    assert_eq!(consumed(limiter, std::slice::from_ref(&great)).await.statuses[0].remaining, 2);
}

async fn the_first_that_is_refused_ends_it(limiter: &dyn Limiter, _: &dyn Limiter) {
    let [first, narrow, last] = [10, 1, 10].map(|limit| consumption(LimitKey::Tenant(tenant()), limit));
    let all = [first.clone(), narrow, last.clone()];
    let consumed_all = consumed(limiter, &all).await;
    assert!(consumed_all.is_admitted());
    assert_eq!(consumed_all.statuses.iter().map(|status| status.remaining).collect::<Vec<_>>(), [9, 0, 9]);
    let refused = consumed(limiter, &all).await;
    assert_eq!(refused.statuses.len(), 2);
    assert!(refused.statuses[0].wait.is_none() && refused.statuses[1].wait.is_some());
    assert_eq!(consumed(limiter, &[first]).await.statuses[0].remaining, 7, "what comes before has counted");
    assert_eq!(consumed(limiter, &[last]).await.statuses[0].remaining, 8, "what comes after has not");
}

async fn a_weight_divides_a_quota(limiter: &dyn Limiter, _: &dyn Limiter) {
    let consumption = consumption(LimitKey::Tenant(tenant()), 10);
    for remaining in [2, 1, 0] {
        let consumed = limiter.consume(std::slice::from_ref(&consumption), number(3)).await.unwrap();
        assert!(consumed.is_admitted());
        assert_eq!(consumed.statuses[0].remaining, remaining);
    }
    assert!(!limiter.consume(std::slice::from_ref(&consumption), number(3)).await.unwrap().is_admitted());
    assert!(admits(limiter, &consumption).await, "one of ten is left");
    assert!(!admits(limiter, &consumption).await);
}

async fn no_weight_is_more_than_the_whole_quota(limiter: &dyn Limiter, _: &dyn Limiter) {
    let consumption = consumption(LimitKey::Tenant(tenant()), 2);
    let heavy = limiter.consume(std::slice::from_ref(&consumption), number(50)).await.unwrap();
    assert!(heavy.is_admitted());
    assert_eq!(heavy.statuses[0].remaining, 0);
    assert!(!admits(limiter, &consumption).await);
}

async fn fifty_at_once_count_exactly(one: &dyn Limiter, other: &dyn Limiter) {
    let consumption = consumption(LimitKey::Tenant(tenant()), 20);
    let tries = (0..50).map(|number| admits(if number % 2 == 0 { one } else { other }, &consumption));
    assert_eq!(join_all(tries).await.into_iter().filter(|admitted| *admitted).count(), 20);
}
