//! Throw-away databases: one for each test, removed when its guard is dropped.
//!
//! SQLite needs no server. PostgreSQL has to run already: `TEST_DATABASE_URL` names one of its databases, used only to
//! create others, with a role that may create databases. `cargo xtask test` finds or starts such a server and sets the
//! variable.

mod file_template;
mod program;
mod template;

use file_template::FileTemplate;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{fmt, path::Path, thread, time::Duration};
use tempfile::TempDir;
use template::Template;
use url::Url;
use uuid::Uuid;

const VARIABLE: &str = "TEST_DATABASE_URL";

/// Maximum number of attempts while another client is connected to the database to be copied. The server itself waits
/// five seconds.
const COPY_ATTEMPTS: u32 = 10;
const COPY_PAUSE: Duration = Duration::from_millis(100);
/// Version of PostgreSQL that by default writes every page of a copy into its log. Copying the files instead takes half
/// the time, as in older versions, which do not have the option.
const COPIES_BY_PAGE_SINCE: u32 = 150_000;

/// Maximum time of dropping a guard: a test may have stopped the server on purpose.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);

/// A database of one test. Dropping the value removes it with all its data, even while clients are connected.
#[must_use = "the database goes when its guard is dropped"]
pub struct TestDatabase {
    url: String,
    place: Location,
}

enum Location {
    /// Held for its `Drop`.
    Folder {
        _folder: TempDir,
    },
    Server {
        server: Server,
        name: String,
    },
}

impl TestDatabase {
    /// Returns the URL to connect to, as in `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Returns an empty SQLite database in its own file, which is created when it is first opened.
///
/// # Panics
///
/// Panics when there is no temporary folder.
pub fn sqlite() -> TestDatabase {
    let folder = TempDir::with_prefix("tenantry-sqlite-").expect("a temporary folder can be made");
    let url = sqlite_url(&folder.path().join("test.db"));
    TestDatabase { url, place: Location::Folder { _folder: folder } }
}

/// Returns a copy of the SQLite database that `prepare` creates once, like [`postgres_from_template`] for PostgreSQL.
///
/// # Panics
///
/// Panics as [`copy_sqlite_template`] does.
pub async fn sqlite_from_template<E: fmt::Debug>(
    name: &str,
    prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
) -> TestDatabase {
    let folder = TempDir::with_prefix("tenantry-sqlite-").expect("a temporary folder can be made");
    let file = folder.path().join("test.db");
    copy_sqlite_template(name, prepare, &file).await;
    TestDatabase { url: sqlite_url(&file), place: Location::Folder { _folder: folder } }
}

/// Copies the SQLite database that `prepare` creates once to the path `to`, whose folder exists.
///
/// `prepare` gets the URL of a new file, and closes it before it returns. The file stays beside the test program, for
/// this build of the program. Callers that arrive at the same time may each prepare one. `name` is as for
/// [`postgres_from_template`].
///
/// # Panics
///
/// Panics when `prepare` fails, and when the folder of the test program or of the copy cannot be written.
pub async fn copy_sqlite_template<E: fmt::Debug>(
    name: &str,
    prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
    to: &Path,
) {
    let template = FileTemplate::of_this_program(name);
    template.make_ready(prepare).await;
    template.copy_to(to);
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

/// Creates an empty PostgreSQL database.
///
/// # Panics
///
/// Panics when `TEST_DATABASE_URL` is missing, when its server cannot be reached, and when its role may not create
/// databases or is not bound by row-level security.
pub async fn postgres() -> TestDatabase {
    let server = Server::from_environment();
    let mut connection = server.connect().await;
    server.create(&mut connection, None).await
}

/// Creates a copy of the PostgreSQL database that `prepare` creates once, for example by running the migrations.
///
/// The first caller of a test program gives `prepare` the URL of an empty database. Every other caller waits for it and
/// then only copies, which takes some ten milliseconds. Each build of a test program prepares anew, so an old copy
/// never hides a changed migration. `name` distinguishes the templates of one program: up to 20 lowercase letters,
/// digits and underscores.
///
/// # Panics
///
/// Panics as [`postgres`] does, and when `prepare` fails.
pub async fn postgres_from_template<E: fmt::Debug>(
    name: &str,
    prepare: impl AsyncFnOnce(&str) -> Result<(), E>,
) -> TestDatabase {
    let server = Server::from_environment();
    let mut connection = server.connect().await;
    let template = Template::of_this_program(name);
    template.make_ready(&server, &mut connection, prepare).await;
    server.create(&mut connection, Some(&template)).await
}

/// The server that `TEST_DATABASE_URL` names.
struct Server {
    url: Url,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "the one variable that gives the tests a server")]
    fn from_environment() -> Self {
        let Ok(url) = std::env::var(VARIABLE) else {
            panic!("{VARIABLE} is not set: run the tests by `cargo xtask test`, or set it to a PostgreSQL for tests");
        };
        // The value may contain a password and is not repeated.
        let url = Url::parse(&url).unwrap_or_else(|error| panic!("{VARIABLE} is not a URL: {error}"));
        Self { url }
    }

