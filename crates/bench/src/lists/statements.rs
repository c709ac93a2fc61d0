//! The statements of each list, as the server sends them, and the same statements sent by sqlx on one connection.

use anyhow::{Context, Result, ensure};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Postgres, Row, Sqlite, SqliteConnection, postgres::PgRow,
    sqlite::SqliteRow,
};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{net::lookup_host, time::sleep};
use uuid::Uuid;

use super::{FilledStore, LISTS, ListRoute, Slot};
use crate::{
    load::Client,
    people::{SignedInOwner, register},
    server::Server,
    wire,
};

/// What the server sends to PostgreSQL for a list.
pub(super) struct ListStatements {
    selects: Vec<String>,
}

/// Captures the statements that the server sends for each list.
pub(super) async fn capture(program: &Path, database: &str) -> Result<Vec<ListStatements>> {
    let (_, rest) = database.split_once('@').context("the address of PostgreSQL names a role")?;
    let (host, _) = rest.split_once('/').context("the address of PostgreSQL names a database")?;
    let postgres = lookup_host(host).await?.next().context("the address of PostgreSQL is not known")?;
    let (address, heard) = wire::listen(postgres).await?;
    let url = format!("{}?sslmode=disable", database.replace(host, &address.to_string()));
    let folder = TempDir::with_prefix("tenantry-bench-")?;
    // With rate limits on, the process also records heartbeats.
    let settings = [("DATABASE_URL", url.as_str()), ("RATE_LIMITS", "off")];
    let server = Server::without_worker(program, folder.path(), &settings)?;
    let owner = register(server.address, "wire", 1).await?.remove(0);
    super::fill::fill(&FilledStore::Postgres(database.to_owned()), &owner, 30).await?;
    let mut client = Client::open(server.address).await?;
    let mut all = Vec::with_capacity(LISTS.len());
    for route in &LISTS {
        let list = || owner.read(&format!("{}?limit=20", route.path));
        client.succeed(list()?).await?;
        heard.wait_for_silence().await;
        // The numbers of members are cached for a second, and the silence lasted longer.
        client.succeed(list()?).await?;
        sleep(Duration::from_millis(100)).await;
        heard.take();
        client.succeed(list()?).await?;
        sleep(Duration::from_millis(100)).await;
        let selects: Vec<String> = heard.take().into_iter().filter(|sql| sql.starts_with("SELECT")).collect();
        ensure!(
            selects.len() == route.values.len(),
            "crates/bench/src/lists.rs says that {} takes {} statements, and the server sends {selects:#?}",
            route.path,
            route.values.len()
        );
        all.push(ListStatements { selects });
    }
    Ok(all)
}

/// A list read by its statements alone, with the opening and the end of the unit.
pub(super) struct Bare {
    connection: Connection,
    opening: String,
    selects: Vec<(String, &'static [Slot])>,
    tenant: Uuid,
    person: Uuid,
    ids: Vec<Uuid>,
    ids_as_json: String,
}

enum Connection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Bare {
    pub(super) async fn open(
        store: &FilledStore,
        owner: &SignedInOwner,
        route: &ListRoute,
        statements: &ListStatements,
    ) -> Result<Self> {
        let (tenant, person): (Uuid, Uuid) = (owner.tenant.parse()?, owner.user.parse()?);
        let (connection, opening) = match store {
            FilledStore::Postgres(url) => (
                Connection::Postgres(PgConnection::connect(url).await?),
                format!(
                    "BEGIN READ ONLY; SELECT set_config('app.tenant', '{tenant}', true), \
                     set_config('app.person', '{person}', true), set_config('app.system', '', true), \
                     set_config('plan_cache_mode', 'force_generic_plan', true), \
                     CASE WHEN pg_is_in_recovery() THEN txid_current() END"
                ),
            ),
            FilledStore::Sqlite(file) => {
                let connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await?;
                (Connection::Sqlite(connection), "BEGIN DEFERRED".to_owned())
            }
        };
        let selects = statements.selects.iter().zip(route.values);
        let selects = selects.map(|(sql, values)| match store {
            FilledStore::Postgres(_) => (sql.clone(), *values),
            FilledStore::Sqlite(_) => (on_sqlite(sql), *values),
        });
        let mut bare = Self {
            connection,
            opening,
            selects: selects.collect(),
            tenant,
            person,
            ids: Vec::new(),
            ids_as_json: "[]".to_owned(),
        };
        bare.take_ids(route.ids).await?;
        let rows = bare.read().await?;
        ensure!(rows >= 20, "the statements of {} find {rows} rows", route.path);
        Ok(bare)
    }

