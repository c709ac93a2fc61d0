//! Waits for conditions.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    const LIMIT: Duration = Duration::from_secs(20);
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < LIMIT, "it never came true that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Polls until the condition holds, and returns how long that took. A poll later than `limit` from now must succeed.
/// Adds the time in which this process was not scheduled to the limit.
pub(crate) async fn within(limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let (began, starved) = (Instant::now(), Starved::watch());
    loop {
        let asked = began.elapsed();
        if is_so().await {
            return asked;
        }
        let lost = starved.so_far();
        assert!(
            asked <= limit + lost,
            "after {asked:?} it was not yet so that {what} (nothing could run for {lost:?})"
        );
    }
}

/// Measures for how long a thread that is ready to run is not scheduled.
struct Starved {
    state: Arc<Mutex<(Duration, Instant)>>,
    done: Arc<AtomicBool>,
}

impl Starved {
    const NAP: Duration = Duration::from_millis(5);

    fn watch() -> Self {
        let state = Arc::new(Mutex::new((Duration::ZERO, Instant::now())));
        let done = Arc::new(AtomicBool::new(false));
        std::thread::spawn({
            let (state, done) = (state.clone(), done.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Self::NAP);
                    let mut state = state.lock().unwrap();
                    *state = (Self::lost(*state), Instant::now());
                }
            }
        });
        Self { state, done }
    }

    /// Returns the lost time, including the part of the current nap that is overdue.
    fn lost((before, nap_began): (Duration, Instant)) -> Duration {
        before + nap_began.elapsed().saturating_sub(Self::NAP)
    }

    fn so_far(&self) -> Duration {
        Self::lost(*self.state.lock().unwrap())
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}
