//! Hashes passwords with Argon2id (RFC 9106) on dedicated threads, so that a flood of sign-ins does not slow other
//! requests.

use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash as Phc, Version};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};
use subtle::ConstantTimeEq;
use tenantry_identity::{HasherError, Password, PasswordHash, PasswordHasher, PasswordMatch};
use tokio::sync::oneshot;

/// Cost of one hash. Each hash has one lane; the threads of the pool provide the parallelism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Parameters {
    /// Memory in KiB, at least 8.
    pub memory_kib: u32,
    /// Passes over the memory, at least 1.
    pub iterations: u32,
}

/// Returns 19 MiB and two passes, as OWASP's Password Storage Cheat Sheet recommends.
impl Default for Argon2Parameters {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2 }
    }
}

impl Argon2Parameters {
    /// KiB of memory that one thread passes over in two seconds. Measured: two passes over 19 MiB take 25 ms.
    const KIB_IN_TWO_SECONDS: u64 = 3_000_000;

    /// Returns how many hashes may wait so that the last one waits for about two seconds: 77 per thread by default.
    pub fn queue_capacity(self, threads: usize) -> usize {
        let kib = u64::from(self.memory_kib).saturating_mul(self.iterations.into()).max(1);
        let per_thread = (Self::KIB_IN_TWO_SECONDS / kib).clamp(2, 1_000);
        threads.saturating_mul(usize::try_from(per_thread).unwrap_or(usize::MAX))
    }
}

/// Reasons why the pool cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Argon2Error {
    /// Less than 8 KiB of memory, or no pass.
    #[error("argon2 does not support these parameters: {0}")]
    Parameters(argon2::Error),
    /// The operating system refuses to create a thread.
    #[error("no thread for password hashes could be started")]
    Thread(#[from] io::Error),
}

/// A pool of threads that hash passwords. Each thread computes one hash at a time and reuses its memory.
///
/// Dropping the pool waits for running hashes (tens of milliseconds) and ends the threads.
pub struct Argon2Pool {
    today: Params,
    load: Load,
    // the field order matters: the threads end after the queue is dropped
    queue: SyncSender<Job>,
    _threads: Threads,
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// Load of the pool, for the metrics.
#[derive(Clone)]
struct Load {
    waiting: Gauge,
    running: Gauge,
    refused: Counter,
    seconds: Histogram,
}

impl Load {
    fn new() -> Self {
        Self {
            waiting: gauge!("tenantry_password_hashes", "state" => "waiting"),
            running: gauge!("tenantry_password_hashes", "state" => "running"),
            refused: counter!("tenantry_password_hashes_refused_total"),
            seconds: histogram!("tenantry_password_hash_seconds"),
        }
    }
}

/// Counts a running hash until dropped, even if the hash panics.
struct Running<'a>(&'a Load, Instant);

impl<'a> Running<'a> {
    fn begin(load: &'a Load) -> Self {
        load.running.increment(1.0);
        Self(load, Instant::now())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.decrement(1.0);
        self.0.seconds.record(self.1.elapsed());
    }
}

struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // an error means that the thread panicked, which was reported there
            let _ = thread.join();
        }
    }
}

impl Argon2Pool {
    /// Starts the threads, at least one. At most `capacity` hashes wait; [`Argon2Parameters::queue_capacity`] returns a
    /// suitable number.
    pub fn new(parameters: Argon2Parameters, threads: usize, capacity: usize) -> Result<Self, Argon2Error> {
        let today =
            Params::new(parameters.memory_kib, parameters.iterations, 1, None).map_err(Argon2Error::Parameters)?;
        let (queue, jobs) = sync_channel(capacity);
        let jobs = Arc::new(Mutex::new(jobs));
        let usual = today.block_count();
        let mut pool = Self { today, load: Load::new(), queue, _threads: Threads(Vec::new()) };
        for number in 0..threads.max(1) {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name(format!("argon2-{number}")).spawn(move || work(&jobs, usual))?;
            pool._threads.0.push(thread);
        }
        Ok(pool)
    }

    /// Runs the task on a thread of the pool, unless the caller has been dropped before the task's turn.
    async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Worker) -> Result<T, HasherError> + Send + 'static,
    ) -> Result<T, HasherError> {
        let (reply, answer) = oneshot::channel();
        let load = self.load.clone();
        let job: Job = Box::new(move |worker| {
            load.waiting.decrement(1.0);
            if !reply.is_closed() {
                let _running = Running::begin(&load);
                // an error means that the caller no longer waits
                let _ = reply.send(task(worker));
            }
        });
        self.load.waiting.increment(1.0);
        if let Err(error) = self.queue.try_send(job) {
            self.load.waiting.decrement(1.0);
            return Err(match error {
                TrySendError::Full(_) => {
                    self.load.refused.increment(1);
                    HasherError::Busy
                }
                TrySendError::Disconnected(_) => HasherError::Failed("the threads have ended".into()),
            });
        }
        answer.await.unwrap_or_else(|_| Err(HasherError::Failed("the hash panicked".into())))
    }
}

