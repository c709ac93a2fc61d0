//! The doctor's checks of the database.

use std::{
    error::Error,
    fs::{File, TryLockError},
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tenantry_crypto::{SystemClock, SystemEntropy};
use tenantry_jobs::JobAdmin;
use tenantry_kernel::{Context, StoreError};
use tenantry_store::{ConnectError, OutdatedKeys, Scope, Store, SystemReason};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    composition::store_config,
    config::{Config, Database},
    health::{ONLY_READS, check_queue},
    schema::serve_lock_of,
};

use super::{Report, took};

/// Time limit of each check.
const LIMIT: Duration = Duration::from_secs(3);
/// Advice for a database that cannot be used.
const CHECK_URL: &str =
    "check that it runs and takes changes, and that DATABASE_URL names the right server, user, password and database";

/// Checks that the database exists, responds, accepts changes, has the schema of this program and isolates tenants.
pub(super) async fn look(config: &Config, report: &mut Report) {
    let place = match &config.database.url {
        Database::Sqlite(file) => look_at_file(file, report),
        url @ Database::Postgres(_) => look_at_port(url, report).await,
    };
    let Some(place) = place else { return };
    // The doctor reads no stored name, so the store needs no vocabulary.
    match limited(Store::connect(store_config(config), Arc::default())).await {
        Ok(store) => {
            ask(config, &store, &place, report).await;
            // Connections that do not close in time end with the process.
            let _ = timeout(LIMIT, store.close()).await;
        }
        Err(why) => {
            let mend = "let this user write it, or set DATA_DIR or DATABASE_URL to another place";
            report.problem("database", format!("{place} cannot be opened ({why}): {mend}"));
        }
    }
}

async fn ask(config: &Config, store: &Store, place: &str, report: &mut Report) {
    if let Err(why) = limited(store.check_database()).await {
        return report.problem("database", format!("{place} cannot be used ({why}): {CHECK_URL}"));
    }
    let began = Instant::now();
    match limited(store.version()).await {
        Ok(version) => report.fine("database", format!("{version} answers at {place} in {}", took(began))),
        Err(why) => return report.problem("database", format!("{place} cannot be used ({why}): {CHECK_URL}")),
    }
    if let Ok(false) = limited(store.takes_changes()).await {
        return report.problem("database", format!("{ONLY_READS}: {CHECK_URL}"));
    }
    match limited(store.begin(Scope::System(SystemReason::Maintenance))).await {
        Ok(_rolled_back) => report.fine("changes", "can be made"),
        Err(why) => report.problem("changes", format!("cannot be made ({why}): end what holds the database")),
    }
    let schema = async {
        match store.is_migrated().await {
            Err(error @ ConnectError::ProgramTooOld { .. }) => Ok(Err(error.to_string())),
            looked => looked.map(Ok),
        }
    };
    match limited::<_, ConnectError>(schema).await {
        Ok(Ok(true)) => {
            report.fine("schema", "up to date");
            look_at_queue(config, store, report).await;
            look_at_names(store, report).await;
        }
        Ok(Err(too_old)) => report.problem("schema", too_old),
        Ok(Ok(false)) => {
            report.problem("schema", "not up to date: run `tenantry migrate`, or start the server, which does it")
        }
        Err(why) => report.problem("schema", format!("cannot be inspected ({why}): run `tenantry migrate`")),
    }
    if let Database::Postgres(_) = config.database.url {
        look_at_role(config, store, report).await;
    }
}

/// Checks that jobs are being done. No server need run for this check.
async fn look_at_queue(config: &Config, store: &Store, report: &mut Report) {
    const MEND: &str = "check that a server or a worker runs, and read its log; `tenantry jobs list --state dead` shows the dead letters";
    let figures = async { store.read(Scope::System(SystemReason::Maintenance)).await?.queue_figures().await };
    match limited::<_, StoreError>(figures).await {
        Ok(figures) => {
            let now = Context::new(SystemClock, SystemEntropy).now();
            report.observed("queue", check_queue(&figures, now, &config.health), MEND);
        }
        Err(why) => report.problem("queue", format!("cannot be inspected ({why}): run `tenantry migrate`")),
    }
}

