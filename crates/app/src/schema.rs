//! Checks and migrates the database before the server uses it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tenantry_kernel::StoreError;
use tenantry_store::{ConnectError, Store};
use tokio::time::timeout;

use crate::{
    Composition, StartError,
    composition::store_config,
    config::{Config, Database},
    vocabulary,
};

/// Time limit of the check of the schema.
const LOOK: Duration = Duration::from_secs(5);

/// Applies the missing migrations, once the database is known to be fit for use and to take changes, and row-level
/// security to bind the role. A role that bypasses row-level security must not become the owner of the tables. Returns
/// whether migrations were missing.
pub(crate) async fn bring_up_to_date(store: &Store, config: &Config) -> Result<bool, StartError> {
    store.check_database().await?;
    if !store.takes_changes().await? {
        return Err(ConnectError::OnlyReads.into());
    }
    let must_be_bound = config.general.environment.is_production() && !config.database.allow_rls_bypass;
    if must_be_bound && store.bypasses_row_level_security().await? {
        return Err(StartError::RowLevelSecurity);
    }
    // A server whose role may not change the schema starts too, after another role has migrated the database.
    if is_up_to_date(store).await? {
        return Ok(false);
    }
    store.migrate().await?;
    Ok(true)
}

/// Returns whether the schema is current. The look-up has a time limit.
pub(crate) async fn is_up_to_date(store: &Store) -> Result<bool, StartError> {
    let looked = timeout(LOOK, store.is_migrated()).await;
    looked.unwrap_or_else(|late| Err(ConnectError::Store(StoreError::Unavailable(Box::new(late))))).map_err(Into::into)
}

impl Composition {
    /// Migrates the database without serving from it, and returns the line that reports the result.
    pub async fn migrate(config: Config) -> Result<String, StartError> {
        if let Database::Sqlite(file) = &config.database.url {
            make_folder_of(file)?;
        }
        let store = Store::connect(store_config(&config), vocabulary::compose()?).await?;
        let was_migrated = bring_up_to_date(&store, &config).await?;
        let version = store.version().await?;
        store.close().await;
        Ok(if was_migrated {
            format!("the database was migrated ({version})")
        } else {
            format!("the database is already up to date ({version})")
        })
    }
}

/// Returns the path of the file whose lock shows that a process serves from this SQLite file.
pub(crate) fn serve_lock_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.serve.lock", file.display()))
}

fn make_folder_of(file: &Path) -> Result<(), StartError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| StartError::Files(folder.to_owned(), error))
}

/// Locks the SQLite file for this process, since only one process may serve from it. The lock ends with the process,
/// also after a crash.
pub(crate) fn claim_sqlite(config: &Config) -> Result<Option<std::fs::File>, StartError> {
    let Database::Sqlite(file) = &config.database.url else { return Ok(None) };
    let lock_file = serve_lock_of(file);
    let failed = |error| StartError::Files(lock_file.clone(), error);
    make_folder_of(file)?;
    let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&lock_file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Locked(file.clone())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
