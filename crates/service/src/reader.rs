//! Opens units of work for reading.

use tenantry_kernel::StoreError;
use tenantry_store::{Scope, Store, Unit};

/// Opens units for reading. Cloning is cheap.
#[derive(Clone)]
pub struct Reader(Store);

impl Reader {
    /// Creates a reader of this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Opens a unit that sees the rows of `scope`. On SQLite the unit never waits for a writer.
    pub async fn open(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.0.read(scope).await
    }

    /// Opens such a unit for rows that are found by a key and for pages without filters: PostgreSQL plans its
    /// statements once on each connection.
    pub async fn open_with_one_plan(&self, scope: Scope) -> Result<Unit, StoreError> {
        self.0.read_with_one_plan(scope).await
    }
}
