//! The loop of a worker.

use std::{sync::Arc, time::Duration};
use tenantry_jobs::{Claimed, FairnessCursor, Job, JobClaims, PayloadFormat, Schedule, WakeUp};
use tenantry_kernel::{Context, StoreError, Timestamp, TraceContext};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::{
    Handlers, JobStore, QueueConfig, WorkerConfig,
    in_flight::{EndedAttempt, InFlight, InFlightJob, StartGate},
    newer::LeftToOthers,
    schedules::fire_until,
    tick::{Tick, TickPlan, tick},
};

/// Runs jobs until it is told to stop.
pub struct Worker<S> {
    store: S,
    context: Context,
    wake_up: Arc<dyn WakeUp>,
    handlers: Arc<Handlers>,
    schedules: Vec<Schedule>,
    config: WorkerConfig,
    turned: Arc<dyn Fn() + Send + Sync>,
}

/// Minimum interval of time-driven work (due jobs, expired leases) while there is other work.
const ADVANCE: Duration = Duration::from_millis(100);
/// Number of attempts to record the last outcomes of a stopping worker.
const LAST_TRIES: u32 = 5;

impl<S: JobStore> Worker<S> {
    /// Creates a worker that has not started.
    pub fn new(
        store: S,
        context: Context,
        wake_up: Arc<dyn WakeUp>,
        handlers: Handlers,
        schedules: Vec<Schedule>,
        config: WorkerConfig,
    ) -> Self {
        let turned = Arc::new(|| {});
        Self { store, context, wake_up, handlers: Arc::new(handlers), schedules, config, turned }
    }

    /// Sets a function that is called on every iteration, even while the store fails, so that a watchdog can tell a
    /// waiting worker from a stuck one. Two calls are at most a heartbeat plus the deadlines of two units apart.
    #[must_use]
    pub fn with_pulse(self, turned: impl Fn() + Send + Sync + 'static) -> Self {
        Self { turned: Arc::new(turned), ..self }
    }

    /// Runs until `stop` is cancelled. Then takes no more jobs, waits for running ones until `hand_back` is cancelled,
    /// and hands back unfinished ones.
    pub async fn run(self, stop: CancellationToken, hand_back: CancellationToken) {
        let schedules = tokio::spawn(fire_until(
            stop.clone(),
            self.store.clone(),
            self.context.clone(),
            self.schedules.clone(),
            self.wake_up.clone(),
        ));
        let mut work = Work::new(&self);
        work.until(&stop).await;
        work.end(&hand_back).await;
        if schedules.await.is_err() {
            tracing::error!("the schedule loop of the worker panicked");
        }
    }
}

/// State of a running worker.
struct Work<'w, S> {
    worker: &'w Worker<S>,
    in_flight: InFlight,
    /// For each queue, the slots for running jobs: some jobs are claimed before there is a slot for them.
    places: Vec<Arc<Semaphore>>,
    cursors: Vec<FairnessCursor>,
    left: LeftToOthers,
    /// For each queue, whether the last claim returned jobs. Then the next one may too, and beside a commit that
    /// happens anyway it costs little.
    is_busy: Vec<bool>,
    reports: (UnboundedSender<EndedAttempt>, UnboundedReceiver<EndedAttempt>),
    /// Time of the next poll, and the interval after it.
    next_look: Instant,
    poll: Duration,
    next_advance: Instant,
    renewed: (Instant, Timestamp),
    is_failing: bool,
}

impl<'w, S: JobStore> Work<'w, S> {
    fn new(worker: &'w Worker<S>) -> Self {
        let now = Instant::now();
        let places = |queue: &QueueConfig| Arc::new(Semaphore::new(queue.concurrency as usize));
        Self {
            worker,
            in_flight: InFlight::default(),
            places: worker.config.queues.iter().map(places).collect(),
            is_busy: vec![false; worker.config.queues.len()],
            left: LeftToOthers::default(),
            cursors: vec![FairnessCursor::default(); worker.config.queues.len()],
            reports: unbounded_channel(),
            next_look: now,
            poll: worker.config.shortest_poll,
            next_advance: now,
            renewed: (now, worker.context.now()),
            is_failing: false,
        }
    }

