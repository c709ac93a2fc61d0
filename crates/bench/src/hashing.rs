//! The upper bound of the sign-in rate: Argon2id alone, on as many threads as the server uses for hashing.

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rustix::time::{ClockId, clock_gettime};
use std::{
    thread,
    time::{Duration, Instant},
};

/// The server's defaults: `ARGON2_MEMORY_KIB`, `ARGON2_ITERATIONS`, one lane.
const PARAMETERS: (u32, u32, u32) = (19_456, 2, 1);

/// Returns the number of hashing threads of the server: one core is left for everything else.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// Hashes in memory that each thread reuses, and returns hashes per second if each thread had a core. The rate is based
/// on processor time, because one process on a busy machine gets less of it than a server with its clients.
pub(crate) fn rate(duration: Duration) -> Result<f64> {
    let workers: Vec<_> = (0..threads()).map(|_| thread::spawn(move || hash_for(duration))).collect();
    workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a hash panicked"))?).sum()
}

fn hash_for(duration: Duration) -> Result<f64> {
    let (memory_kib, iterations, lanes) = PARAMETERS;
    let parameters = Params::new(memory_kib, iterations, lanes, None).map_err(|error| anyhow!("{error}"))?;
    let mut blocks = vec![Block::new(); parameters.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let mut hash = || {
        let done =
            argon2.hash_password_into_with_memory(b"quartz-jockey-vows-imply", &[7; 16], &mut output, &mut blocks);
        done.map_err(|error| anyhow!("{error}"))
    };
    hash()?;
    let (began, used_before, mut count) = (Instant::now(), own_processor_time(), 0_u32);
    while began.elapsed() < duration {
        hash()?;
        count += 1;
    }
    Ok(f64::from(count) / (own_processor_time() - used_before).as_secs_f64())
}

/// Returns the processor time of this thread.
fn own_processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
