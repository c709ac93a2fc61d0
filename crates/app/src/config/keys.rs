//! The one list of configuration variables: defaults, error messages and the reference are made from it.

use std::fmt::Write as _;

/// One configuration variable.
#[derive(Debug)]
pub struct Key {
    /// The environment variable; in a file the same in lower case.
    pub name: &'static str,
    /// What it may be set to, to be read after "must be".
    pub takes: &'static str,
    /// A value that is taken; empty where showing one would invite copying a secret.
    pub example: &'static str,
    /// The value in `default.toml`; empty where nothing is set.
    pub default: &'static str,
    /// What holds while nothing is set, where there is no default.
    pub unset: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

macro_rules! keys {
    ($($name:ident { takes: $takes:literal, example: $example:literal, default: $default:literal, unset: $unset:literal,
        meaning: $meaning:literal })*) => {
        $(pub(super) const $name: &Key = &Key {
            name: stringify!($name), takes: $takes, example: $example, default: $default, unset: $unset, meaning: $meaning,
        };)*

        /// Every configuration variable, in the order of the reference.
        pub const KEYS: &[&Key] = &[$($name,)*];
    };
}

keys! {
    TENANTRY_ENV { takes: "development or production", example: "production", default: "development", unset: "",
        meaning: "What the installation is for. Production refuses to start with settings that are only fit for development." }
    HOST { takes: "an IP address or localhost", example: "127.0.0.1", default: "127.0.0.1", unset: "",
        meaning: "The address to listen on. Any other than loopback needs an explicit `TENANTRY_ENV`." }
    PORT { takes: "a number from 0 to 65535", example: "3000", default: "3000", unset: "",
        meaning: "The port to listen on. 0 takes a free one; the address is logged." }
    WORKERS { takes: "a number from 1 to 1024", example: "4", default: "", unset: "the number of cores",
        meaning: "Threads that serve HTTP." }
    PUBLIC_URL { takes: "an http or https address without path, query or trailing slash", example: "https://api.example.com",
        default: "", unset: "`http://HOST:PORT`",
        meaning: "Where clients reach the API; the issuer of its tokens. Production needs https." }
    CORS_ORIGINS { takes: "a list of origins, separated by commas, without paths and without *", example: "https://app.example.com",
        default: "", unset: "none", meaning: "Web origins whose pages may call the API and use the session cookie." }
    TRUSTED_PROXIES { takes: "a number from 0 to 16", example: "1", default: "", unset: "none",
        meaning: "How many proxies stand in front; that many hops of the forwarding headers count, from the right." }
    HEALTH_TOKEN { takes: "at least 16 visible ASCII characters", example: "", default: "", unset: "no details to outsiders",
        meaning: "Bearer token that shows the checks of `/health`." }
    HEALTH_LATENCY_WARN { takes: "a time from 1ms to 10s", example: "250ms", default: "250ms", unset: "",
        meaning: "Whatever takes longer to answer is a warning in `/health`." }
    HEALTH_QUEUE_AGE_WARN { takes: "a time from 1s to 30d", example: "5m", default: "5m", unset: "",
        meaning: "A job that has been due for so long is a warning in `/health`." }
    HEALTH_QUEUE_AGE_FAIL { takes: "a time from 1s to 30d, at least HEALTH_QUEUE_AGE_WARN", example: "1h", default: "1h", unset: "",
        meaning: "A job that has been due for so long makes `/health` fail: nobody does the jobs." }
    HEALTH_DEAD_LETTERS_WARN { takes: "a number from 1 to 1000000", example: "100", default: "100", unset: "",
        meaning: "So many dead letters are a warning in `/health`." }
    HEALTH_DISK_WARN_PERCENT { takes: "a number from 0 to 100", example: "10", default: "10", unset: "",
        meaning: "Less free space (or inodes) than this share of a disk that is written to is a warning in `/health`." }
    HEALTH_DISK_FAIL_PERCENT { takes: "a number from 0 to 100, at most HEALTH_DISK_WARN_PERCENT", example: "2", default: "2", unset: "",
        meaning: "Less than this share makes `/health` fail." }
    DATA_DIR { takes: "a folder", example: "./data", default: "./data", unset: "",
        meaning: "Holds the SQLite file and the keys made in development." }
    DATABASE_URL { takes: "sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE, with special characters of the password percent-encoded",
        example: "", default: "", unset: "`sqlite:` and `tenantry.db` in `DATA_DIR`", meaning: "The database." }
    DATABASE_POOL_SIZE { takes: "a number from 1 to 1000", example: "10", default: "10", unset: "",
        meaning: "Connections of one process." }
    DATABASE_DEADLINE_MS { takes: "a number from 100 to 60000", example: "2000", default: "2000", unset: "",
        meaning: "How long a unit of work may take before it is given up, in milliseconds." }
    SQLITE_SYNCHRONOUS { takes: "full or normal", example: "full", default: "full", unset: "",
        meaning: "With `normal` commits are faster and the last ones may be lost when the power fails." }
    ALLOW_RLS_BYPASS { takes: "on or off", example: "off", default: "off", unset: "",
        meaning: "Lets production use a database role that row-level security does not bind: a superuser, or one with BYPASSRLS." }
    REDIS_URL { takes: "redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER], with special characters of the password percent-encoded",
        example: "redis://127.0.0.1:6379", default: "", unset: "none; each process keeps to itself",
        meaning: "A Redis that processes share: limits are counted there together, counts are cached, and messages hurry changes of power and jobs. The server serves without it too." }
    STORAGE_URL { takes: "file:FOLDER or s3://BUCKET[/PREFIX]", example: "s3://acme-files", default: "",
        unset: "`file:` and `files` in `DATA_DIR`",
        meaning: "Where the bytes of files are kept: a folder, which all processes must share, or a bucket of S3. See [operations.md](operations.md#files)." }
    STORAGE_REDIRECT { takes: "on or off", example: "off", default: "off", unset: "",
        meaning: "With `on` downloads are sent on to S3, to an address that is good for a minute." }
    AWS_REGION { takes: "the name of a region", example: "eu-central-1", default: "us-east-1", unset: "",
        meaning: "The region of the bucket. Servers other than AWS mostly do not care." }
    AWS_ENDPOINT_URL { takes: "an http or https address without path, query or trailing slash", example: "https://minio.example.com",
        default: "", unset: "AWS", meaning: "A server that speaks like S3, such as MinIO." }
    AWS_ACCESS_KEY_ID { takes: "1 to 128 visible ASCII characters", example: "", default: "", unset: "the role of the machine",
        meaning: "The key that the bucket is used with; it goes with `AWS_SECRET_ACCESS_KEY`." }
    AWS_SECRET_ACCESS_KEY { takes: "1 to 255 visible ASCII characters", example: "", default: "", unset: "the role of the machine",
        meaning: "The secret of that key." }
    AWS_SESSION_TOKEN { takes: "1 to 4096 visible ASCII characters", example: "", default: "", unset: "none",
        meaning: "Goes with keys that are good for a while only." }
    MAX_FILE_SIZE { takes: "bytes from 1 to 48GiB, with or without KiB, MiB or GiB", example: "10MiB", default: "10MiB", unset: "",
        meaning: "How large one file may be." }
    STORAGE_PLANS_STARTER { takes: "bytes, with or without KiB, MiB, GiB or TiB", example: "1GiB", default: "1GiB", unset: "",
        meaning: "How much a tenant on the plan `starter` may keep." }
    STORAGE_PLANS_PRO { takes: "bytes, with or without KiB, MiB, GiB or TiB", example: "50GiB", default: "50GiB", unset: "",
        meaning: "How much a tenant on the plan `pro` may keep." }
    STORAGE_PLANS_ENTERPRISE { takes: "bytes, with or without KiB, MiB, GiB or TiB", example: "1TiB", default: "1TiB", unset: "",
        meaning: "How much a tenant on the plan `enterprise` may keep." }
    REGISTRATION { takes: "open, verified or closed", example: "closed", default: "", unset: "`open`; `verified` in production",
        meaning: "Who may register: everybody; everybody who confirms their address by a mailed link; or nobody but through the command line." }
    PRODUCT_NAME { takes: "1 to 80 characters on one line", example: "Acme Cloud", default: "Tenantry", unset: "",
        meaning: "What the product is called in mails." }
    MAIL_URL { takes: "smtp://USER:PASSWORD@HOST:PORT?tls=required (or opportunistic, or none), smtps://USER:PASSWORD@HOST:PORT, file:FOLDER or console:; with special characters of user and password percent-encoded, and both and the port only where they are needed",
        example: "file:./data/mail", default: "console:", unset: "",
        meaning: "Where mails go: to an SMTP server (`smtp:` with STARTTLS, port 587; `smtps:` with TLS from the start, port 465), as one .eml file each into a folder, or to standard output, for development. Production refuses `console:`. See [mail.md](mail.md)." }
    MAIL_CA_FILE { takes: "a file of certificates in PEM", example: "./mail-ca.pem", default: "", unset: "the authorities of the operating system",
        meaning: "Authorities that the certificate of the SMTP server may also be of." }
    MAIL_FROM { takes: "an e-mail address, with or without a name", example: "Acme <no-reply@acme.example>",
        default: "Tenantry <no-reply@localhost.localdomain>", unset: "", meaning: "The sender of mails. Production needs one of its own." }
    MAIL_TEMPLATES { takes: "a folder", example: "./mail-templates", default: "", unset: "the built-in ones",
        meaning: "Files that take the place of built-in mail templates of the same name." }
    APP_URL { takes: "an http or https address without path, query or trailing slash", example: "https://app.example.com",
        default: "", unset: "the public URL", meaning: "Where mailed links lead. Production needs https." }
    LINK_PATH_CONFIRM { takes: "a path with {token} in it", example: "/links/confirm#{token}", default: "/links/confirm#{token}", unset: "",
        meaning: "The page behind `APP_URL` that confirms a registration." }
    LINK_PATH_VERIFY { takes: "a path with {token} in it", example: "/links/verify#{token}", default: "/links/verify#{token}", unset: "",
        meaning: "The page behind `APP_URL` that proves an address." }
    LINK_PATH_RESET { takes: "a path with {token} in it", example: "/links/reset#{token}", default: "/links/reset#{token}", unset: "",
        meaning: "The page behind `APP_URL` that sets a new password." }
    LINK_PATH_INVITE { takes: "a path with {token} in it", example: "/links/invite#{token}", default: "/links/invite#{token}", unset: "",
        meaning: "The page behind `APP_URL` that accepts an invitation." }
    SIGNING_KEYS { takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas", example: "", default: "",
        unset: "made on first start; production needs them",
        meaning: "Sign access tokens: the first makes them, all verify. `tenantry admin rotate-keys` prints the next value." }
    SERVER_SECRETS { takes: "secrets of at least 32 bytes, each BASE64 or ID:BASE64, separated by commas", example: "", default: "",
        unset: "made on first start; production needs them",
        meaning: "Refresh tokens, links and cursors are derived from them: the first makes, all verify." }
    SEAL_KEYS { takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas", example: "", default: "",
        unset: "made on first start; production needs them",
        meaning: "Sign the seals of the audit log: the first signs, all are trusted. A key stays for as long as what it has signed. See [audit.md](audit.md)." }
    TOKEN_AUDIENCE { takes: "1 to 255 visible ASCII characters", example: "https://api.example.com", default: "",
        unset: "the public URL", meaning: "The `aud` claim of access tokens." }
    ACCESS_TTL { takes: "whole seconds from 1s to 24h", example: "15m", default: "15m", unset: "",
        meaning: "How long an access token is good." }
    REFRESH_GRACE { takes: "a time from 0s to 60s", example: "10s", default: "10s", unset: "",
        meaning: "How long a refresh token that was used may be used again, for parallel tabs and lost answers." }
    REFRESH_IDLE { takes: "a time from 1s to 3650d, at least ACCESS_TTL", example: "14d", default: "14d", unset: "",
        meaning: "A session that is not refreshed for so long ends." }
    REFRESH_MAX { takes: "a time from 1s to 3650d", example: "90d", default: "90d", unset: "",
        meaning: "A sign-in ends after so long, however much it is used." }
    ARGON2_MEMORY_KIB { takes: "a number from 8 to 4194304", example: "19456", default: "19456", unset: "",
        meaning: "Memory of one password hash, in KiB." }
    ARGON2_ITERATIONS { takes: "a number from 1 to 1000", example: "2", default: "2", unset: "",
        meaning: "Passes of one password hash over its memory." }
    RATE_LIMITS { takes: "on or off", example: "on", default: "on", unset: "",
        meaning: "`off` turns every limit off, those on guessing included, for tests and benchmarks. Production refuses it." }
    RATE_LIMIT_PER_MINUTE { takes: "a number from 1 to 1000000", example: "100", default: "100", unset: "",
        meaning: "Requests in a minute from one address (IPv6: one /64) that is not signed in, and of a person who is in no tenant." }
    RATE_LIMIT_PLANS_STARTER { takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000", example: "caller=100,tenant=1000",
        default: "caller=100,tenant=1000", unset: "",
        meaning: "Requests in a minute on the plan `starter`: of each person, and of everybody of a tenant together." }
    RATE_LIMIT_PLANS_PRO { takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000", example: "caller=300,tenant=10000",
        default: "caller=300,tenant=10000", unset: "", meaning: "The same on the plan `pro`." }
    RATE_LIMIT_PLANS_ENTERPRISE { takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000", example: "caller=1000,tenant=100000",
        default: "caller=1000,tenant=100000", unset: "", meaning: "The same on the plan `enterprise`." }
    GUESS_PER_ACCOUNT_AND_ADDRESS { takes: "a number and a time, NUMBER/TIME", example: "10/15m", default: "10/15m", unset: "",
        meaning: "Wrong passwords for one account from one address." }
    GUESS_PER_ADDRESS { takes: "a number and a time, NUMBER/TIME", example: "100/15m", default: "100/15m", unset: "",
        meaning: "Wrong passwords from one address (IPv6: one /64) for any account." }
    GUESS_PER_ACCOUNT { takes: "a number and a time, NUMBER/TIME", example: "100/1h", default: "100/1h", unset: "",
        meaning: "Wrong passwords for one account from any address; beyond it only addresses known to the account may try." }
    REGISTRATIONS_PER_ADDRESS { takes: "a number and a time, NUMBER/TIME", example: "20/1h", default: "20/1h", unset: "",
        meaning: "Registrations from one address." }
    MAILS_PER_RECIPIENT { takes: "a number and a time, NUMBER/TIME", example: "5/1h", default: "5/1h", unset: "",
        meaning: "Mails to one mailbox that others can cause: forgotten passwords, links sent again, invitations, registrations to confirm." }
    MAIL_REQUESTS_PER_ADDRESS { takes: "a number and a time, NUMBER/TIME", example: "30/1h", default: "30/1h", unset: "",
        meaning: "Forgotten passwords and links sent again, from one address." }
    JOBS_CONCURRENCY { takes: "a list of QUEUE=NUMBER (accounts, mail, maintenance, seals; 1 to 1000), separated by commas",
        example: "accounts=8,mail=16,maintenance=1,seals=1", default: "accounts=8,mail=16,maintenance=1,seals=1", unset: "",
        meaning: "How many jobs of each queue a process does at the same time. A queue that is left out is left to other processes." }
    JOBS_PER_TENANT { takes: "a number from 1 to 100000", example: "8", default: "8", unset: "",
        meaning: "How many jobs of one tenant run at the same time, in all processes together; those without a tenant count as one." }
    JOBS_KEEP_COMPLETED { takes: "a time from 0s to 3650d", example: "7d", default: "7d", unset: "",
        meaning: "How long completed and cancelled jobs are kept to be looked at." }
    JOBS_KEEP_DEAD { takes: "a time from 0s to 3650d", example: "90d", default: "90d", unset: "",
        meaning: "How long dead letters are kept, to be looked at and tried again." }
    AUDIT_SEALS { takes: "on or off", example: "on", default: "on", unset: "",
        meaning: "Seals the audit log once a minute. `off` is for tests and benchmarks; production refuses it." }
    AUDIT_RETENTION_PLANS_STARTER { takes: "whole days from 1d to 36500d", example: "90d", default: "90d", unset: "",
        meaning: "How long the audit log of a tenant on this plan is kept. A tenant can set more, never less." }
    AUDIT_RETENTION_PLANS_PRO { takes: "whole days from 1d to 36500d", example: "365d", default: "365d", unset: "",
        meaning: "The same for this plan." }
    AUDIT_RETENTION_PLANS_ENTERPRISE { takes: "whole days from 1d to 36500d", example: "2555d", default: "2555d", unset: "",
        meaning: "The same for this plan." }
    AUDIT_RETENTION_NO_TENANT { takes: "whole days from 1d to 36500d", example: "365d", default: "365d", unset: "",
        meaning: "How long audit entries are kept that belong to no tenant." }
    STOP_DELAY { takes: "a time from 0s to 5m", example: "3s", default: "", unset: "`0s`; `3s` in production",
        meaning: "How long a stopping server says that it is not ready, and still serves, so that load balancers notice." }
    STOP_GRACE { takes: "a time from 1s to 10m, longer than STOP_DELAY", example: "25s", default: "25s", unset: "",
        meaning: "A server that is told to stop has exited after so long." }
    METRICS_ADDR { takes: "an IP address and a port", example: "127.0.0.1:9464", default: "", unset: "none are served",
        meaning: "Where `serve` and `worker` serve Prometheus metrics, at `/metrics`, and whether they turn, at `/livez`. Port 0 takes a free one; the address is logged. Keep it where only your monitoring reaches it." }
    LOG_LEVEL { takes: "a level (off, error, warn, info, debug, trace) or a list of TARGET=LEVEL, separated by commas",
        example: "info,sqlx=warn", default: "info", unset: "", meaning: "What is logged." }
    LOG_FORMAT { takes: "auto, pretty or json", example: "json", default: "auto", unset: "",
        meaning: "How it is logged, to standard error: `auto` is pretty on a terminal and JSON lines elsewhere." }
}

impl Key {
    /// The key in a configuration file.
    pub fn file_key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// What to set, as the end of a sentence that begins with the variable.
    pub(super) fn demand(&self) -> String {
        let mut demand = format!("must be {}", self.takes);
        if !self.example.is_empty() {
            let _infallible = write!(demand, ", for example {}={}", self.name, self.example);
        }
        demand
    }
}

/// The table of all variables, for `docs/configuration.md`.
pub fn reference_markdown() -> String {
    let mut table = String::from("| variable | takes | default | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() { key.unset.to_owned() } else { format!("`{}`", key.default) };
        let _infallible = writeln!(table, "| `{}` | {} | {default} | {} |", key.name, key.takes, key.meaning);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_has_one_row_in_the_reference() {
        let table = reference_markdown();
        assert_eq!(table.lines().count(), KEYS.len() + 2);
        for (key, row) in KEYS.iter().zip(table.lines().skip(2)) {
            assert!(row.starts_with(&format!("| `{}` |", key.name)), "{row}");
            assert_eq!(row.matches('|').count(), 5, "{row}");
            assert!(!row.contains("|  |"), "an empty cell: {row}");
        }
    }

    #[test]
    fn names_are_unique_and_meanings_are_sentences() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
        for key in KEYS {
            assert!(key.meaning.ends_with('.'), "{}", key.name);
            assert!(
                key.default.is_empty() != key.unset.is_empty(),
                "{}: either a default or what holds without",
                key.name
            );
        }
    }

    #[test]
    fn a_demand_names_an_example_where_there_is_one() {
        assert_eq!(PORT.demand(), "must be a number from 0 to 65535, for example PORT=3000");
        assert!(!SIGNING_KEYS.demand().contains("for example"));
    }
}