    async fn until(&mut self, stop: &CancellationToken) {
        loop {
            (self.worker.turned)();
            let has_reports = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(report) = self.reports.1.recv() => {
                    self.in_flight.has_ended(report);
                    true
                }
                () = self.worker.wake_up.called(), if self.room().any(|room| room > 0) => {
                    self.next_look = Instant::now();
                    false
                }
                () = tokio::time::sleep_until(self.next_look) => false,
            };
            self.gather_reports().await;
            let looks = Instant::now() >= self.next_look;
            let is_busy = self.is_busy.contains(&true);
            let renews = self.must_renew();
            if renews {
                self.in_flight.hand_back_waiting();
            }
            let asks = |is_busy: bool, room| if looks || is_busy { room } else { 0 };
            let mut plan = TickPlan {
                renews,
                advances: (looks || is_busy) && Instant::now() >= self.next_advance,
                claims: self.is_busy.iter().zip(self.room()).map(|(is_busy, room)| asks(*is_busy, room)).collect(),
                except: self.left.formats(),
            };
            // Some stores have one writer, and an idle worker must not occupy it.
            let is_idle = !has_reports && !is_busy && self.in_flight.reports().is_empty() && !plan.renews;
            if is_idle && !self.is_failing {
                match self.is_anything_due(&plan.except).await {
                    Ok(true) => {}
                    Ok(false) => {
                        self.rest();
                        continue;
                    }
                    Err(error) => {
                        self.note_failure(&error);
                        continue;
                    }
                }
                plan.advances = true;
            }
            if self.in_flight.reports().is_empty() && !plan.asks_anything() {
                // Every slot is taken: polling is useless until one is free.
                if looks {
                    self.rest();
                }
                continue;
            }
            match self.tick(&plan).await {
                Ok(tick) => {
                    for (queue, _) in plan.claims.iter().enumerate().filter(|(_, limit)| **limit > 0) {
                        self.is_busy[queue] = tick.claimed.iter().any(|(of, _)| *of == queue);
                    }
                    // Behind jobs for newer programs there may be others.
                    let has_claimed = !tick.claimed.is_empty() || !tick.newer.is_empty();
                    if !has_claimed && looks {
                        self.rest();
                    } else if has_claimed {
                        self.poll = self.worker.config.shortest_poll;
                        self.next_look = Instant::now() + self.poll;
                    }
                    self.take_up(tick);
                }
                Err(error) => self.note_failure(&error),
            }
        }
    }

    /// Waits for running jobs until `hand_back`, then hands them back.
    async fn end(&mut self, hand_back: &CancellationToken) {
        self.in_flight.hand_back_waiting();
        loop {
            (self.worker.turned)();
            let plan = TickPlan { renews: self.must_renew(), ..TickPlan::default() };
            if (plan.renews || !self.in_flight.reports().is_empty())
                && let Err(error) = self.tick(&plan).await.map(|tick| self.take_up(tick))
            {
                self.note_failure(&error);
            }
            if self.in_flight.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = hand_back.cancelled() => break,
                Some(report) = self.reports.1.recv() => self.in_flight.has_ended(report),
                () = tokio::time::sleep(self.worker.config.heartbeat) => {}
            }
        }
        self.in_flight.hand_back();
        for _ in 0..LAST_TRIES {
            if self.in_flight.reports().is_empty() {
                break;
            }
            match self.tick(&TickPlan::default()).await {
                Ok(tick) => self.take_up(tick),
                Err(error) => {
                    self.note_failure(&error);
                    tokio::time::sleep(self.worker.config.shortest_poll).await;
                }
            }
        }
    }

    /// Collects more reports for the same commit. Waits briefly for short jobs, which end every moment.
    async fn gather_reports(&mut self) {
        loop {
            tokio::task::yield_now().await;
            let Ok(report) = self.reports.1.try_recv() else { return };
            self.in_flight.has_ended(report);
            while let Ok(report) = self.reports.1.try_recv() {
                self.in_flight.has_ended(report);
            }
        }
    }

    /// Returns how many more jobs of each queue to claim.
    fn room(&self) -> impl Iterator<Item = u32> {
        let queues = self.worker.config.queues.iter().enumerate();
        queues.map(|(place, queue)| self.in_flight.room(place, queue.concurrency))
    }

    /// Compares both clocks: the store uses the wall clock, which may jump.
    fn must_renew(&self) -> bool {
        let (heartbeat, now) = (self.worker.config.heartbeat, self.worker.context.now());
        let (at, by_wall_clock) = self.renewed;
        !self.in_flight.is_empty()
            && (at.elapsed() >= heartbeat || now.since(by_wall_clock) >= heartbeat || now < by_wall_clock)
    }

    async fn is_anything_due(&self, except: &[PayloadFormat]) -> Result<bool, StoreError> {
        let queues: Vec<&str> = self.worker.config.queues.iter().map(|queue| queue.name.as_str()).collect();
        self.worker.store.read().await?.has_due_jobs(&queues, except, self.worker.context.now()).await
    }

    /// Lengthens the poll interval after a poll that found nothing.
    fn rest(&mut self) {
        self.poll = (self.poll * 2).min(self.worker.config.longest_poll);
        self.next_look = Instant::now() + self.poll;
    }

    fn note_failure(&mut self, error: &StoreError) {
        if !self.is_failing {
            tracing::warn!(error = %error, "the queue does not answer; jobs wait");
        }
        self.is_failing = true;
        self.poll = self.worker.config.longest_poll;
        self.next_look = Instant::now() + self.poll;
    }

    async fn tick(&mut self, plan: &TickPlan) -> Result<Tick, StoreError> {
        let Worker { store, context, handlers, config, .. } = self.worker;
        let (at, by_wall_clock) = (Instant::now(), context.now());
        let tick = tick(store, context, handlers, config, &self.in_flight, &self.cursors, plan).await?;
        self.is_failing = false;
        if plan.renews || self.in_flight.is_empty() {
            self.renewed = (at, by_wall_clock);
        }
        if plan.advances {
            self.next_advance = at + ADVANCE;
        }
        Ok(tick)
    }

    fn take_up(&mut self, tick: Tick) {
        self.in_flight.noted(&tick.refused);
        self.in_flight.lose(&tick.lost);
        self.cursors = tick.cursors;
        tick.newer.iter().for_each(|job| self.left.leave(job));
        for (queue, claimed) in tick.claimed {
            self.begin(queue, claimed);
        }
    }

    fn begin(&mut self, queue: usize, claimed: Claimed) {
        let (claim, job) = (claimed.claim, claimed.job.clone());
        let (handlers, context, reports) =
            (self.worker.handlers.clone(), self.worker.context.clone(), self.reports.0.clone());
        let places = self.places[queue].clone();
        let beginning = StartGate::default();
        let decision = beginning.clone();
        let span = span(&job);
        let run = async move {
            let Ok(_place) = places.acquire().await else { return };
            if !decision.decide() {
                return;
            }
            let lag = context.now().since(claimed.job.run_at);
            metrics::histogram!("tenantry_job_lag_seconds", "queue" => claimed.job.queue.clone())
                .record(lag.as_secs_f64());
            let begun = Instant::now();
            let ended = handlers.run(claimed, &context).await;
            let outcome = ended.outcome.as_ref().map_or("completed", name);
            metrics::histogram!("tenantry_job_run_seconds", "kind" => ended.kind, "outcome" => outcome)
                .record(begun.elapsed().as_secs_f64());
            // The channel has no receiver once the worker has ended.
            let _ = reports.send(EndedAttempt { claim, outcome: ended.outcome });
        };
        let task = tokio::spawn(run.instrument(span));
        self.in_flight.take_up(claim, InFlightJob { queue, job, task: task.abort_handle(), beginning });
    }
}

/// Creates the span of a job's log entries: its tenant and the request that caused it.
fn span(job: &Job) -> Span {
    let tenant = job.tenant.map(|tenant| tenant.to_string());
    let trace = job.trace.as_deref().and_then(|trace| trace.parse::<TraceContext>().ok());
    let (request_id, trace_id) = trace.map(|trace| (trace.request.to_string(), trace.trace.to_string())).unzip();
    tracing::info_span!("job", job = %job.id, kind = job.kind, queue = job.queue, tenant, request_id, trace_id)
}

fn name(outcome: &tenantry_jobs::AttemptOutcome) -> &'static str {
    use tenantry_jobs::AttemptOutcome;
    match outcome {
        AttemptOutcome::Completed => "completed",
        AttemptOutcome::RetryAt { .. } => "failed",
        AttemptOutcome::Dead { .. } => "dead",
        AttemptOutcome::Discarded { .. } => "discarded",
        AttemptOutcome::Snoozed { .. } => "snoozed",
        AttemptOutcome::HandedBack => "handed_back",
    }
}
