//! Waking the workers of this process.

use async_trait::async_trait;
use tenantry_jobs::WakeUp;
use tokio::sync::Notify;

/// Wakes the workers of this process. Those of others notice at their next look at the table.
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
