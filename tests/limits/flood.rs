use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{Client, Kind, Server, Settings};

/// How many clients of one tenant flood, each as fast as it is answered.
const FLOODERS: usize = 8;
/// How many requests of the other tenant are measured, one every so often.
const MEASURED: usize = 250;
const PAUSE: Duration = Duration::from_millis(10);

/// What the other tenant asks for: a list from the database.
async fn times(client: &Client) -> Vec<Duration> {
    let mut times = Vec::with_capacity(MEASURED);
    for _ in 0..MEASURED {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        client.get("/users").await.is(200);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

fn quantile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[expect(clippy::print_stdout, reason = "the figure that is promised, for whoever looks at the output")]
async fn a_flood_of_requests_of_one_tenant_does_not_slow_another(server: Server) {
    let (acme, globex) = (server.tenant("acme").await, server.tenant("globex").await);
    let unlimited = "RATE_LIMIT_PLANS_PRO";
    assert!(server.app.config.rate_limits.is_some(), "{unlimited} goes with limits that are on");
    server.order_plan(&globex, tenantry_tenancy::Plan::named("pro").unwrap()).await;
    crate::support::eventually("the other plan is felt", async || {
        globex.owner.get("/users").await.header("ratelimit-policy").contains("q=1000000")
    })
    .await;

    let quiet = times(&globex.owner).await;
    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let flood = (0..FLOODERS).map(|_| {
        let (owner, stop, refused) = (acme.owner.client.clone(), stop.clone(), refused.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let reply = owner.get("/users").await;
                assert!(matches!(reply.status.as_u16(), 200 | 429), "{}", reply.text);
                refused.fetch_add(u32::from(reply.status == 429), Ordering::Relaxed);
                // A refused client that comes again at once is what a limit is for, and costs what a refusal costs.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    let flood: Vec<_> = flood.collect();
    let flooded = times(&globex.owner).await;
    stop.store(true, Ordering::Relaxed);
    for client in flood {
        client.await.unwrap();
    }
    let refused = refused.load(Ordering::Relaxed);
    let [before, during] = [&quiet, &flooded].map(|times| (quantile(times, 50), quantile(times, 99)));
    println!("{refused} refused; median and p99 {before:?} when quiet, {during:?} in the flood");
    assert!(refused > 500, "it was no flood: {refused}");
    // A quiet p99 of a millisecond or two is within what the scheduler of a busy machine adds to anything.
    let allowed = (before.1 * 2).max(Duration::from_millis(10));
    assert!(during.1 <= allowed, "p99 was {:?}, quiet {:?}", during.1, before.1);
}

fn settings() -> Settings {
    Settings::default().set("RATE_LIMITS", "on").set("RATE_LIMIT_PLANS_STARTER", "caller=100,tenant=100")
}

#[test]
fn fa13_a_flood_of_requests_of_one_tenant_does_not_slow_another_sqlite() {
    Server::run(Kind::Sqlite, settings(), a_flood_of_requests_of_one_tenant_does_not_slow_another);
}

#[test]
fn fa13_a_flood_of_requests_of_one_tenant_does_not_slow_another_postgres() {
    Server::run(Kind::Postgres, settings(), a_flood_of_requests_of_one_tenant_does_not_slow_another);
}
