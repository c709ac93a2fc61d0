//! Response times of one route in the last minutes. Each minute has a sketch of its own, so that old values expire.

use sketches_ddsketch::{Config, DDSketch};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Number of minutes that percentiles cover, including the current one.
const MINUTES: u64 = 5;

/// The number of a minute and its response times in milliseconds.
type OfMinute = (u64, DDSketch);

/// The recent response times of one route. Recording a request holds a lock for about ten nanoseconds.
#[derive(Default)]
pub(super) struct ResponseTimes(Mutex<VecDeque<OfMinute>>);

/// Percentiles, in milliseconds, with a relative error of one percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percentiles {
    /// Number of requests that the percentiles cover.
    pub(crate) requests: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl ResponseTimes {
    /// Records a request of this minute.
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

    /// Returns the percentiles up to this minute; `None` without any request.
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

/// Creates an empty sketch. All sketches have the same parameters, so that they can be merged.
fn empty() -> DDSketch {
    DDSketch::new(Config::defaults())
}

/// Rounds to whole microseconds.
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
