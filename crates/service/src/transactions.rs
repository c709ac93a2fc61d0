//! Units of work: how they are opened for reading, and the one place that commits them.

use tenantry_kernel::StoreError;
use tenantry_store::{Scope, Store, SystemReason, Unit};

use crate::committed::Publisher;

/// Opens units for reading. Cloning is cheap.
#[derive(Clone)]
pub struct Reader(Store);

impl Reader {
    /// Reads from this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Opens a unit that sees what the scope may see. On SQLite it never waits for a writer.
    pub async fn open(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.0.read(scope).await
    }
}

/// Opens units for writing, and publishes what they changed once they are committed. Cloning is cheap.
#[derive(Clone)]
pub struct Transactions {
    store: Store,
    publisher: Publisher,
}

impl Transactions {
    /// Writes to this store.
    pub fn new(store: Store, publisher: Publisher) -> Self {
        Self { store, publisher }
    }

    /// Opens a unit for reading. On SQLite it never waits for a writer.
    pub async fn read(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.store.read(scope).await
    }

    /// Opens a unit for writing. Dropping the unit rolls it back.
    pub async fn begin(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.store.begin(scope).await
    }

    /// Makes everything in the unit last and publishes what it changed.
    pub async fn commit(&self, unit: Unit) -> Result<(), StoreError> {
        self.publisher.publish_changes(&unit.commit().await?);
        Ok(())
    }

    /// Runs work that no request asks for, in a unit of its own that sees everything. The unit is committed when the work
    /// succeeds and rolled back when it fails. Nothing is tried again.
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
