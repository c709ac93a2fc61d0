//! Waking workers, so that a job begins when it is committed and not at the next look.

use async_trait::async_trait;

/// Wakes workers. It only hurries them: a worker looks at the table by itself too.
#[async_trait]
pub trait WakeUp: Send + Sync {
    /// Tells workers, here and elsewhere, that there is work. Never waits; calls in quick succession are coalesced.
    fn call(&self);

    /// Waits until somebody called since the last time.
    async fn called(&self);
}
