//! Opens the database for a command.

use crate::{
    Composition, StartError,
    config::{Config, Database},
    schema::is_up_to_date,
};

use super::AdminError;

/// Composes the application on an existing database with a current schema. No database is created here: a command in
/// the wrong folder would leave an empty one behind.
pub(super) async fn open(config: Config) -> Result<Composition, AdminError> {
    if let Database::Sqlite(file) = &config.database.url
        && !file.exists()
    {
        return Err(AdminError::NoDatabase(file.clone()));
    }
    let address = config.http.bind_address();
    let app = Composition::compose(config, address).await?;
    app.store.ping().await.map_err(StartError::from)?;
    if is_up_to_date(&app.store).await? { Ok(app) } else { Err(AdminError::NotMigrated) }
}
