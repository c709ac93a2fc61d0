//! Waiting for what must come true, and counting how often a race is run.

use std::time::{Duration, Instant};

/// How often a race is run: `usual` times, or as often as `TENANTRY_ROUNDS` says.
///
/// The usual number keeps the suite short. `TENANTRY_ROUNDS=200 cargo xtask test -E 'binary(e2e) and test(se1_)'` shows
/// the figure that the project promises.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
pub(crate) fn rounds(usual: u32) -> u32 {
    match std::env::var("TENANTRY_ROUNDS") {
        Ok(text) => text.parse().expect("TENANTRY_ROUNDS is a number"),
        Err(_) => usual,
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    const LIMIT: Duration = Duration::from_secs(20);
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < LIMIT, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Asks over and over until something is so. Whoever asks later than `limit` from now must find it so. Returns after
/// how long that was.
pub(crate) async fn within(limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let asked = began.elapsed();
        if is_so().await {
            return asked;
        }
        assert!(asked <= limit, "after {asked:?} it was not yet so that {what}");
    }
}
