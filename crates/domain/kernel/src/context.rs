//! Time and randomness as arguments, so that tests can choose both.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc, time::Duration};
use uuid::{Builder, Uuid};

/// A time in UTC, truncated to milliseconds, so that every database returns it as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Truncates the time to milliseconds.
    pub fn new(moment: DateTime<Utc>) -> Self {
        Self(moment.trunc_subsecs(3))
    }

    /// Creates a time from milliseconds since 1970; `None` when it exceeds the range of dates.
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(millis).map(Self)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z, as in JWT claims.
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Returns chrono's type, for adapters.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Returns the time `span` later, or the maximum time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let moment = TimeDelta::from_std(span).ok().and_then(|span| self.0.checked_add_signed(span));
        Self::new(moment.unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// Returns the time `span` earlier, or the minimum time.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let moment = TimeDelta::from_std(span).ok().and_then(|span| self.0.checked_sub_signed(span));
        Self::new(moment.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// Returns the duration since `earlier`; zero when the wall clock was set back behind it.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or(Duration::ZERO)
    }

    /// Truncates the time to the minute, for times that are stored to the minute only.
    #[must_use]
    pub fn to_minute(self) -> Self {
        Self::from_unix_millis(self.unix_millis().div_euclid(60_000) * 60_000).unwrap_or(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer)
            .map(Self::new)
            .map_err(|_| de::Error::custom("expected an RFC 3339 date and time"))
    }
}

/// Port: the wall clock.
pub trait Clock: Send + Sync {
    /// Returns the wall-clock time, truncated to milliseconds. It may jump, also backwards.
    fn now(&self) -> Timestamp;
}

/// Port: the source of unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills the slice with bytes that are suitable for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The clock and the random source of a use case.
#[derive(Clone)]
pub struct Context {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Context {
    /// Combines a clock and a random source.
    pub fn new(clock: impl Clock + 'static, entropy: impl Entropy + 'static) -> Self {
        Self { clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }

    /// Returns the wall-clock time, truncated to milliseconds.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns unpredictable bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Creates a UUIDv7 (RFC 9562, section 5.7): 48 bits of the clock's time and 74 random bits.
    pub fn uuid_v7(&self) -> Uuid {
        self.uuid_v7_at(self.now())
    }

    /// Creates a UUIDv7 with the given time, for a row whose id must agree with a time in another column.
    pub fn uuid_v7_at(&self, moment: Timestamp) -> Uuid {
        let millis = u64::try_from(moment.unix_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_cut_to_milliseconds_and_printed_with_three_digits() {
        let moment = DateTime::from_timestamp(1_700_000_000, 5_999_999).map(Timestamp::new);
        assert_eq!(moment.map(|m| m.to_string()).as_deref(), Some("2023-11-14T22:13:20.005Z"));
    }

    #[test]
    fn a_clock_that_jumped_back_gives_no_negative_span() {
        let earlier = Timestamp::from_unix_millis(5_000);
        let later = Timestamp::from_unix_millis(1_000);
        assert_eq!(later.zip(earlier).map(|(l, e)| l.since(e)), Some(Duration::ZERO));
    }
}