    /// Takes the ids of the first page for the second statement.
    async fn take_ids(&mut self, column: &str) -> Result<()> {
        if column.is_empty() {
            return Ok(());
        }
        let (sql, values) = self.selects.first().context("a list has a statement")?.clone();
        self.begin().await?;
        let mut ids: Vec<Uuid> = match &mut self.connection {
            Connection::Postgres(connection) => {
                let query = sqlx::query::<Postgres>(AssertSqlSafe(sql));
                let query = values.iter().fold(query, |query, _| query.bind(self.tenant));
                let rows: Vec<PgRow> = query.fetch_all(connection).await?;
                rows.iter().take(20).map(|row| row.try_get(column)).collect::<Result<_, _>>()?
            }
            Connection::Sqlite(connection) => {
                let query = sqlx::query::<Sqlite>(AssertSqlSafe(sql));
                let query = values.iter().fold(query, |query, _| query.bind(self.tenant));
                let rows: Vec<SqliteRow> = query.fetch_all(connection).await?;
                rows.iter().take(20).map(|row| row.try_get(column)).collect::<Result<_, _>>()?
            }
        };
        self.end().await?;
        ids.sort_unstable();
        ids.dedup();
        let texts: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
        (self.ids, self.ids_as_json) = (ids, serde_json::Value::from(texts).to_string());
        Ok(())
    }

    /// Reads the list once, and returns the number of rows of all statements.
    pub(super) async fn read(&mut self) -> Result<usize> {
        self.begin().await?;
        let mut rows = 0;
        for (sql, values) in &self.selects {
            let sql = AssertSqlSafe(sql.clone());
            rows += match &mut self.connection {
                Connection::Postgres(connection) => {
                    let query = sqlx::query::<Postgres>(sql);
                    let query = values.iter().fold(query, |query, value| match value {
                        Slot::Tenant => query.bind(self.tenant),
                        Slot::Person => query.bind(self.person),
                        Slot::Ids => query.bind(&self.ids[..]),
                    });
                    query.fetch_all(connection).await?.len()
                }
                Connection::Sqlite(connection) => {
                    let query = sqlx::query::<Sqlite>(sql);
                    let query = values.iter().fold(query, |query, value| match value {
                        Slot::Tenant => query.bind(self.tenant),
                        Slot::Person => query.bind(self.person),
                        Slot::Ids => query.bind(self.ids_as_json.clone()),
                    });
                    query.fetch_all(connection).await?.len()
                }
            };
        }
        self.end().await?;
        Ok(rows)
    }

    async fn begin(&mut self) -> Result<()> {
        let opening = self.opening.clone();
        self.send(opening).await
    }

    async fn end(&mut self) -> Result<()> {
        self.send("ROLLBACK".to_owned()).await
    }

    async fn send(&mut self, sql: String) -> Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match &mut self.connection {
            Connection::Postgres(connection) => sql.execute(connection).await.map(|_| ())?,
            Connection::Sqlite(connection) => sql.execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }
}

/// Returns the statement as the server sends it to SQLite, where a list of ids is a JSON text.
fn on_sqlite(sql: &str) -> String {
    let mut sql = sql.to_owned();
    for begin in ["= ANY ($", "= ANY($"] {
        while let Some(place) = sql.find(begin) {
            let number: String = sql[place + begin.len()..].chars().take_while(char::is_ascii_digit).collect();
            let list = format!("IN (SELECT unhex(value) FROM json_each(${number}))");
            sql.replace_range(place..place + begin.len() + number.len() + 1, &list);
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::on_sqlite;

    #[test]
    fn a_list_of_ids_is_an_array_or_a_json_text() {
        let sql = "SELECT a FROM b WHERE c = ANY ($2) AND d = ANY($13)";
        let expected = "SELECT a FROM b WHERE c IN (SELECT unhex(value) FROM json_each($2)) \
                        AND d IN (SELECT unhex(value) FROM json_each($13))";
        assert_eq!(on_sqlite(sql), expected);
    }
}
