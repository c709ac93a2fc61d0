//! How long requests of one route took in the last minutes. A sketch for each minute, so that what is old falls out.

use sketches_ddsketch::{Config, DDSketch};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Of so many minutes percentiles are told, the one under way included.
const MINUTES: u64 = 5;

/// In milliseconds, with the number of its minute.
type OfMinute = (u64, DDSketch);

/// What one route took lately. Noting a request takes a lock that is held for some ten nanoseconds.
#[derive(Default)]
pub(super) struct ResponseTimes(Mutex<VecDeque<OfMinute>>);

/// Percentiles, in milliseconds, true to a hundredth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percentiles {
    /// How many requests they are of.
    pub(crate) requests: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl ResponseTimes {
    /// Notes a request of this minute.
    pub(super) fn record(&self, minute: u64, took: Duration) {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.back().is_none_or(|(last, _)| *last < minute) {
            forget_old(&mut minutes, minute);
            minutes.push_back((minute, empty()));
        }
        if let Some((_, sketch)) = minutes.back_mut() {
            sketch.add(took.as_secs_f64() * 1_000.0);
        }
    }

    /// What was noted up to this minute; nothing where nothing was.
    pub(super) fn percentiles(&self, minute: u64) -> Option<Percentiles> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut minutes, minute);
        let mut all = empty();
        for (_, sketch) in minutes.iter() {
            all.merge(sketch).ok()?;
        }
        let at = |quantile: f64| all.quantile(quantile).ok().flatten().map(to_micros);
        Some(Percentiles { requests: all.count() as u64, p50: at(0.50)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

/// All of one form, so that they can be merged.
fn empty() -> DDSketch {
    DDSketch::new(Config::defaults())
}

/// Cut to what a clock can tell.
fn to_micros(millis: f64) -> f64 {
    (millis * 1_000.0).round() / 1_000.0
}

fn forget_old(minutes: &mut VecDeque<OfMinute>, minute: u64) {
    while minutes.front().is_some_and(|(first, _)| first + MINUTES <= minute) {
        minutes.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(told: f64, wanted: f64) {
        assert!((told - wanted).abs() <= wanted / 50.0, "{told} instead of {wanted}");
    }

    #[test]
    fn percentiles_are_true_to_a_hundredth() {
        let times = ResponseTimes::default();
        assert_eq!(times.percentiles(0), None);
        for millis in 1..=1_000 {
            times.record(7, Duration::from_millis(millis));
        }
        let told = times.percentiles(7).expect("requests");
        assert_eq!(told.requests, 1_000);
        assert_near(told.p50, 500.0);
        assert_near(told.p95, 950.0);
        assert_near(told.p99, 990.0);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let times = ResponseTimes::default();
        times.record(1, Duration::from_secs(1));
        times.record(1 + MINUTES - 1, Duration::from_millis(1));
        assert_eq!(times.percentiles(1 + MINUTES - 1).map(|told| told.requests), Some(2));
        assert_eq!(times.percentiles(1 + MINUTES).map(|told| told.requests), Some(1));
        assert_eq!(times.percentiles(1 + 3 * MINUTES), None);
    }
}
