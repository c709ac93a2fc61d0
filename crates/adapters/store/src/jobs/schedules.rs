//! Schedules and the ticks that have fired. The key of a tick makes it fire once.

use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use tenantry_jobs::Schedules;
use tenantry_kernel::{StoreError, Timestamp};

use crate::Unit;

const INSERT: &str = "INSERT INTO schedules (name, cron, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE schedules SET cron = $2 WHERE name = $1 AND cron <> $2";
const TICK: &str = "INSERT INTO schedule_ticks (schedule, tick, fired_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

#[async_trait]
impl Schedules for Unit {
    async fn put_schedule(&mut self, name: &str, cron: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.require_system()?;
        let insert = self.sql(INSERT, [name.into(), cron.into(), now.utc().into()]);
        if self.run(self.transaction.execute_raw(insert)).await?.rows_affected() == 1 {
            return Ok(true);
        }
        self.run(self.transaction.execute_raw(self.sql(UPDATE, [name.into(), cron.into()]))).await?;
        Ok(false)
    }

    async fn insert_tick(&mut self, name: &str, tick: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        self.require_system()?;
        let insert = self.sql(TICK, [name.into(), tick.utc().into(), now.utc().into()]);
        Ok(self.run(self.transaction.execute_raw(insert)).await?.rows_affected() == 1)
    }
}
