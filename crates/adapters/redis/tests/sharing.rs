//! Requests that arrive while a round trip is under way share the next one, and each is counted exactly.

use futures::future::join_all;
use std::{num::NonZeroU32, time::Duration};
use tenantry_kernel::TenantId;
use tenantry_limits::{Consumption, LimitKey, Limiter, Policy, RateQuota};
use tenantry_redis::{Redis, RedisLimiter, RedisTimeouts};
use tenantry_testkit::{context, redis::RedisServer};

const LIMIT: u32 = 100;
/// Long, so that nothing comes back during a test.
const WINDOW: Duration = Duration::from_secs(3600);

fn limiter(server: &RedisServer) -> RedisLimiter {
    let limits = RedisTimeouts { command: Duration::from_secs(5), ..RedisTimeouts::default() };
    RedisLimiter::new(&Redis::open(server.url().into(), limits, context::real()).expect("a thread"))
}

fn consumption(tenant: TenantId) -> Consumption {
    let limit = NonZeroU32::new(LIMIT).expect("not zero");
    Consumption { policy: Policy::Tenant, key: LimitKey::Tenant(tenant), quota: RateQuota { limit, window: WINDOW } }
}

async fn admits(limiter: &RedisLimiter, tenant: TenantId) -> u32 {
    let consumed = limiter.consume(&[consumption(tenant)], NonZeroU32::MIN).await.expect("an answer");
    u32::from(consumed.is_admitted())
}

async fn connect(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

async fn scripts_run(server: &RedisServer) -> u32 {
    let info: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut connect(server).await).await.expect("an answer");
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls=")?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_share_round_trips() {
    let server = RedisServer::start();
    let limiter = limiter(&server);
    let tenants: Vec<TenantId> = (0..400).map(|_| TenantId::new(&context::real())).collect();
    let admitted = join_all(tenants.iter().map(|tenant| admits(&limiter, *tenant))).await;
    assert_eq!(admitted.iter().sum::<u32>(), 400, "each has a counter of its own");
    let scripts = scripts_run(&server).await;
    assert!((7..40).contains(&scripts), "400 requests took {scripts} scripts");
}

/// A request that one of several consumptions refuses counts nothing after it, and the requests beside it count on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_leaves_those_beside_it_alone() {
    let server = RedisServer::start();
    let limiter = limiter(&server);
    let (full, free, other) =
        (TenantId::new(&context::real()), TenantId::new(&context::real()), TenantId::new(&context::real()));
    join_all((0..LIMIT).map(|_| admits(&limiter, full))).await;
    let both = [consumption(full), consumption(free)];
    let refused = (0..20).map(|_| limiter.consume(&both, NonZeroU32::MIN));
    let beside = (0..20).map(|_| admits(&limiter, other));
    let (refused, beside) = futures::join!(join_all(refused), join_all(beside));
    for consumed in refused {
        let consumed = consumed.expect("an answer");
        assert!(!consumed.is_admitted());
        assert_eq!(consumed.statuses.len(), 1, "the second was not asked for");
    }
    assert_eq!(beside.iter().sum::<u32>(), 20);
    assert_eq!(join_all((0..LIMIT).map(|_| admits(&limiter, free))).await.iter().sum::<u32>(), LIMIT);
}

/// The script of the first release, which counted one request in each round trip.
const ONE_BY_ONE: &str = "\
    local time = redis.call('TIME') \
    local now = time[1] * 1000000 + time[2] \
    local since = redis.call('GET', KEYS[1]) \
    if not since then since = string.format('%.0f', now); redis.call('SET', KEYS[1], since) end \
    local answer = {since, string.format('%.0f', now)} \
    for place = 2, #KEYS do \
        local window, step = tonumber(ARGV[2 * place - 3]), tonumber(ARGV[2 * place - 2]) \
        local full = tonumber(redis.call('GET', KEYS[place]) or now) \
        full = math.min(math.max(full, now), now + window) + step \
        local wait = full - now - window \
        if wait > 0 then answer[2 * place - 1] = 0; answer[2 * place] = wait; return answer end \
        redis.call('SET', KEYS[place], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000)) \
        answer[2 * place - 1] = -wait; answer[2 * place] = -1 \
    end \
    return answer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_the_first_release_counts_on_the_same_keys() {
    /// More than the limit in all, and any two of them less.
    const EACH: u32 = LIMIT * 2 / 5;
    let server = RedisServer::start();
    let (one, other, first_release) = (limiter(&server), limiter(&server), connect(&server).await);
    let tenant = TenantId::new(&context::real());
    let window = WINDOW.as_micros().to_string();
    let step = (WINDOW.as_micros() / u128::from(LIMIT)).to_string();
    let by_first_release = async || {
        let key = format!("tenantry:limit:{tenant}:tenant:{LIMIT}/{}", WINDOW.as_secs());
        let mut command = redis::cmd("EVAL");
        command.arg(ONE_BY_ONE).arg(2).arg("tenantry:limit:since").arg(key).arg(&window).arg(&step);
        let answer: Vec<i64> = command.query_async(&mut first_release.clone()).await.expect("an answer");
        u32::from(answer[3] < 0)
    };
    let (of_one, of_other, of_first) = futures::join!(
        join_all((0..EACH).map(|_| admits(&one, tenant))),
        join_all((0..EACH).map(|_| admits(&other, tenant))),
        join_all((0..EACH).map(|_| by_first_release())),
    );
    let [of_one, of_other, of_first] = [of_one, of_other, of_first].map(|admitted| admitted.iter().sum::<u32>());
    assert_eq!(of_one + of_other + of_first, LIMIT, "{of_one} + {of_other} + {of_first}");
}
