//! Waiting for what must come true.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

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
/// how long that was. Where others starve the machine, so much is allowed for as nothing could run.
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

/// Watches for how long a thread that wants to run is not let to.
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

    /// What was lost, the nap included that should be over by now.
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
