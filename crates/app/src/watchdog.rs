//! Detects parts of this process that are stuck: a runtime that some code blocks, or a worker that makes no progress.
//!
//! Each watched task sends heartbeats. A thread of its own, which no other code can block, checks at intervals which
//! tasks have sent a heartbeat since the last check, and counts the checks without one. Time is counted in these
//! checks: while the whole process is stopped or the machine sleeps, no check runs, so no task is late afterwards.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

/// Time between two checks.
const LOOK: Duration = Duration::from_secs(1);
/// Number of checks without a heartbeat after which a runtime counts as stuck.
const RUNTIME_PATIENCE: u32 = 10;

/// A watched task. The watchdog stops watching it when the last reference is dropped.
#[derive(Debug)]
pub(crate) struct Pulse {
    name: &'static str,
    patience: u32,
    has_beaten: AtomicBool,
    missed: AtomicU32,
}

impl Pulse {
    /// Sends a heartbeat.
    pub(crate) fn beat(&self) {
        self.has_beaten.store(true, Ordering::Relaxed);
    }

    fn is_wedged(&self) -> bool {
        self.missed.load(Ordering::Relaxed) >= self.patience
    }

    fn look(&self) {
        if self.has_beaten.swap(false, Ordering::Relaxed) {
            if self.is_wedged() {
                tracing::info!(who = self.name, "a loop runs again");
            }
            self.missed.store(0, Ordering::Relaxed);
        } else if self.missed.fetch_add(1, Ordering::Relaxed) + 1 == self.patience {
            tracing::error!(who = self.name, looks = self.patience, "a loop is stuck");
        }
    }
}

/// Watches registered tasks until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    watched: Arc<Mutex<Vec<Weak<Pulse>>>>,
    period: Duration,
    /// Dropping the sender ends the thread.
    _life: Sender<()>,
}

impl Watchdog {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        Self::with_period(LOOK)
    }

    fn with_period(period: Duration) -> io::Result<Self> {
        let watched: Arc<Mutex<Vec<Weak<Pulse>>>> = Arc::default();
        let (life, ended) = channel();
        std::thread::Builder::new().name("watchdog".to_owned()).spawn({
            let watched = watched.clone();
            move || {
                while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    living(&watched).iter().for_each(|pulse| pulse.look());
                }
            }
        })?;
        Ok(Self { watched, period, _life: life })
    }

    /// Watches a task that sends at least one heartbeat in this number of seconds.
    pub(crate) fn watch(&self, name: &'static str, patience_seconds: u32) -> Arc<Pulse> {
        let (has_beaten, missed) = (AtomicBool::new(true), AtomicU32::new(0));
        let pulse = Arc::new(Pulse { name, patience: patience_seconds, has_beaten, missed });
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pulse));
        pulse
    }

    /// Returns a future to spawn on a single-threaded runtime. The runtime is watched while the future is polled.
    pub(crate) fn watch_runtime(&self, name: &'static str) -> impl Future<Output = ()> + use<> {
        let pulse = self.watch(name, RUNTIME_PATIENCE);
        let mut interval = tokio::time::interval(self.period / 2);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        async move {
            loop {
                interval.tick().await;
                pulse.beat();
            }
        }
    }

    /// Returns the name of a stuck task, if there is one.
    pub(crate) fn wedged(&self) -> Option<&'static str> {
        living(&self.watched).iter().find(|pulse| pulse.is_wedged()).map(|pulse| pulse.name)
    }
}

/// Returns the tasks that are still watched.
fn living(watched: &Mutex<Vec<Weak<Pulse>>>) -> Vec<Arc<Pulse>> {
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    watched.retain(|pulse| pulse.strong_count() > 0);
    watched.iter().filter_map(Weak::upgrade).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App as ActixApp, HttpResponse, HttpServer, web};
    use std::{net::TcpListener, sync::mpsc, time::Instant};
    use tenantry_http::liveness;

    const QUICK: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(10);

    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < LONG, "not in time: {what}");
            std::thread::sleep(QUICK);
        }
    }

    #[test]
    fn a_blocked_runtime_is_noticed_and_so_is_its_recovery() {
        let watchdog = Arc::new(Watchdog::with_period(QUICK).expect("a thread"));
        let (release, blocked) = mpsc::channel::<()>();
        let runtime = std::thread::spawn({
            let watchdog = watchdog.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async move {
                    let watching = tokio::spawn(watchdog.watch_runtime("a runtime"));
                    tokio::time::sleep(QUICK * 20).await;
                    assert_eq!(watchdog.wedged(), None, "it turns");
                    blocked.recv().expect("a word");
                    tokio::time::sleep(QUICK * 20).await;
                    watching.abort();
                });
            }
        });
        eventually("it is noticed", || watchdog.wedged() == Some("a runtime"));
        release.send(()).expect("a client waits");
        eventually("it has recovered", || watchdog.wedged().is_none());
        runtime.join().expect("the runtime ends well");
        assert_eq!(watchdog.wedged(), None, "who has ended is not watched");
    }

    #[test]
    fn who_waits_and_says_so_is_not_wedged() {
        let watchdog = Watchdog::with_period(QUICK).expect("a thread");
        let pulse = watchdog.watch("a worker", 10);
        for _ in 0..40 {
            pulse.beat();
            std::thread::sleep(QUICK);
        }
        assert_eq!(watchdog.wedged(), None);
        eventually("silence is noticed", || watchdog.wedged() == Some("a worker"));
        drop(pulse);
        assert_eq!(watchdog.wedged(), None);
    }

    /// Blocks the thread that serves it until the test is done.
    async fn blocks(until: web::Data<Mutex<mpsc::Receiver<()>>>) -> HttpResponse {
        let released = until.lock().expect("one request").recv_timeout(LONG);
        assert!(released.is_ok(), "the test has forgotten its server");
        HttpResponse::NoContent().finish()
    }

    #[actix_web::test]
    async fn the_other_worker_tells_of_one_that_is_wedged() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let watchdog = web::Data::new(Watchdog::with_period(QUICK).expect("a thread"));
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = web::Data::new(Mutex::new(blocked));
        let server = HttpServer::new({
            let watchdog = watchdog.clone();
            move || {
                actix_web::rt::spawn(watchdog.watch_runtime("a thread that serves HTTP"));
                let livez = web::get().to(async |watchdog: web::Data<Watchdog>| liveness(watchdog.wedged().is_none()));
                let app = ActixApp::new().app_data(blocked.clone()).app_data(watchdog.clone());
                app.route("/blocks", web::get().to(blocks)).route("/livez", livez)
            }
        });
        actix_web::rt::spawn(server.workers(2).disable_signals().listen(listener).expect("a server").run());
        let livez = async || {
            let limit = Duration::from_millis(500);
            let client = reqwest::Client::builder().tls_certs_only([]).pool_max_idle_per_host(0).timeout(limit);
            let client = client.build().expect("a client");
            client.get(format!("http://{address}/livez")).send().await.ok().map(|answer| answer.status().as_u16())
        };
        assert_eq!(livez().await, Some(200));
        let wedging = actix_web::rt::spawn(reqwest::get(format!("http://{address}/blocks")));
        let began = Instant::now();
        // A request that the stuck worker gets is not answered; a request that the other worker gets is.
        while livez().await != Some(503) {
            assert!(began.elapsed() < LONG, "no heartbeat");
        }
        release.send(()).expect("a worker waits");
        assert_eq!(wedging.await.expect("a task").expect("an answer").status(), 204);
        while livez().await != Some(200) {
            assert!(began.elapsed() < LONG, "it does not recover");
        }
    }
}
