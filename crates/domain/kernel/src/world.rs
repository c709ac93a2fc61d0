//! Time and randomness as arguments, so that rules can be tested at any moment and with any dice.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc, time::Duration};
use uuid::{Builder, Uuid};

/// A moment in UTC, cut to milliseconds, so that it reads back from every database as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Cuts the moment to milliseconds.
    pub fn new(moment: DateTime<Utc>) -> Self {
        Self(moment.trunc_subsecs(3))
    }

    /// `None` when the number of milliseconds since 1970 is beyond what a date can hold.
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(millis).map(Self)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, as JWT claims count them.
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// The moment as chrono's type, for adapters.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// The moment `span` later; the end of time when there is none.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let moment = TimeDelta::from_std(span).ok().and_then(|span| self.0.checked_add_signed(span));
        Self::new(moment.unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// The moment `span` earlier; the beginning of time when there is none.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let moment = TimeDelta::from_std(span).ok().and_then(|span| self.0.checked_sub_signed(span));
        Self::new(moment.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// How long ago `earlier` was; zero when the wall clock has jumped behind it.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or(Duration::ZERO)
    }

    /// The same moment cut to the minute, for times that are only kept that exactly.
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

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The wall clock, cut to milliseconds. It may jump, also backwards.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice with bytes fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The clock and the dice that a use case is given.
#[derive(Clone)]
pub struct World {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl World {
    /// A world made of this clock and these dice.
    pub fn new(clock: impl Clock + 'static, entropy: impl Entropy + 'static) -> Self {
        Self { clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }

    /// The wall clock, cut to milliseconds.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Unpredictable bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A UUIDv7 (RFC 9562, 5.7): 48 bits of this world's time, 74 bits of its dice.
    pub fn uuid_v7(&self) -> Uuid {
        self.uuid_v7_at(self.now())
    }

    /// A UUIDv7 that carries the given moment, for rows whose id must agree with a time beside it.
    pub fn uuid_v7_at(&self, moment: Timestamp) -> Uuid {
        let millis = u64::try_from(moment.unix_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
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