    /// Returns the URL of another database of this server.
    fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// Connects to the database that the variable names, as a role bound by row-level security. With any other role,
    /// every test of row-level security would pass.
    async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(self.url.as_str())
            .await
            .unwrap_or_else(|error| panic!("the PostgreSQL that {VARIABLE} names does not answer: {error}"));
        let (role, free): (String, bool) =
            sqlx::query_as("SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
                .fetch_one(&mut connection)
                .await
                .expect("every role may read its own entry");
        assert!(!free, "{VARIABLE} must name a role without SUPERUSER and BYPASSRLS, and {role} has one of them");
        connection
    }

    /// Creates a database, empty or as a copy.
    async fn create(self, connection: &mut PgConnection, template: Option<&Template>) -> TestDatabase {
        let name = unique_name();
        let statement = match template {
            Some(template) if connection.server_version_num() >= Some(COPIES_BY_PAGE_SINCE) => {
                format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
            }
            Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template}"),
            None => format!("CREATE DATABASE {name}"),
        };
        let mut attempt = 1;
        while let Err(error) = execute(connection, &statement).await {
            assert!(is_in_use(&error) && attempt < COPY_ATTEMPTS, "{statement}: {error}");
            attempt += 1;
            tokio::time::sleep(COPY_PAUSE).await;
        }
        TestDatabase { url: self.url_of(&name), place: Location::Server { server: self, name } }
    }

    /// Removes a database and ends all connections to it.
    fn remove(&self, name: &str) -> Result<(), String> {
        let remove = async {
            let mut connection = PgConnection::connect(self.url.as_str()).await?;
            drop_database(&mut connection, name).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let removed = runtime
            .map_err(|error| error.to_string())?
            .block_on(async { tokio::time::timeout(REMOVE_LIMIT, remove).await });
        removed.map_err(|_| "the server does not answer".to_owned())?.map_err(|error| error.to_string())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Location::Server { server, name } = &self.place else { return };
        // This thread may belong to a runtime already, in which no other runtime can be started.
        let removed = thread::scope(|scope| scope.spawn(|| server.remove(name)).join());
        // The test has its result already, and may have stopped the server on purpose.
        #[expect(clippy::print_stderr, reason = "the test's output explains a database that was left over")]
        if !matches!(removed, Ok(Ok(()))) {
            eprintln!("the database {name} could not be removed: {removed:?}");
        }
    }
}

/// Runs a statement without parameters, whose names are generated here from letters, digits and underscores.
async fn execute(connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(|_| ())
}

/// Removes a database, even while clients are connected. A vacuum worker of the server itself cannot be ended from
/// here; it finishes soon.
async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let mut attempt = 1;
    loop {
        match execute(connection, &statement).await {
            Err(error) if attempt < COPY_ATTEMPTS && has_code(&error, INSUFFICIENT_PRIVILEGE) => attempt += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(COPY_PAUSE).await;
    }
}

/// Returns whether the statement failed because other clients are connected to the database, which is temporary.
fn is_in_use(error: &sqlx::Error) -> bool {
    const OBJECT_IN_USE: &str = "55006";
    has_code(error, OBJECT_IN_USE)
}

fn has_code(error: &sqlx::Error, expected: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == expected)
}

#[expect(
    clippy::disallowed_methods,
    reason = "several programs create databases on one server, and no test reads their names"
)]
fn unique_name() -> String {
    format!("tenantry_test_{}", Uuid::new_v4().simple())
}
