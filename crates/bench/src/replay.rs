//! Replays the server's statements without a server: on PostgreSQL with `pgbench`, on SQLite in a bare sqlx loop.
//!
//! The scripts have pgbench's format. [`Script::parse`] reads as much of it as the loop needs and compares the
//! statements with those that the server sends, so that the scripts cannot become outdated.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqliteConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};
use std::{
    collections::HashMap,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::Command;
use uuid::Uuid;

/// The rows that one client works on: a session with its tenant and user.
pub(crate) struct ReplayTarget {
    pub(crate) session: String,
    pub(crate) tenant: String,
    pub(crate) person: String,
}

/// A parsed script.
pub(crate) struct Script {
    name: &'static str,
    text: &'static str,
    statements: Vec<Statement>,
    on_sqlite: Vec<Statement>,
}

/// A statement with `?1`, `?2`, … as placeholders.
#[derive(Debug, PartialEq)]
struct Statement {
    sql: String,
    values: Vec<Slot>,
    /// Whether its result sets variables.
    sets: bool,
}

/// Source of a value.
#[derive(Debug, Clone, PartialEq)]
enum Slot {
    Variable(String),
    NewId,
    Now,
    Null,
    /// An empty text, which pgbench's variables cannot hold.
    Empty,
    /// A parameter of a captured statement.
    Parameter,
}

#[derive(Debug, Clone)]
enum Value {
    Id(Uuid),
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The name of a script, its text, and the text for SQLite.
type ScriptTexts = (&'static str, &'static str, &'static str);

pub(crate) const SCRIPTS: [ScriptTexts; 2] = [
    ("refresh.sql", include_str!("../replay/refresh.sql"), include_str!("../replay/refresh.sql")),
    ("create_role.sql", include_str!("../replay/create_role.sql"), include_str!("../replay/create_role_on_sqlite.sql")),
];

/// Returns the variables that have the same value for all clients.
fn constants() -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        ("one", Value::Number(1)),
        ("long_ago", text("2000-01-01T00:00:00+00:00")),
        ("description", text("Answers customers.")),
        ("permissions", text("users:read")),
        ("action", text("role.created")),
        ("action_group", text("role")),
        ("outcome", text("succeeded")),
        ("actor_type", text("user")),
        ("target_type", text("role")),
        (
            "changes",
            text(
                r#"[{"field":"name","to":"clerk 1"},{"field":"description","to":"Answers customers."},{"field":"permissions","to":["users:read"]}]"#,
            ),
        ),
        ("part", text(r#"{"actorName":"Ada Lovelace","ip":"127.0.0.1","targetName":"clerk 1"}"#)),
        ("digest", Value::Bytes(vec![7; 32])),
    ]
}

impl Script {
    pub(crate) fn parse((name, text, on_sqlite): ScriptTexts) -> Result<Self> {
        let (statements, on_sqlite) = (Statement::parse_all(text), Statement::parse_all(on_sqlite));
        let (statements, on_sqlite) = statements.zip(on_sqlite).with_context(|| format!("{name} ends too early"))?;
        Ok(Self { name, text, statements, on_sqlite })
    }

    /// Fails when the server sends other statements.
    pub(crate) fn require_same(&self, heard: &[String]) -> Result<()> {
        // The server opens a transaction and passes the scope in one message.
        let heard = heard.iter().flat_map(|message| message.split("; "));
        let heard: Vec<String> = heard.map(|sql| Statement::parse(sql, false).sql).collect();
        let ours: Vec<&String> = self.statements.iter().map(|statement| &statement.sql).collect();
        if !ours.iter().copied().eq(&heard) {
            bail!("crates/bench/replay/{} says {ours:#?}, and the server sends {heard:#?}", self.name);
        }
        Ok(())
    }

    /// Replays the script with pgbench, one client per target, and returns the rate per second.
    pub(crate) async fn replay_on_postgres(
        &self,
        pgbench: &Path,
        url: &str,
        targets: &[ReplayTarget],
        duration: Duration,
    ) -> Result<f64> {
        let mut connection = PgConnection::connect(url).await?;
        let table = "CREATE TABLE IF NOT EXISTS replay_targets \
            (client bigint PRIMARY KEY, session uuid, tenant uuid, person uuid, rotation bigint)";
        sqlx::query(table).execute(&mut connection).await?;
        sqlx::query("SELECT set_config('app.system', 'on', false)").execute(&mut connection).await?;
        for (target, client) in targets.iter().zip(0_i64..) {
            let insert = "INSERT INTO replay_targets SELECT $1, id, $3, $4, rotation FROM sessions WHERE id = $2 \
                ON CONFLICT (client) DO UPDATE SET rotation = excluded.rotation";
            let [session, tenant, person] = target.ids()?;
            sqlx::query(insert).bind(client).bind(session).bind(tenant).bind(person).execute(&mut connection).await?;
        }
        connection.close().await?;
        let folder = tempfile::tempdir()?;
        let script = folder.path().join(self.name);
        std::fs::write(&script, self.text)?;

        let mut command = Command::new(pgbench);
        command.args(["--no-vacuum", "--protocol=prepared", "--define=fresh=1"]);
        for (name, value) in constants() {
            command.arg(format!("--define={name}={}", value.for_pgbench()));
        }
        command.arg(format!("--client={}", targets.len()));
        command.arg(format!("--jobs={}", std::thread::available_parallelism()?.get().min(targets.len())));
        command.arg(format!("--time={}", duration.as_secs().max(1)));
        command.arg("--file").arg(&script).arg(url).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.context("cannot start pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        match rate {
            Some(rate) if output.status.success() => Ok(rate),
            _ => bail!("pgbench failed: {said}{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Replays the script on SQLite in one loop, since SQLite has one writer at a time, and returns the rate per
    /// second.
    pub(crate) async fn replay_on_sqlite(
        &self,
        file: &Path,
        targets: &[ReplayTarget],
        duration: Duration,
    ) -> Result<f64> {
        let options =
            SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Wal).foreign_keys(true);
        let options = options.synchronous(SqliteSynchronous::Full).busy_timeout(Duration::from_secs(2));
        let mut connection = options.disable_statement_logging().connect().await?;
        let mut variables: HashMap<String, Value> =
            constants().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut rotations: HashMap<Uuid, i64> = HashMap::new();
        let (began, mut count) = (Instant::now(), 0_u32);
        for target in targets.iter().cycle() {
            if began.elapsed() >= duration {
                break;
            }
            let [session, tenant, person] = target.ids()?;
            variables.insert("session".to_owned(), Value::Id(session));
            variables.insert("tenant".to_owned(), Value::Id(tenant));
            variables.insert("person".to_owned(), Value::Id(person));
            variables.insert("name".to_owned(), Value::Text(new_id().to_string()));
            let rotation = match rotations.get(&session) {
                Some(rotation) => *rotation,
                None => {
                    let rotation = sqlx::query_scalar("SELECT rotation FROM sessions WHERE id = $1").bind(session);
                    rotation.fetch_one(&mut connection).await?
                }
            };
            variables.insert("rotation".to_owned(), Value::Number(rotation));
            for statement in self.on_sqlite.iter().filter(|statement| statement.is_for_sqlite()) {
                statement.run_on_sqlite(&mut connection, &mut variables).await?;
            }
            if let Some(Value::Number(rotation)) = variables.get("rotation") {
                rotations.insert(session, *rotation);
            }
            count += 1;
        }
        let rate = f64::from(count) / began.elapsed().as_secs_f64();
        connection.close().await?;
        Ok(rate)
    }
}

impl ReplayTarget {
    fn ids(&self) -> Result<[Uuid; 3]> {
        Ok([self.session.parse()?, self.tenant.parse()?, self.person.parse()?])
    }
}

impl Statement {
    /// Returns the statements of a script from `BEGIN` on, or `None` when it does not end with a statement.
    fn parse_all(text: &str) -> Option<Vec<Self>> {
        let mut statements = Vec::new();
        let mut sql = String::new();
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let in_transaction = lines.skip_while(|line| *line != "BEGIN;").filter(|line| !line.starts_with('\\'));
        for line in in_transaction {
            sql.push_str(line);
            sql.push(' ');
            let line = line.trim_end();
            let (sets, ends) = (line.ends_with("\\gset"), line.ends_with(';'));
            if sets || ends {
                let text = std::mem::take(&mut sql);
                statements.push(Self::parse(text.trim_end().trim_end_matches("\\gset").trim_end_matches(';'), sets));
            }
        }
        (sql.trim().is_empty() && !statements.is_empty()).then_some(statements)
    }

    fn parse(text: &str, sets: bool) -> Self {
        let mut rest = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (mut sql, mut values) = (String::new(), Vec::new());
        while !rest.is_empty() {
            let (slot, length) = Slot::at_start(&rest, &sql);
            if let Some(slot) = slot {
                values.push(slot);
                sql.push_str(&format!("?{}", values.len()));
            } else {
                sql.push_str(&rest[..length]);
            }
            rest.drain(..length);
        }
        Self { sql, values, sets }
    }

    /// SQLite has no settings.
    fn is_for_sqlite(&self) -> bool {
        !self.sql.contains("set_config")
    }

    async fn run_on_sqlite(
        &self,
        connection: &mut SqliteConnection,
        variables: &mut HashMap<String, Value>,
    ) -> Result<()> {
        let sql = if self.sql == "BEGIN" { "BEGIN IMMEDIATE" } else { &self.sql };
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for slot in &self.values {
            query = match slot {
                Slot::Variable(name) => variables.get(name).with_context(|| format!("no {name}"))?.bound_to(query),
                Slot::NewId => query.bind(new_id()),
                Slot::Now => query.bind(now()),
                Slot::Null => query.bind(None::<String>),
                Slot::Empty => query.bind(""),
                Slot::Parameter => bail!("a script names its values"),
            };
        }
        let rows: Vec<SqliteRow> = query.fetch_all(&mut *connection).await?;
        if self.sets {
            let row = rows.first().context("no row to take variables from")?;
            variables.insert("rotation".to_owned(), Value::Number(row.try_get("rotation")?));
        }
        Ok(())
    }
}

impl Slot {
    /// Parses the placeholder at the start, or none, and returns the number of bytes that it or the plain character
    /// takes.
    fn at_start(rest: &str, before: &str) -> (Option<Self>, usize) {
        const WORDS: [(&str, Slot); 3] =
            [("gen_random_uuid()", Slot::NewId), ("now()", Slot::Now), ("''", Slot::Empty)];
        if let Some((word, slot)) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word)) {
            return (Some(slot), word.len());
        }
        const QUOTED_ID: usize = 38;
        let quoted = rest.get(..QUOTED_ID).and_then(|text| text.strip_prefix('\'')?.strip_suffix('\''));
        if quoted.is_some_and(|text| text.parse::<Uuid>().is_ok()) {
            return (Some(Self::Parameter), QUOTED_ID);
        }
        if rest.starts_with("NULL") && !before.ends_with("IS ") && !before.ends_with("NOT ") {
            return (Some(Self::Null), "NULL".len());
        }
        let name = |first: char| {
            let name = rest.strip_prefix(first)?;
            Some(&name[..name.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(name.len())])
        };
        match (name(':'), name('$')) {
            (Some(name), _) if name.starts_with(|c: char| c.is_ascii_lowercase()) && !before.ends_with(':') => {
                (Some(Self::Variable(name.to_owned())), 1 + name.len())
            }
            (_, Some(number)) if !number.is_empty() => (Some(Self::Parameter), 1 + number.len()),
            _ => (None, rest.chars().next().map_or(0, char::len_utf8)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a replay generates ids, as pgbench does with gen_random_uuid()")]
fn new_id() -> Uuid {
    Uuid::new_v4()
}

#[expect(clippy::disallowed_methods, reason = "the same for now()")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

type SqliteQuery<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

impl Value {
    fn for_pgbench(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
        }
    }

    fn bound_to<'q>(&self, query: SqliteQuery<'q>) -> SqliteQuery<'q> {
        match self.clone() {
            Self::Id(id) => query.bind(id),
            Self::Number(number) => query.bind(number),
            Self::Text(text) => query.bind(text),
            Self::Bytes(bytes) => query.bind(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_a_transaction() {
        for script in SCRIPTS {
            let script = Script::parse(script).unwrap();
            assert_eq!(script.statements.first().map(|s| s.sql.as_str()), Some("BEGIN"));
            assert_eq!(script.statements.last().map(|s| s.sql.as_str()), Some("COMMIT"));
        }
    }

    #[test]
    fn a_statement_is_the_same_however_its_values_are_written() {
        let script = Statement::parse("SELECT a::text, NULL\n  FROM b WHERE c = :c AND d IS NULL AND e > now()", false);
        let heard = Statement::parse("SELECT a::text, $1 FROM b WHERE c = $2 AND d IS NULL AND e > $3", false);
        assert_eq!(script.sql, heard.sql);
        assert_eq!(script.values, [Slot::Null, Slot::Variable("c".to_owned()), Slot::Now]);
    }
}
