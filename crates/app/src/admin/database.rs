//! The database as a command finds it.

use crate::{
    App, StartError,
    config::{Config, Database},
    schema::is_up_to_date,
};

use super::AdminError;

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
    if is_up_to_date(&app.store).await? { Ok(app) } else { Err(AdminError::NotMigrated) }
}
