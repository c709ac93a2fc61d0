//! Tests of the real program under faults: killed, stopped, cut off from its database (HARDENING section 2).
//!
//! `TENANTRY_ROUNDS` sets the number of kills per test; the full figure is 20: `TENANTRY_ROUNDS=20 cargo xtask test -E
//! 'test(faults::kill)'`.

mod address;
mod cluster;
mod disk;
mod jobs;
mod keep_alive;
mod kill;
mod ledger;
mod limits;
mod load;
mod metrics;
mod modes;
mod outbox;
mod pooler;
mod postgres;
mod process;
mod redis;
mod rolling;
mod settings;
mod smtp;
mod sqlite;
mod start;
mod stop;
mod strangers;
mod switch_over;

use std::time::{Duration, Instant};
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_kernel::Context;

/// Maximum time until the server serves again after any fault.
const HEALED: Duration = Duration::from_secs(5);

/// Interval of polls.
const POLL: Duration = Duration::from_millis(10);

/// Returns how often a test kills by default.
fn kills() -> u32 {
    crate::support::rounds(3)
}

/// Returns a random time up to this limit.
fn some_of(limit: Duration) -> Duration {
    let [byte] = Context::new(SystemClock, SystemEntropy).random::<1>();
    limit.mul_f64(f64::from(byte) / 255.0)
}

/// Polls until there is a result, and returns it with the time that it took.
async fn answer_within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return (answer, began.elapsed());
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Runs a test with its own runtime.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// Generates one test on SQLite and one on PostgreSQL from each function.
macro_rules! on_each_database {
    ($(async fn $name:ident($kind:ident: Kind) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn test($kind: Kind) $body

            #[test]
            fn sqlite() {
                crate::faults::run(test(Kind::Sqlite));
            }

            #[test]
            fn postgres() {
                crate::faults::run(test(Kind::Postgres));
            }
        }
    )*};
}
use on_each_database;
