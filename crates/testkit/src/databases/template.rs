//! Databases that are prepared once and copied for every test.

use super::{Server, drop_database, execute, program::Program};
use sqlx::PgConnection;
use std::fmt;

/// A prepared database. Its name belongs to a test program, and a comment on it names the build of the program.
///
/// So programs that run at the same time do not share one, a new build replaces the one before, and a long-running
/// server keeps one for each program instead of one for each run.
pub(super) struct Template {
    name: String,
    build: String,
}

impl Template {
    /// Returns the template that the running program prepares under this name.
    pub(super) fn of_this_program(name: &str) -> Self {
        let program = Program::running(name);
        Self { name: format!("tenantry_template_{name}_{}", program.id()), build: program.build() }
    }

    /// Prepares the database unless that is done already. The lock, held by `connection`, admits one caller at a time.
    pub(super) async fn make_ready<E: fmt::Debug>(
        &self,
        server: &Server,
        connection: &mut PgConnection,
        prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) {
        if self.is_ready(connection).await {
            return;
        }
        self.lock(connection, "pg_advisory_lock").await;
        if !self.is_ready(connection).await {
            self.remove(connection).await.expect("an old template can be removed");
            execute(connection, &format!("CREATE DATABASE {self}")).await.expect("the role may create databases");
            if let Err(error) = prepare(&server.url_of(&self.name)).await {
                panic!("the template {self} could not be prepared: {error:?}");
            }
            self.close(connection).await.expect("a template can be closed");
        }
        self.lock(connection, "pg_advisory_unlock").await;
    }

    /// Returns whether the database exists, complete and of this build.
    async fn is_ready(&self, connection: &mut PgConnection) -> bool {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_database \
             WHERE datname = $1 AND datistemplate AND shobj_description(oid, 'pg_database') = $2)",
        )
        .bind(&self.name)
        .bind(&self.build)
        .fetch_one(connection)
        .await
        .expect("every role may read the list of databases")
    }

    async fn lock(&self, connection: &mut PgConnection, function: &'static str) {
        let statement = format!("SELECT {function}(hashtextextended('{self}', 0))");
        execute(connection, &statement).await.expect("every role may take locks");
    }

    /// Removes a database of an older build, or one whose preparation failed.
    async fn remove(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&self.name)
            .fetch_one(&mut *connection)
            .await?;
        if exists {
            execute(connection, &format!("ALTER DATABASE {self} IS_TEMPLATE false")).await?;
            drop_database(connection, &self.name).await?;
        }
        Ok(())
    }

    /// Ends every connection of the program and prevents new ones, since only a database without connections can be
    /// copied. The server ends its own workers for that. The mark of completeness is written last.
    async fn close(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        execute(connection, &format!("ALTER DATABASE {self} ALLOW_CONNECTIONS false")).await?;
        let ours =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user";
        sqlx::query(ours).bind(&self.name).execute(&mut *connection).await?;
        execute(connection, &format!("COMMENT ON DATABASE {self} IS '{}'", self.build)).await?;
        execute(connection, &format!("ALTER DATABASE {self} IS_TEMPLATE true")).await
    }
}

/// Shows the name, which needs no quotes in a statement.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
