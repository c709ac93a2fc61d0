//! Counters of attempts, guesses in flight, and known sources of sign-ins.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, FromQueryResult, Value, prelude::ChronoDateTimeUtc};
use tenantry_identity::{Attempts, GuessCount, GuessCounter, GuessId, KNOWN_ADDRESS_FOR};
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

pub(crate) const IN_FLIGHT_TABLE: Table = Table {
    name: "attempts_in_flight",
    of_tenant: None,
    of_person: None,
    expires: &[Expiry::CleanUp(ExpiringRows {
        target: CleanUpTarget::Attempts,
        rows: ExpiredRows::GuessesInFlight,
        what: "guesses in flight that a killed process left behind",
        over: "ends_at < $1",
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
        what: "addresses from which no account was used since",
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
    key: Vec<u8>,
    count: i64,
    resets_at: ChronoDateTimeUtc,
}

#[derive(FromQueryResult)]
struct InFlight {
    key: Vec<u8>,
    guesses: i64,
}

impl Unit {
    /// Adds a number to each counter, and locks the counters until the unit ends.
    async fn add_attempts(
        &mut self,
        counters: &[GuessCounter],
        added: i64,
        now: Timestamp,
    ) -> Result<Vec<GuessCount>, StoreError> {
        self.require_system()?;
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        // Always in the order of the keys, so that two attempts cannot deadlock.
        let mut ordered = counters.to_vec();
        ordered.sort_by_key(|counter| counter.key);
        let mut values: Vec<Value> = vec![added.into(), now.utc().into()];
        for GuessCounter { key, quota } in &ordered {
            values.extend([key.to_vec().into(), now.plus(quota.window).utc().into()]);
        }
        let rows = rows(ordered.len(), |row| format!("(${}, $1, ${})", 2 * row + 3, 2 * row + 4));
        let sql = format!(
            "INSERT INTO attempts (key, count, resets_at) VALUES {rows} \
             ON CONFLICT (key) DO UPDATE SET \
                 count = CASE WHEN attempts.resets_at <= $2 THEN excluded.count \
                              ELSE attempts.count + excluded.count END, \
                 resets_at = CASE WHEN attempts.resets_at <= $2 THEN excluded.resets_at ELSE attempts.resets_at END \
             RETURNING key, count, resets_at"
        );
        let found = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        let found = found.iter().map(|row| Counter::from_query_result(row, "").map_err(StatementError::from));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let inconsistent = || StoreError::Inconsistent { table: "attempts", column: "(the row just written)" };
        let counted = counters.iter().map(|counter| {
            let row = found.iter().find(|row| row.key == counter.key).ok_or_else(inconsistent)?;
            Ok(GuessCount {
                count: u32::try_from(row.count).unwrap_or(u32::MAX),
                resets_at: Timestamp::new(row.resets_at),
            })
        });
        counted.collect()
    }
}

/// Returns that many rows of a statement, each written by its number from 0.
fn rows(number: usize, row: impl Fn(usize) -> String) -> String {
    (0..number).map(row).collect::<Vec<_>>().join(", ")
}

/// Returns the places of that many values, the first of which is `$first`.
fn places(number: usize, first: usize) -> String {
    rows(number, |place| format!("${}", place + first))
}

#[async_trait]
impl Attempts for Unit {
    async fn consume_attempts(
        &mut self,
        counters: &[GuessCounter],
        now: Timestamp,
    ) -> Result<Vec<GuessCount>, StoreError> {
        self.add_attempts(counters, 1, now).await
    }

    async fn lock_attempts(
        &mut self,
        counters: &[GuessCounter],
        now: Timestamp,
    ) -> Result<Vec<GuessCount>, StoreError> {
        self.add_attempts(counters, 0, now).await
    }

    async fn guesses_in_flight(&mut self, keys: &[[u8; 32]], now: Timestamp) -> Result<Vec<u32>, StoreError> {
        self.require_system()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT key, count(*) AS guesses FROM attempts_in_flight \
             WHERE key IN ({}) AND ends_at > $1 GROUP BY key",
            places(keys.len(), 2)
        );
        let keyed = keys.iter().map(|key| key.to_vec().into());
        let values: Vec<Value> = [now.utc().into()].into_iter().chain(keyed).collect();
        let found = self.run(self.transaction.query_all_raw(self.sql(&sql, values))).await?;
        let found = found.iter().map(|row| InFlight::from_query_result(row, "").map_err(StatementError::from));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let of = |key: &[u8; 32]| found.iter().find(|row| row.key == key).map_or(0, |row| row.guesses);
        Ok(keys.iter().map(|key| u32::try_from(of(key)).unwrap_or(u32::MAX)).collect())
    }

    async fn begin_guess(&mut self, keys: &[[u8; 32]], guess: GuessId, ends_at: Timestamp) -> Result<(), StoreError> {
        self.require_system()?;
        if keys.is_empty() {
            return Ok(());
        }
        let rows = rows(keys.len(), |row| format!("(${}, $1, $2)", row + 3));
        let sql = format!("INSERT INTO attempts_in_flight (key, guess, ends_at) VALUES {rows}");
        let keyed = keys.iter().map(|key| key.to_vec().into());
        let values: Vec<Value> = [guess.uuid().into(), ends_at.utc().into()].into_iter().chain(keyed).collect();
        self.run(self.transaction.execute_raw(self.sql(&sql, values))).await?;
        Ok(())
    }

    async fn end_guess(&mut self, keys: &[[u8; 32]], guess: GuessId) -> Result<(), StoreError> {
        self.require_system()?;
        if keys.is_empty() {
            return Ok(());
        }
        let places = places(keys.len(), 2);
        let sql = format!("DELETE FROM attempts_in_flight WHERE guess = $1 AND key IN ({places})");
        let keyed = keys.iter().map(|key| key.to_vec().into());
        let values: Vec<Value> = [guess.uuid().into()].into_iter().chain(keyed).collect();
        self.run(self.transaction.execute_raw(self.sql(&sql, values))).await?;
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

    async fn forget_sources(&mut self, account: [u8; 32]) -> Result<(), StoreError> {
        self.require_system()?;
        let forget = self.sql("DELETE FROM known_sources WHERE account = $1", [account.to_vec().into()]);
        self.run(self.transaction.execute_raw(forget)).await?;
        Ok(())
    }
}
