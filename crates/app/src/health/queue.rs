//! Checks whether jobs are being done.

use std::time::Duration;
use tenantry_http::Status;
use tenantry_jobs::QueueFigures;
use tenantry_kernel::Timestamp;

use crate::config::HealthConfig;

use super::Observation;

/// Judges by the longest delay: of a ready job that waits for a worker, or of a due job that no worker has noticed.
pub(crate) fn check_queue(figures: &[QueueFigures], now: Timestamp, limits: &HealthConfig) -> Observation {
    let longest = |of: fn(&QueueFigures) -> Option<Timestamp>| {
        figures.iter().filter_map(of).map(|since| now.since(since)).max().unwrap_or_default()
    };
    let sum = |of: fn(&QueueFigures) -> u64| figures.iter().map(of).sum::<u64>();
    let (age, lag) = (longest(|queue| queue.oldest_ready), longest(|queue| queue.next_scheduled));
    let dead = sum(|queue| queue.dead);
    let waited = age.max(lag);
    let status = if waited >= limits.queue_age_fail {
        Status::Fail
    } else if waited >= limits.queue_age_warn || dead >= limits.dead_letters_warn {
        Status::Warn
    } else {
        Status::Pass
    };
    let observed = format!(
        "{} ready, the oldest for {} s; {} scheduled, late by {} s; {} running; {dead} dead",
        sum(|queue| queue.ready),
        seconds(age),
        sum(|queue| queue.scheduled),
        seconds(lag),
        sum(|queue| queue.running),
    );
    (status, observed)
}

const fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + seconds * 1_000).expect("a time")
    }

    fn queue(oldest_ready: Option<i64>, next_scheduled: Option<i64>, dead: u64) -> QueueFigures {
        QueueFigures {
            queue: "mail".to_owned(),
            ready: u64::from(oldest_ready.is_some()),
            scheduled: u64::from(next_scheduled.is_some()),
            running: 0,
            dead,
            oldest_ready: oldest_ready.map(at),
            next_scheduled: next_scheduled.map(at),
        }
    }

    #[test]
    fn what_waits_longest_decides() {
        let settings =
            [("HEALTH_QUEUE_AGE_WARN", "10s"), ("HEALTH_QUEUE_AGE_FAIL", "60s"), ("HEALTH_DEAD_LETTERS_WARN", "3")];
        let limits = Config::load(Sources::from_environment(settings)).expect("good").health;
        let check = |queues: &[QueueFigures]| check_queue(queues, at(100), &limits);
        assert_eq!(check(&[]).0, Status::Pass);
        for (queues, wanted) in [
            (vec![queue(Some(91), Some(5_000), 2)], Status::Pass),
            (vec![queue(Some(99), None, 0), queue(Some(90), None, 0)], Status::Warn),
            (vec![queue(Some(40), None, 0)], Status::Fail),
            (vec![queue(None, Some(90), 0)], Status::Warn),
            (vec![queue(Some(99), Some(40), 0)], Status::Fail),
            (vec![queue(None, None, 2), queue(None, None, 1)], Status::Warn),
        ] {
            assert_eq!(check(&queues).0, wanted, "{queues:?}");
        }
        let (_, told) = check(&[queue(Some(91), Some(5_000), 2), queue(None, Some(97), 0)]);
        assert_eq!(told, "1 ready, the oldest for 9 s; 2 scheduled, late by 3 s; 0 running; 2 dead");
    }
}
