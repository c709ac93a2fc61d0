//! Wakes workers when there is a new job. Workers poll the table anyway: a missed wake-up costs only time.

use async_trait::async_trait;

/// Port: wakes workers.
#[async_trait]
pub trait WakeUp: Send + Sync {
    /// Wakes workers, here and in other processes. Never waits; calls in quick succession are merged.
    fn call(&self);

    /// Waits for a wake-up since the last call.
    async fn called(&self);
}
