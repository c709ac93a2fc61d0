//! How workers hear at once that there is work. The table is looked at anyway: nothing depends on a call but time.

use async_trait::async_trait;

/// Wakes workers.
#[async_trait]
pub trait WakeUp: Send + Sync {
    /// Tells workers, here and elsewhere, that there is work. Never waits; calls in quick succession are coalesced.
    fn call(&self);

    /// Waits until somebody called since the last time.
    async fn called(&self);
}
