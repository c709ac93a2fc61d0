//! The operating system's clock and random source.

use chrono::Utc;
use tenantry_kernel::{Clock, Entropy, Timestamp};

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of the program, which all other code takes as an argument"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::new(Utc::now())
    }
}

/// The operating system's generator of random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Fills the buffer with random bytes.
    ///
    /// # Panics
    ///
    /// Panics when the operating system provides no random bytes. Continuing would be unsafe, since ids, tokens and
    /// keys would be guessable. On supported systems this can happen only early during boot.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system returned no random bytes: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_kernel::Context;

    #[test]
    fn the_clock_runs_in_milliseconds() {
        let now = SystemClock.now();
        assert_eq!(Timestamp::from_unix_millis(now.unix_millis()), Some(now));
        assert!(now <= SystemClock.now().plus(std::time::Duration::from_secs(1)));
    }

    #[test]
    fn the_dice_do_not_repeat_themselves() {
        let context = Context::new(SystemClock, SystemEntropy);
        assert_ne!(context.random::<32>(), context.random::<32>());
        assert_ne!(context.random::<32>(), [0; 32]);
    }
}
