//! Wakes the workers of this process.

use async_trait::async_trait;
use tenantry_jobs::WakeUp;
use tokio::sync::Notify;

/// Wakes the workers of this process. Workers of other processes notice new jobs at their next poll.
#[derive(Debug, Default)]
pub struct LocalWakeUp(Notify);

#[async_trait]
impl WakeUp for LocalWakeUp {
    fn call(&self) {
        self.0.notify_one();
    }

    async fn called(&self) {
        self.0.notified().await;
    }
}
