//! The sessions of PostgreSQL: their address, their settings, and whether their server takes changes.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgRow},
};
use std::{collections::HashSet, time::Duration};
use tokio::time::timeout;

use crate::ConnectError;

/// An expression, whether the server takes no changes: a standby, or a server with `default_transaction_read_only`.
/// Asked outside a transaction, since a transaction may be read-only on its own.
macro_rules! only_reads {
    () => {
        "pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
    };
}
pub(crate) use only_reads;

/// An expression that fails on a standby with the error of a refused change. Each unit evaluates it when it opens:
/// a standby may lag behind, and would show sessions and roles that have ended.
pub(crate) const REFUSE_STANDBY: &str = "CASE WHEN pg_is_in_recovery() THEN txid_current() END";

/// Maximum duration of the test of a connection.
const TEST_LIMIT: Duration = Duration::from_millis(250);
/// Time limit of each check at start-up.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// Parses the URL of a database, in the forms that libpq takes.
pub(crate) fn parse_url(url: &SecretString) -> Result<PgConnectOptions, ConnectError> {
    // A URL with a user must name a host; libpq uses the default socket when there is none.
    const NO_HOST: &str = "default.invalid";
    let url = url.expose_secret();
    let start = url.find("://").map_or(0, |colon| colon + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |length| start + length);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    if url[host..end].contains(',') {
        return Err(ConnectError::SeveralHosts);
    }
    let is_missing = url[host..].starts_with(':') || (host == end && host > start);
    let default = if is_missing { NO_HOST } else { "" };
    let parsed = [&url[..host], default, &url[host..]].concat().parse();
    let options: PgConnectOptions = parsed.map_err(ConnectError::Address)?;
    let host = options.get_host().to_owned();
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        _ if host.contains(',') => Err(ConnectError::SeveralHosts),
        _ if host == NO_HOST => Ok(options.host(PgConnectOptions::new_without_pgpass().get_host())),
        Some(ipv6) => Ok(options.host(ipv6)),
        None => Ok(options),
    }
}

/// Returns the options of every connection.
pub(crate) fn options(url: &SecretString) -> Result<PgConnectOptions, ConnectError> {
    let options = parse_url(url)?.application_name("tenantry").statement_cache_capacity(256);
    // PgBouncer refuses this start-up parameter. Values travel in binary form, which it does not affect.
    Ok(options.extra_float_digits(None).disable_statement_logging())
}

/// Sets the time limits of a new session and its planner settings. A pooler refuses or drops settings in the start-up
/// packet.
pub(crate) async fn set_up(connection: &mut PgConnection, deadline: Duration) -> Result<(), sqlx::Error> {
    let deadline = deadline.as_millis();
    // - No statement here is long enough for compilation to pay: on a large table it took longer than all other work.
    // - The default of `random_page_cost` is that of rotating disks, which databases no longer use. With it, PostgreSQL
    //   searches a page of one tenant's entries from the end of all tenants' entries. That is slow when the tenant has
    //   no recent entries.
    let settings = format!(
        "SET statement_timeout = {deadline}; SET lock_timeout = {deadline}; \
         SET idle_in_transaction_session_timeout = 10000; SET jit = off; SET random_page_cost = 1.1"
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await.map(|_| ())
}

/// Returns whether the server answers in time on this connection and takes changes.
pub(crate) async fn takes_changes(connection: &mut PgConnection) -> bool {
    let ask = async { query(connection, concat!("SELECT ", only_reads!())).await?.try_get(0) };
    matches!(timeout(TEST_LIMIT, ask).await, Ok(Ok(false)))
}

/// Checks that the database stores UTF-8, and that each connection keeps its session of PostgreSQL and its settings.
pub(crate) async fn check_sessions(pool: &PgPool, deadline: Duration) -> Result<(), ConnectError> {
    let check = async {
        let mut one = pool.acquire().await?;
        let mut other = pool.connect_options().connect().await?;
        set_up(&mut other, deadline).await?;
        let encoding: String = query(&mut one, "SELECT current_setting('server_encoding')").await?.try_get(0)?;
        let keep = keep_sessions(&mut one, &mut other, deadline).await?;
        // The check is complete; a failure to say goodbye changes nothing.
        let _ = other.close().await;
        Ok((encoding, keep))
    };
    let (encoding, keep) = match timeout(CHECK_LIMIT, check).await {
        Ok(checked) => checked.map_err(refused)?,
        Err(_) => return Err(ConnectError::Late),
    };
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding(encoding));
    }
    if keep { Ok(()) } else { Err(ConnectError::LentSessions) }
}