/// Counts the stored keys of names that an older version made otherwise.
async fn look_at_names(store: &Store, report: &mut Report) {
    const MEND: &str = "they hold characters that are shown as nothing; rename what looks like another name";
    let counted = async { store.read(Scope::System(SystemReason::Maintenance)).await?.outdated_keys().await };
    match limited::<_, StoreError>(counted).await {
        Ok(OutdatedKeys { roles: 0, members: 0, files: 0 }) => {
            report.fine("names", "compared without invisible characters")
        }
        Ok(OutdatedKeys { roles, members, files }) => {
            let found = format!("{roles} roles, {members} members and {files} files have keys of an older version");
            report.warning("names", format!("{found}: {MEND}"));
        }
        Err(why) => report.warning("names", format!("cannot be counted ({why})")),
    }
}

/// Checks that PostgreSQL itself isolates tenants, in case one of our queries omits the tenant.
async fn look_at_role(config: &Config, store: &Store, report: &mut Report) {
    let thing = "row-level security";
    let refused = config.general.environment.is_production() && !config.database.allow_rls_bypass;
    match limited(store.bypasses_row_level_security()).await {
        Ok(false) => report.fine(thing, "binds this role"),
        Ok(true) if refused => {
            let mend = "use a role with NOSUPERUSER NOBYPASSRLS, or set ALLOW_RLS_BYPASS=on";
            report.problem(thing, format!("does not bind this role, which production refuses: {mend}"));
        }
        Ok(true) => report.fine(thing, "does not bind this role; production refuses it"),
        Err(why) => report.problem(thing, format!("cannot be inspected ({why}): let this role read pg_roles")),
    }
}

/// Checks the SQLite file and returns its path, if there is a file to open.
fn look_at_file(file: &Path, report: &mut Report) -> Option<String> {
    let place = file.display().to_string();
    if !file.exists() {
        report.fine("database", format!("{place} does not exist yet; `tenantry migrate` or the server creates it"));
        return None;
    }
    match is_served(file) {
        Ok(true) => report.fine("server", format!("one serves from {place}; a second one would be refused")),
        Ok(false) => report.fine("server", format!("none serves from {place}")),
        Err(error) => {
            report.problem("server", format!("its lock cannot be inspected ({error}): run this command as its user"))
        }
    }
    Some(place)
}

/// Returns whether a server holds its lock on the file. The check locks shared and only for an instant, because a
/// starting server tries its lock only once.
fn is_served(file: &Path) -> io::Result<bool> {
    let lock = match File::open(serve_lock_of(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns the address of PostgreSQL, if a server listens there. Without this check the pool would only report a
/// timeout.
async fn look_at_port(url: &Database, report: &mut Report) -> Option<String> {
    // The URL names a socket in the file system.
    let Some((host, port)) = url.host_and_port() else { return Some("the socket of DATABASE_URL".to_owned()) };
    let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    match limited(TcpStream::connect((host, port))).await {
        Ok(_) => Some(place),
        Err(why) => {
            let mend = "start PostgreSQL there, or correct DATABASE_URL";
            report.problem("database", format!("no server answers at {place} ({why}): {mend}"));
            None
        }
    }
}

/// Returns the result of a check, or a short reason for its failure: the innermost cause, which is the most specific.
async fn limited<T, E: Error + 'static>(question: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(LIMIT, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            let mut innermost: &dyn Error = &error;
            while let Some(cause) = innermost.source() {
                innermost = cause;
            }
            Err(innermost.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use tempfile::TempDir;

    async fn looked_at_port(url: String) -> (Option<String>, Report) {
        let mut report = Report::default();
        (look_at_port(&Database::Postgres(url.into()), &mut report).await, report)
    }

    #[tokio::test]
    async fn a_closed_port_is_told_without_the_password() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let url = || format!("postgres://ada:secret@{address}/tenantry");
        assert_eq!(looked_at_port(url()).await.0, Some(address.to_string()));
        drop(listener);
        let (place, report) = looked_at_port(url()).await;
        assert_eq!(place, None);
        let text = report.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("refused") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn a_socket_in_the_file_system_is_left_to_the_driver() {
        let (place, report) = looked_at_port("postgres:///tenantry?host=/run/postgresql".to_owned()).await;
        assert!(place.is_some() && report.is_healthy());
    }

    #[test]
    fn a_server_is_told_by_its_lock() {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("a.db");
        assert!(!is_served(&file).expect("no lock"));
        let lock = File::create(folder.path().join("a.db.serve.lock")).expect("a lock");
        assert!(!is_served(&file).expect("a free lock"));
        lock.try_lock().expect("a free lock");
        assert!(is_served(&file).expect("a held lock"));
    }
}