#[async_trait]
impl PasswordHasher for Argon2Pool {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError> {
        let today = self.today.clone();
        self.run(move |worker| worker.hash(&password, &today)).await
    }

    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<PasswordMatch, HasherError> {
        let today = self.today.clone();
        let stored = match &hash {
            Some(hash) => Stored::parse(hash, &today)?,
            None => Stored::dummy(&today),
        };
        self.run(move |worker| {
            let fits = worker.fits(&password, &stored)?;
            let outdated = stored.params.m_cost() < today.m_cost() || stored.params.t_cost() < today.t_cost();
            Ok(match (fits && hash.is_some(), outdated) {
                (false, _) => PasswordMatch::Wrong,
                (true, false) => PasswordMatch::Right,
                (true, true) => PasswordMatch::RightButOutdated,
            })
        })
        .await
    }
}

impl fmt::Debug for Argon2Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Pool").field("today", &self.today).finish_non_exhaustive()
    }
}

/// Runs jobs until the pool is dropped. A hash that panics returns an error and does not end the thread.
fn work(jobs: &Mutex<Receiver<Job>>, usual: usize) {
    yield_to_other_threads();
    let mut worker = Worker { usual, blocks: Vec::new() };
    loop {
        // the lock is released before the job runs
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(|| job(&mut worker))).is_err() {
            tracing::error!("a password hash panicked");
        }
    }
}

/// On Linux the nice value belongs to each thread; elsewhere it would change the whole process.
#[cfg(target_os = "linux")]
fn yield_to_other_threads() {
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "password hashes run at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn yield_to_other_threads() {}

/// State that one thread keeps between hashes.
struct Worker {
    /// Number of blocks that the current parameters need; allocated for the first hash.
    usual: usize,
    blocks: Vec<Block>,
}

impl Worker {
    const SALT_BYTES: usize = 16;
    const OUTPUT_BYTES: usize = Params::DEFAULT_OUTPUT_LEN;

    fn hash(&mut self, password: &Password, params: &Params) -> Result<PasswordHash, HasherError> {
        let mut salt = [0; Self::SALT_BYTES];
        getrandom::fill(&mut salt).map_err(failed)?;
        let mut output = [0; Self::OUTPUT_BYTES];
        self.fill(password, &salt, params, &mut output)?;
        Ok(PasswordHash::new(format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            params.m_cost(),
            params.t_cost(),
            params.p_cost(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output),
        )))
    }

    fn fits(&mut self, password: &Password, stored: &Stored) -> Result<bool, HasherError> {
        let mut output = vec![0; stored.output.len()];
        self.fill(password, &stored.salt, &stored.params, &mut output)?;
        Ok(output.ct_eq(&stored.output).into())
    }

    fn fill(&mut self, password: &Password, salt: &[u8], params: &Params, out: &mut [u8]) -> Result<(), HasherError> {
        let blocks = self.blocks(params.block_count())?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password.bytes(), salt, out, blocks)
            .map_err(failed)
    }

    /// Returns `count` blocks of reused memory. The next usual hash releases what an unusually large one allocated.
    fn blocks(&mut self, count: usize) -> Result<&mut [Block], HasherError> {
        let kept = count.max(self.usual);
        if self.blocks.len() > kept {
            self.blocks.truncate(kept);
            self.blocks.shrink_to_fit();
        }
        self.blocks.try_reserve_exact(kept - self.blocks.len()).map_err(failed)?;
        self.blocks.resize(kept, Block::new());
        Ok(&mut self.blocks[..count])
    }
}

/// A parsed hash to compare with.
struct Stored {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Stored {
    /// Largest memory in KiB that a stored hash may request, unless the current parameters request more. A row that was
    /// tampered with must not exhaust memory or block a thread forever.
    const MAX_MEMORY_KIB: u32 = 1 << 20;
    const MAX_ITERATIONS: u32 = 1_000;
    const MAX_LANES: u32 = 64;

    fn parse(hash: &PasswordHash, today: &Params) -> Result<Self, HasherError> {
        let broken = || HasherError::Failed("the stored hash is not an Argon2id PHC string".into());
        let phc = Phc::new(hash.phc()).map_err(|_| broken())?;
        if phc.algorithm != ARGON2ID_IDENT || phc.version != Some(Version::V0x13.into()) {
            return Err(broken());
        }
        let params = Params::try_from(&phc).map_err(|_| broken())?;
        if params.m_cost() > Self::MAX_MEMORY_KIB.max(today.m_cost())
            || params.t_cost() > Self::MAX_ITERATIONS.max(today.t_cost())
            || params.p_cost() > Self::MAX_LANES
        {
            return Err(HasherError::Failed("the parameters of the stored hash are too expensive".into()));
        }
        let (salt, output) = phc.salt.zip(phc.hash).ok_or_else(broken)?;
        Ok(Self { params, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
    }

    /// Returns a hash that costs as much as a current one and that no known password matches.
    fn dummy(today: &Params) -> Self {
        Self { params: today.clone(), salt: vec![0; Worker::SALT_BYTES], output: vec![0; Worker::OUTPUT_BYTES] }
    }
}

fn failed(error: impl fmt::Display) -> HasherError {
    HasherError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