/// Returns whether two open connections have one session of PostgreSQL each, whose settings stay.
async fn keep_sessions(
    one: &mut PgConnection,
    other: &mut PgConnection,
    deadline: Duration,
) -> Result<bool, sqlx::Error> {
    const ROUNDS: usize = 3;
    let (mut of_one, mut of_other) = (HashSet::new(), HashSet::new());
    for _ in 0..ROUNDS {
        // A pooler that lends the session used last lends both connections the same one. A pooler that lends them in
        // turn lends one connection different ones, if it asks twice.
        for _ in 0..2 {
            of_one.insert(session(one).await?);
        }
        for _ in 0..2 {
            of_other.insert(session(other).await?);
        }
    }
    let limit = i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
    let is_one_of_ours = |sessions: &HashSet<(i32, i64)>| sessions.len() == 1 && sessions.iter().all(|s| s.1 == limit);
    Ok(is_one_of_ours(&of_one) && is_one_of_ours(&of_other) && of_one.is_disjoint(&of_other))
}

/// Returns the id of the server process behind a connection, and its time limit of a statement in milliseconds.
async fn session(connection: &mut PgConnection) -> Result<(i32, i64), sqlx::Error> {
    const SESSION: &str = "SELECT pg_backend_pid(), \
                           (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout')";
    let row = query(connection, SESSION).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Runs a query of one row as a simple one: prepared statements fail where a pooler lends sessions.
async fn query(connection: &mut PgConnection, sql: &'static str) -> Result<PgRow, sqlx::Error> {
    sqlx::raw_sql(sql).fetch_one(connection).await
}

/// Returns the error of a connection that could not be opened. A pooler that refuses a start-up parameter can be told
/// to ignore it.
fn refused(error: sqlx::Error) -> ConnectError {
    let parameter = error.as_database_error().and_then(|error| {
        let (_, parameter) = error.message().split_once("unsupported startup parameter")?;
        // Newer versions of PgBouncer name the setting in the parameter `options`, which can only be ignored as a whole.
        Some(parameter.strip_prefix(": ").map_or("options", str::trim).to_owned())
    });
    parameter.map_or_else(|| ConnectError::Unreachable(error), ConnectError::StartupParameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parsed(url: &str) -> PgConnectOptions {
        parse_url(&url.into()).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for (url, host, port) in [
            ("postgres://app:pw@db.example.com/d", "db.example.com", 5432),
            ("postgres://app:pw@[::1]:5433/d", "::1", 5433),
            ("postgres://[2001:db8::7]/d?user=app", "2001:db8::7", 5432),
            ("postgresql://app:p%40%2Fw@10.0.0.1:6432/d?sslmode=require", "10.0.0.1", 6432),
            ("postgres://app:pw@/d?host=db.example.com&port=5433", "db.example.com", 5433),
        ] {
            let options = parsed(url);
            assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
            assert_eq!((options.get_username(), options.get_database()), ("app", Some("d")), "{url}");
            assert!(options.get_socket().is_none(), "{url}");
        }
    }

    #[test]
    fn sockets_are_named_in_the_three_forms_of_libpq() {
        for url in [
            "postgres://app:pw@/d?host=/run/pg",
            "postgres:///d?host=/run/pg&user=app",
            "postgres://app@%2Frun%2Fpg/d",
            "postgres://app:pw@:5432/d?host=/run/pg",
        ] {
            let options = parsed(url);
            assert_eq!(options.get_socket().map(AsRef::as_ref), Some(Path::new("/run/pg")), "{url}");
            assert_eq!((options.get_username(), options.get_port()), ("app", 5432), "{url}");
        }
        let default = PgConnectOptions::new_without_pgpass();
        for url in ["postgres:///d", "postgres://app:pw@/d"] {
            assert_eq!(parsed(url).get_host(), default.get_host(), "{url}");
        }
    }

    #[test]
    fn only_one_host_is_possible() {
        for url in [
            "postgres://app:pw@host1,host2/d",
            "postgres://app:pw@host1:5432,host2:5433/d",
            "postgres:///d?host=host1,host2",
        ] {
            let refused = parse_url(&url.into());
            assert!(matches!(refused, Err(ConnectError::SeveralHosts)), "{url}: {refused:?}");
        }
    }

    #[test]
    fn a_comma_in_a_password_is_no_second_host() {
        assert_eq!(parsed("postgres://app:a,b@db/d").get_host(), "db");
    }
}
