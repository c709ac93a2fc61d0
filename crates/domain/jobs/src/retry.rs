//! Retry schedules of failed jobs.

use std::time::Duration;
use tenantry_kernel::Context;

/// Exponential backoff: waits double with each attempt up to a maximum. Each wait is spread by a fifth, so that jobs
/// that failed together are not retried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Wait after the first attempt.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl RetryPolicy {
    /// Returns the wait after this attempt, counted from 1; `None` after the last.
    pub fn wait(&self, attempt: u32, context: &Context) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let [byte] = context.random::<1>();
        Some(doubled.min(self.longest).mul_f64(0.8 + 0.4 * f64::from(byte) / 255.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_kernel::{Clock, Entropy, Timestamp};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_millis(0).expect("a time")
        }
    }

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_last_try() {
        let policy = RetryPolicy { max_attempts: 5, first: Duration::from_secs(10), longest: Duration::from_secs(35) };
        let waits = |byte| -> Vec<Option<f64>> {
            let context = Context::new(Still, Always(byte));
            (1..=5).map(|attempt| policy.wait(attempt, &context).map(|wait| wait.as_secs_f64())).collect()
        };
        assert_eq!(waits(0), [Some(8.0), Some(16.0), Some(28.0), Some(28.0), None]);
        assert_eq!(waits(255), [Some(12.0), Some(24.0), Some(42.0), Some(42.0), None]);
    }
}
