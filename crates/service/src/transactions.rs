//! Opens units of work for writing. This file is the one place that commits units.

use tenantry_kernel::StoreError;
use tenantry_store::{Scope, Store, SystemReason, Unit};

use crate::committed::Publisher;

/// Opens units for writing and publishes their changes after the commit. Cloning is cheap.
#[derive(Clone)]
pub struct Transactions {
    store: Store,
    publisher: Publisher,
}

impl Transactions {
    /// Creates a service that writes to this store.
    pub fn new(store: Store, publisher: Publisher) -> Self {
        Self { store, publisher }
    }

    /// Opens a unit for reading. On SQLite the unit never waits for a writer.
    pub async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.store.read(scope).await
    }

    /// Opens a unit for writing. Dropping the unit rolls it back.
    pub async fn begin(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.store.begin(scope).await
    }

    /// Commits the unit and publishes its changes.
    pub async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        self.publisher.publish_changes(&unit.commit().await?);
        Ok(())
    }

    /// Runs background work in a unit of its own that sees every tenant. Commits the unit when the work succeeds and
    /// rolls it back when the work fails. Failed work is not retried.
    pub async fn housekeeping<T, E>(
        &self,
        reason: SystemReason,
        work: impl AsyncFnOnce(&mut Unit) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut unit = self.begin(Scope::System(reason)).await?;
        let done = work(&mut unit).await?;
        self.commit(unit).await?;
        Ok(done)
    }
}
