//! Recurring jobs. A time at which a schedule fires is a tick. Each tick fires once, however many processes there are
//! and however the clock jumps. Of several missed ticks, only the last fires.

use async_trait::async_trait;
use croner::Cron;
use std::{fmt, str::FromStr};
use tenantry_kernel::{Context, StoreError, Timestamp};

use crate::{JobId, JobQueue, Kind, NewJob, SealError};

/// A cron expression with five fields (minute, hour, day of the month, month, day of the week), in UTC.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    cron: Cron,
}

/// The text is not a cron expression.
#[derive(Debug, thiserror::Error)]
#[error("not a cron expression of five fields: {0}")]
pub struct CronError(String);

impl CronExpression {
    /// Returns the last tick at or before this time; `None` when there is none.
    pub fn last_tick(&self, now: Timestamp) -> Option<Timestamp> {
        self.cron.find_previous_occurrence(&now.utc(), true).ok().map(Timestamp::new)
    }

    /// Returns the expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let cron = Cron::from_str(text).map_err(|_| CronError(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), cron })
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpression({})", self.text)
    }
}

/// A schedule and the job that each tick enqueues.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Name in the store.
    pub name: &'static str,
    /// The times at which it fires.
    pub cron: CronExpression,
    /// The job; its id and times are those of the tick.
    template: NewJob,
}

impl Schedule {
    /// Creates a schedule that enqueues a job of this kind, without a tenant, at every tick. While one of its jobs is
    /// live, no other is added.
    pub fn of<K: Kind>(
        context: &Context,
        name: &'static str,
        cron: CronExpression,
        payload: &K,
    ) -> Result<Self, SealError> {
        let template = NewJob::of(context, None, payload)?.unique(format!("schedule/{name}"));
        Ok(Self { name, cron, template })
    }

    fn job(&self, context: &Context) -> NewJob {
        let now = context.now();
        NewJob { id: JobId::new(context), run_at: now, created_at: now, ..self.template.clone() }
    }
}

/// Port: stores schedules and fired ticks. Needs System units.
#[async_trait]
pub trait Schedules: Send {
    /// Stores a schedule with its expression. Returns `true` when its name is new.
    async fn put_schedule(&mut self, name: &str, cron: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Records that a tick fires. Returns `false` when it has fired before; of two concurrent units, one gets `true`.
    async fn insert_tick(&mut self, name: &str, tick: Timestamp, now: Timestamp) -> Result<bool, StoreError>;
}

/// Registers a schedule. A new one waits for its next tick: earlier ticks were not missed.
pub async fn register_schedule(
    unit: &mut (impl Schedules + ?Sized),
    context: &Context,
    schedule: &Schedule,
) -> Result<(), StoreError> {
    let now = context.now();
    if unit.put_schedule(schedule.name, schedule.cron.as_str(), now).await?
        && let Some(tick) = schedule.cron.last_tick(now)
    {
        unit.insert_tick(schedule.name, tick, now).await?;
    }
    Ok(())
}

/// Fires the last tick of a schedule unless it has fired. Returns the tick, which needs no second attempt.
pub async fn fire_schedule(
    unit: &mut (impl Schedules + JobQueue + ?Sized),
    context: &Context,
    schedule: &Schedule,
) -> Result<Option<Timestamp>, StoreError> {
    let now = context.now();
    let Some(tick) = schedule.cron.last_tick(now) else { return Ok(None) };
    if unit.insert_tick(schedule.name, tick, now).await? {
        unit.enqueue_job(&schedule.job(context)).await?;
    }
    Ok(Some(tick))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        serde_json::from_value(serde_json::Value::from(text)).expect("a time")
    }

    #[test]
    fn the_last_tick_is_the_one_at_or_before_a_moment() {
        let quarterly: CronExpression = "*/15 * * * *".parse().expect("cron");
        for (now, tick) in [
            ("2026-11-24T10:15:00.000Z", "2026-11-24T10:15:00.000Z"),
            ("2026-11-24T10:15:00.001Z", "2026-11-24T10:15:00.000Z"),
            ("2026-11-24T10:29:59.999Z", "2026-11-24T10:15:00.000Z"),
            ("2026-11-24T00:14:59.999Z", "2026-11-24T00:00:00.000Z"),
        ] {
            assert_eq!(quarterly.last_tick(at(now)), Some(at(tick)), "{now}");
        }
        let sundays: CronExpression = "30 3 * * 0".parse().expect("cron");
        assert_eq!(sundays.last_tick(at("2026-11-24T10:00:00.000Z")), Some(at("2026-11-22T03:30:00.000Z")));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "* * * *", "61 * * * *", "soon"] {
            assert!(text.parse::<CronExpression>().is_err(), "{text}");
        }
    }
}
