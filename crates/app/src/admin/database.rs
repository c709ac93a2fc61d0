//! The database as a command finds it, and bringing it up to date.

use std::{path::Path, time::Duration};
use tenantry_kernel::StoreError;
use tenantry_store::{ConnectError, Store};
use tokio::time::timeout;

use crate::{
    App, StartError,
    app::store_config,
    config::{Config, Database},
};

use super::AdminError;

/// How long the look at the schema may take.
const LOOK: Duration = Duration::from_secs(5);

/// Puts the application together on a database that is there and up to date. None is made in passing: a command in the
/// wrong folder would leave an empty one there.
pub(super) async fn open(config: Config) -> Result<App, AdminError> {
    if let Database::Sqlite(file) = &config.database.url
        && !file.exists()
    {
        return Err(AdminError::NoDatabase(file.clone()));
    }
    let address = config.http.bind_address();
    let app = App::compose(config, address).await?;
    app.store.ping().await.map_err(StartError::from)?;
    if is_migrated(&app.store).await? { Ok(app) } else { Err(AdminError::NotMigrated) }
}

async fn is_migrated(store: &Store) -> Result<bool, StartError> {
    let looked = timeout(LOOK, store.is_migrated()).await;
    looked.unwrap_or_else(|late| Err(ConnectError::Store(StoreError::Unavailable(Box::new(late))))).map_err(Into::into)
}

impl App {
    /// Brings the database up to date, without serving from it, and returns the line that tells what was done.
    pub async fn migrate(config: Config) -> Result<String, StartError> {
        if let Database::Sqlite(file) = &config.database.url {
            make_folder_of(file)?;
        }
        let store = Store::connect(store_config(&config)).await?;
        store.ping().await?;
        let version = store.version().await?;
        let was_migrated = is_migrated(&store).await?;
        if !was_migrated {
            store.migrate().await?;
        }
        store.close().await;
        Ok(if was_migrated {
            format!("the database is up to date; nothing was to be done ({version})")
        } else {
            format!("the database has been brought up to date ({version})")
        })
    }
}

fn make_folder_of(file: &Path) -> Result<(), StartError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(|error| StartError::Files(folder.to_owned(), error))
}
