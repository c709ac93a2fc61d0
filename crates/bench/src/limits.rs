//! Measures counting a request in Redis, compared with a bare call of the same script.

use anyhow::{Context as _, Result};
use redis::aio::MultiplexedConnection;
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_kernel::{Context, TenantId, UserId};
use tenantry_limits::{Consumption, Limiter, PlanQuotas, Policies};
use tenantry_redis::{Redis, RedisLimiter, RedisTimeouts, limiter_command};

use crate::{
    load::quantile,
    report::{Bar, Figure},
};

/// Number of consecutive requests per contestant and round.
const REQUESTS: usize = 5_000;

/// Measures in rounds; the contestants take turns.
pub(crate) async fn figures(url: &str, rounds: usize) -> Result<[Figure; 2]> {
    let context = Context::new(SystemClock, SystemEntropy);
    let client = redis::Client::open(url).context("the address of Redis is none")?;
    let mut bare = client.get_multiplexed_async_connection().await.context("Redis does not answer")?;
    let limiter = RedisLimiter::new(&Redis::open(url.into(), RedisTimeouts::default(), context.clone())?);
    let consumptions = consumptions(&context)?;
    let figure = |what, bar| Figure::new(what, "Redis", "ms", bar).beside("the script alone");
    let mut usual = figure("counting a request of a caller and a tenant: median", Bar::None);
    let mut slowest = figure("the same: 99th percentile", Bar::RatioAtMost(2.0));
    for round in 0..rounds {
        let (ours, alone) = if round.is_multiple_of(2) {
            let ours = by_limiter(&limiter, &consumptions).await?;
            (ours, by_script(&mut bare, &consumptions).await?)
        } else {
            let alone = by_script(&mut bare, &consumptions).await?;
            (by_limiter(&limiter, &consumptions).await?, alone)
        };
        for (figure, part) in [(&mut usual, 0.5), (&mut slowest, 0.99)] {
            let [ours, alone] = [&ours, &alone].map(|times| quantile(times, part).as_secs_f64() * 1e3);
            figure.add(ours, Some(alone));
        }
    }
    Ok([usual, slowest])
}

/// Returns consumptions of a caller and a tenant that never reach a limit.
fn consumptions(context: &Context) -> Result<Vec<Consumption>> {
    let most = NonZeroU32::new(1_000_000).context("not zero")?;
    let quotas = PlanQuotas { caller: most, tenant: most };
    let policies = Policies { without_plan: most, plans: vec![("enterprise", quotas)] };
    Ok(policies.of_member(TenantId::new(context), UserId::new(context), "enterprise"))
}

async fn by_limiter(limiter: &RedisLimiter, consumptions: &[Consumption]) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        limiter.consume(consumptions, NonZeroU32::MIN).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

async fn by_script(connection: &mut MultiplexedConnection, consumptions: &[Consumption]) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let began = Instant::now();
        let _answer: Vec<i64> = limiter_command(consumptions, NonZeroU32::MIN).query_async(connection).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}
