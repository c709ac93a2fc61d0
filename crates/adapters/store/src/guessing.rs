//! Counters of attempts, and known sources of sign-ins.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, prelude::ChronoDateTimeUtc};
use tenantry_identity::{Attempts, GuessCount, GuessCounter, KNOWN_ADDRESS_FOR};
use tenantry_jobs::{CleanUpTarget, ExpiredRows};
use tenantry_kernel::{StoreError, Timestamp};

use crate::{
    Unit,
    failure::StatementError,
    table::{ExpiringRows, Expiry, HOUR, PersonalColumn, RowRetention, Table},
};

pub(crate) const TABLE: Table = Table {
    name: "attempts",
    of_tenant: None,
    of_person: None,
    expires: &[Expiry::CleanUp(ExpiringRows {
        target: CleanUpTarget::Attempts,
        rows: ExpiredRows::Attempts,
        what: "counters of attempts whose window has passed",
        over: "resets_at < $1",
        tenant: None,
        kept: RowRetention::For(HOUR),
    })],
    personal: &[PersonalColumn::stays("key", "a digest, which expires")],
};

pub(crate) const SOURCES_TABLE: Table = Table {
    name: "known_sources",
    of_tenant: None,
    of_person: None,
    expires: &[Expiry::CleanUp(ExpiringRows {
        target: CleanUpTarget::Attempts,
        rows: ExpiredRows::KnownSources,
        what: "addresses from which no account has signed in since",
        over: "succeeded_at < $1",
        tenant: None,
        kept: RowRetention::For(KNOWN_ADDRESS_FOR),
    })],
    personal: &[
        PersonalColumn::stays("account", "a digest, which expires"),
        PersonalColumn::stays("source", "a digest, which expires"),
    ],
};

#[derive(FromQueryResult)]
struct Counter {
    count: i64,
    resets_at: ChronoDateTimeUtc,
}

const CONSUME: &str = "\
    INSERT INTO attempts (key, count, resets_at) VALUES ($1, 1, $2) \
    ON CONFLICT (key) DO UPDATE SET \
        count = CASE WHEN attempts.resets_at <= $3 THEN 1 ELSE attempts.count + 1 END, \
        resets_at = CASE WHEN attempts.resets_at <= $3 THEN excluded.resets_at ELSE attempts.resets_at END \
    RETURNING count, resets_at";

#[async_trait]
impl Attempts for Unit {
    async fn consume_attempts(
        &mut self,
        counters: &[GuessCounter],
        now: Timestamp,
    ) -> Result<Vec<GuessCount>, StoreError> {
        self.require_system()?;
        // Always in the order of the keys, so that two attempts cannot deadlock.
        let mut order: Vec<usize> = (0..counters.len()).collect();
        order.sort_by_key(|place| counters[*place].key);
        let mut counted = vec![GuessCount { count: 0, resets_at: now }; counters.len()];
        for place in order {
            let GuessCounter { key, quota } = counters[place];
            let resets_at = now.plus(quota.window);
            let values = [key.to_vec().into(), resets_at.utc().into(), now.utc().into()];
            let row = self.run(self.transaction.query_one_raw(self.sql(CONSUME, values))).await?;
            let row = row.ok_or(StoreError::Inconsistent { table: "attempts", column: "(the row just written)" })?;
            let counter = Counter::from_query_result(&row, "").map_err(StatementError::from)?;
            counted[place] = GuessCount {
                count: u32::try_from(counter.count).unwrap_or(u32::MAX),
                resets_at: Timestamp::new(counter.resets_at),
            };
        }
        Ok(counted)
    }

    async fn refund_attempts(&mut self, keys: &[[u8; 32]]) -> Result<(), StoreError> {
        self.require_system()?;
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        for key in keys {
            let sql = "UPDATE attempts SET count = count - 1 WHERE key = $1 AND count > 0";
            self.run(self.transaction.execute_raw(self.sql(sql, [key.to_vec().into()]))).await?;
        }
        Ok(())
    }

    async fn is_known_source(
        &mut self,
        account: [u8; 32],
        source: [u8; 32],
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        self.require_system()?;
        let sql = "SELECT 1 FROM known_sources WHERE account = $1 AND source = $2 AND succeeded_at >= $3";
        let values = [account.to_vec().into(), source.to_vec().into(), since.utc().into()];
        Ok(self.run(self.transaction.query_one_raw(self.sql(sql, values))).await?.is_some())
    }

    async fn remember_source(&mut self, account: [u8; 32], source: [u8; 32], now: Timestamp) -> Result<(), StoreError> {
        self.require_system()?;
        let sql = "INSERT INTO known_sources (account, source, succeeded_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (account, source) DO UPDATE SET succeeded_at = excluded.succeeded_at";
        let values = [account.to_vec().into(), source.to_vec().into(), now.utc().into()];
        self.run(self.transaction.execute_raw(self.sql(sql, values))).await?;
        Ok(())
    }
}
