//! What is read when somebody asks, rather than counted when it happens.

use metrics::{counter, gauge};
use std::time::Duration;
use tokio::time::timeout;

use crate::App;

use super::process;

/// How long everything has that waits for something else; what is not there by then is left as it was.
const LIMIT: Duration = Duration::from_millis(750);

/// Reads everything anew.
pub(super) async fn collect(app: &App) {
    from_this_process(app);
    let is_up = timeout(LIMIT, from_the_database(app)).await.is_ok_and(|answered| answered);
    gauge!("tenantry_up", "component" => "database").set(f64::from(u8::from(is_up)));
}

fn from_this_process(app: &App) {
    gauge!("tenantry_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    process::collect();
    counter!("tenantry_db_statements_total").absolute(app.store.statements());
    for figures in app.store.pools() {
        for (state, count) in [("used", figures.used), ("idle", figures.idle)] {
            gauge!("tenantry_db_pool_connections", "pool" => figures.pool, "state" => state).set(count as f64);
        }
    }
    let (sessions, tokens) = app.authority.sizes();
    gauge!("tenantry_authority_cache_entries").set(sessions as f64);
    gauge!("tenantry_token_cache_entries").set(tokens as f64);
    if let Some(age) = app.authority.feed_age() {
        gauge!("tenantry_authority_feed_age_seconds").set(age.as_secs_f64());
    }
}

/// Everything that takes a statement; whether the database answered.
async fn from_the_database(app: &App) -> bool {
    app.store.ping().await.is_ok()
}
