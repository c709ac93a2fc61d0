//! From settings to the configuration, section by section, with the rules that join several settings. Every setting is
//! read even after a mistake, so that all mistakes are found at once.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tenantry_audit::Retention;
use tenantry_limits::Policies;
use tenantry_objects::S3Config;

use super::{
    Argon2Config, AuditConfig, Config, Database, DatabaseConfig, Environment, GuessingLimits, HealthConfig, HttpConfig,
    JobsConfig, KeyConfig, LinkPaths, LogConfig, LogFormat, MailConfig, MailTransport, Registration, SqliteSynchronous,
    StopConfig, StorageConfig, StoragePlace, StorageQuotas, TokenConfig,
    errors::Mistake,
    keys::{self, Key},
    layers::{Origin, Settings},
    values::{self, StorageUrl, seconds},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// What S3 makes of 10,000 parts of 5 MiB each, rounded down.
const LARGEST_FILE_BYTES: u64 = 48 << 30;
const PRODUCTION_STOP_DELAY: Duration = Duration::from_secs(3);
const MAKE_SIGNING_KEY: &str = "openssl genpkey -algorithm ed25519 -outform DER | base64 -w0";
const MAKE_SERVER_SECRET: &str = "openssl rand -base64 32";
/// The least that OWASP's Password Storage Cheat Sheet lets pass for Argon2id: 7 MiB, and as much work as five passes over it.
const LEAST_ARGON2_MEMORY_KIB: u32 = 7_168;
const LEAST_ARGON2_WORK_KIB: u32 = 5 * LEAST_ARGON2_MEMORY_KIB;

/// The whole configuration, unless there is a mistake in it.
pub(super) fn read(settings: &mut Settings) -> Option<Config> {
    let environment = settings.required(keys::TENANTRY_ENV, |text| match text {
        "development" => Some(Environment::Development),
        "production" => Some(Environment::Production),
        _ => None,
    });
    let production = environment.is_some_and(Environment::is_production);
    let data_dir = settings.required(keys::DATA_DIR, |text| Some(PathBuf::from(text)));
    let http = http(settings, production);
    let health = health(settings);
    let database = database(settings, data_dir.as_deref());
    let redis = settings.optional(keys::REDIS_URL, values::redis);
    let storage = storage(settings, data_dir.as_deref());
    let registration = registration(settings, production);
    let mail = mail(settings, production);
    let keys = keys(settings, production);
    let tokens = tokens(settings);
    let argon2 = argon2(settings, production);
    let rate_limits = rate_limits(settings, production);
    let guessing = guessing(settings);
    let jobs = jobs(settings);
    let audit = audit(settings, production);
    let stop = stop(settings, production);
    let metrics_address = settings.optional(keys::METRICS_ADDR, |text| text.parse().ok());
    let log = log(settings);
    Some(Config {
        environment: environment?,
        data_dir: data_dir?,
        http: http?,
        health: health?,
        database: database?,
        redis: redis?,
        storage: storage?,
        registration: registration?,
        mail: mail?,
        keys: keys?,
        tokens: tokens?,
        argon2: argon2?,
        guessing: rate_limits.as_ref()?.is_some().then_some(guessing?),
        rate_limits: rate_limits?,
        jobs: jobs?,
        audit: audit?,
        stop: stop?,
        metrics_address: metrics_address?,
        log: log?,
    })
}

fn http(settings: &mut Settings, production: bool) -> Option<HttpConfig> {
    let host = settings.required(keys::HOST, values::host);
    let port = settings.required(keys::PORT, |text| values::number(text, 0..=u16::MAX));
    let workers = settings.optional(keys::WORKERS, |text| values::number(text, 1..=1024));
    let public_url = settings.optional(keys::PUBLIC_URL, values::origin_url);
    let cors_origins = settings.optional(keys::CORS_ORIGINS, values::origins);
    let trusted_proxies = settings.optional(keys::TRUSTED_PROXIES, |text| values::number(text, 0..=16));
    let health_token = settings.optional(keys::HEALTH_TOKEN, |text| values::visible_ascii(text, 16..=1024));

    let outside = host.is_some_and(|host| !host.is_loopback());
    if outside && settings.get(keys::TENANTRY_ENV).is_none_or(|setting| setting.origin == Origin::Default) {
        let demand = "must be set to production or to development, since HOST is not a loopback address";
        settings.refuse(keys::TENANTRY_ENV, demand);
    }
    if production
        && let Some(url) = &public_url
        && url.as_ref().is_none_or(|url| url.scheme() != "https")
    {
        settings.refuse(
            keys::PUBLIC_URL,
            "must be an https address in production, for example PUBLIC_URL=https://api.example.com",
        );
    }
    Some(HttpConfig {
        host: host?,
        port: port?,
        workers: workers?.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        public_url: public_url?,
        cors_origins: cors_origins?.unwrap_or_default(),
        trusted_proxies: trusted_proxies?,
        health_token: health_token?.map(Into::into),
    })
}

fn health(settings: &mut Settings) -> Option<HealthConfig> {
    let latency = Duration::from_millis(1)..=Duration::from_secs(10);
    let latency_warn = settings.required(keys::HEALTH_LATENCY_WARN, |text| values::duration(text, latency));
    let age = |text: &str| values::duration(text, seconds(1..=30 * DAY));
    let queue_age_warn = settings.required(keys::HEALTH_QUEUE_AGE_WARN, age);
    let queue_age_fail = settings.required(keys::HEALTH_QUEUE_AGE_FAIL, age);
    let dead_letters_warn =
        settings.required(keys::HEALTH_DEAD_LETTERS_WARN, |text| values::number(text, 1..=1_000_000));
    let percent = |text: &str| values::number(text, 0..=100);
    let disk_warn_percent = settings.required(keys::HEALTH_DISK_WARN_PERCENT, percent);
    let disk_fail_percent = settings.required(keys::HEALTH_DISK_FAIL_PERCENT, percent);
    if queue_age_fail < queue_age_warn && queue_age_fail.is_some() {
        settings.refuse(keys::HEALTH_QUEUE_AGE_FAIL, "must not be shorter than HEALTH_QUEUE_AGE_WARN");
    }
    if disk_fail_percent > disk_warn_percent && disk_warn_percent.is_some() {
        settings.refuse(keys::HEALTH_DISK_FAIL_PERCENT, "must not be more than HEALTH_DISK_WARN_PERCENT");
    }
    Some(HealthConfig {
        latency_warn: latency_warn?,
        queue_age_warn: queue_age_warn?,
        queue_age_fail: queue_age_fail?,
        dead_letters_warn: dead_letters_warn?,
        disk_warn_percent: disk_warn_percent?,
        disk_fail_percent: disk_fail_percent?,
    })
}

fn database(settings: &mut Settings, data_dir: Option<&Path>) -> Option<DatabaseConfig> {
    let url = settings.optional(keys::DATABASE_URL, values::database);
    let pool_size = settings.required(keys::DATABASE_POOL_SIZE, |text| values::number(text, 1..=1000));
    let deadline_ms = settings.required(keys::DATABASE_DEADLINE_MS, |text| values::number(text, 100..=60_000));
    let sqlite_synchronous = settings.required(keys::SQLITE_SYNCHRONOUS, |text| match text {
        "full" => Some(SqliteSynchronous::Full),
        "normal" => Some(SqliteSynchronous::Normal),
        _ => None,
    });
    let allow_rls_bypass = settings.required(keys::ALLOW_RLS_BYPASS, values::switch);
    let url = match url? {
        Some(url) => url,
        None => Database::Sqlite(data_dir?.join("tenantry.db")),
    };
    Some(DatabaseConfig {
        url,
        pool_size: pool_size?,
        deadline: Duration::from_millis(deadline_ms?),
        sqlite_synchronous: sqlite_synchronous?,
        allow_rls_bypass: allow_rls_bypass?,
    })
}

fn storage(settings: &mut Settings, data_dir: Option<&Path>) -> Option<StorageConfig> {
    let url = settings.optional(keys::STORAGE_URL, values::storage_url);
    let redirect = settings.required(keys::STORAGE_REDIRECT, values::switch);
    let max_file_bytes = settings.required(keys::MAX_FILE_SIZE, |text| values::bytes(text, 1..=LARGEST_FILE_BYTES));
    let plan = |settings: &mut Settings, key| settings.required(key, |text| values::bytes(text, 0..=i64::MAX as u64));
    let starter = plan(settings, keys::STORAGE_PLANS_STARTER);
    let pro = plan(settings, keys::STORAGE_PLANS_PRO);
    let enterprise = plan(settings, keys::STORAGE_PLANS_ENTERPRISE);
    if redirect == Some(true) && matches!(url, Some(None | Some(StorageUrl::File(_)))) {
        settings.refuse(keys::STORAGE_REDIRECT, "must be off unless STORAGE_URL names a bucket of S3");
    }
    let place = match url? {
        None => StoragePlace::Disk(data_dir?.join("files")),
        Some(StorageUrl::File(folder)) => StoragePlace::Disk(folder),
        Some(StorageUrl::S3 { bucket, prefix }) => StoragePlace::S3(s3(settings, bucket, prefix)?),
    };
    let quotas = StorageQuotas(vec![("starter", starter?), ("pro", pro?), ("enterprise", enterprise?)]);
    Some(StorageConfig { place, redirect: redirect?, max_file_bytes: max_file_bytes?, quotas })
}

/// Looked at only where a bucket is used: the variables of AWS may be there for something else.
fn s3(settings: &mut Settings, bucket: String, prefix: String) -> Option<S3Config> {
    let region = settings.required(keys::AWS_REGION, |text| values::visible_ascii(text, 1..=64));
    let endpoint = settings.optional(keys::AWS_ENDPOINT_URL, values::origin_url);
    let id = settings.optional(keys::AWS_ACCESS_KEY_ID, |text| values::visible_ascii(text, 1..=128));
    let secret = settings.optional(keys::AWS_SECRET_ACCESS_KEY, |text| values::visible_ascii(text, 1..=255));
    let session_token = settings.optional(keys::AWS_SESSION_TOKEN, |text| values::visible_ascii(text, 1..=4096));
    match (&id, &secret) {
        (Some(None), Some(Some(_))) => {
            settings.refuse(keys::AWS_ACCESS_KEY_ID, "must be set where AWS_SECRET_ACCESS_KEY is");
        }
        (Some(Some(_)), Some(None)) => {
            settings.refuse(keys::AWS_SECRET_ACCESS_KEY, "must be set where AWS_ACCESS_KEY_ID is");
        }
        _ => {}
    }
    Some(S3Config {
        bucket,
        prefix,
        region: region?,
        endpoint: endpoint?,
        access_key: id?.zip(secret?.map(Into::into)),
        session_token: session_token?.map(Into::into),
    })
}

fn registration(settings: &mut Settings, production: bool) -> Option<Registration> {
    let registration = settings.optional(keys::REGISTRATION, |text| match text {
        "open" => Some(Registration::Open),
        "verified" => Some(Registration::Verified),
        "closed" => Some(Registration::Closed),
        _ => None,
    });
    Some(registration?.unwrap_or(if production { Registration::Verified } else { Registration::Open }))
}

fn mail(settings: &mut Settings, production: bool) -> Option<MailConfig> {
    let product = settings.required(keys::PRODUCT_NAME, values::product_name);
    let transport = settings.required(keys::MAIL_URL, values::mail_transport);
    let from = settings.required(keys::MAIL_FROM, values::sender);
    let authorities = settings.optional(keys::MAIL_CA_FILE, |text| Some(PathBuf::from(text)));
    let templates = settings.optional(keys::MAIL_TEMPLATES, |text| Some(PathBuf::from(text)));
    let app_url = settings.optional(keys::APP_URL, values::origin_url);
    let confirm = settings.required(keys::LINK_PATH_CONFIRM, values::link_path);
    let verify = settings.required(keys::LINK_PATH_VERIFY, values::link_path);
    let reset = settings.required(keys::LINK_PATH_RESET, values::link_path);
    let invite = settings.required(keys::LINK_PATH_INVITE, values::link_path);
    if let Some(MailTransport::Smtp(server)) = &transport
        && server.shows_password()
    {
        settings.refuse(keys::MAIL_URL, "must not send a password without TLS to another machine: remove `tls=none`");
    }
    if production {
        if matches!(transport, Some(MailTransport::Console)) {
            settings.refuse(
                keys::MAIL_URL,
                "must not be `console:` in production, where nobody would read it; set MAIL_URL=smtps://USER:PASSWORD@HOST",
            );
        }
        if settings.get(keys::MAIL_FROM).is_none_or(|setting| setting.origin == Origin::Default) {
            settings.refuse(keys::MAIL_FROM, "must be set in production");
        }
        if let Some(Some(url)) = &app_url
            && url.scheme() != "https"
        {
            settings.refuse(keys::APP_URL, "must be an https address in production");
        }
    }
    Some(MailConfig {
        product: product?,
        transport: transport?,
        from: from?,
        authorities: authorities?,
        templates: templates?,
        app_url: app_url?,
        link_paths: LinkPaths { confirm: confirm?, verify: verify?, reset: reset?, invite: invite? },
    })
}

fn keys(settings: &mut Settings, production: bool) -> Option<KeyConfig> {
    let signing_keys = settings.optional(keys::SIGNING_KEYS, values::secrets);
    let server_secrets = settings.optional(keys::SERVER_SECRETS, values::secrets);
    let seal_keys = settings.optional(keys::SEAL_KEYS, values::secrets);
    let token_audience = settings.optional(keys::TOKEN_AUDIENCE, |text| values::visible_ascii(text, 1..=255));
    for (key, maker) in [
        (keys::SIGNING_KEYS, MAKE_SIGNING_KEY),
        (keys::SERVER_SECRETS, MAKE_SERVER_SECRET),
        (keys::SEAL_KEYS, MAKE_SIGNING_KEY),
    ] {
        if production && settings.get(key).is_none() {
            settings.refuse(key, format!("must be set in production; `{maker}` makes a new one"));
        }
    }
    Some(KeyConfig {
        signing_keys: signing_keys?,
        server_secrets: server_secrets?,
        seal_keys: seal_keys?,
        token_audience: token_audience?,
    })
}

fn tokens(settings: &mut Settings) -> Option<TokenConfig> {
    let access_ttl = settings.required(keys::ACCESS_TTL, |text| {
        values::duration(text, seconds(1..=DAY)).filter(|ttl| ttl.subsec_nanos() == 0)
    });
    let refresh_grace = settings.required(keys::REFRESH_GRACE, |text| values::duration(text, seconds(0..=MINUTE)));
    let refresh_idle = settings.required(keys::REFRESH_IDLE, |text| values::duration(text, seconds(1..=3650 * DAY)));
    let refresh_max = settings.required(keys::REFRESH_MAX, |text| values::duration(text, seconds(1..=3650 * DAY)));
    if access_ttl > refresh_idle && refresh_idle.is_some() {
        settings.refuse(keys::REFRESH_IDLE, "must not be shorter than ACCESS_TTL: a session would outlast its end");
    }
    if refresh_idle > refresh_max && refresh_max.is_some() {
        settings.refuse(keys::REFRESH_MAX, "must not be shorter than REFRESH_IDLE");
    }
    Some(TokenConfig {
        access_ttl: access_ttl?,
        refresh_grace: refresh_grace?,
        refresh_idle: refresh_idle?,
        refresh_max: refresh_max?,
    })
}

fn argon2(settings: &mut Settings, production: bool) -> Option<Argon2Config> {
    let memory_kib = settings.required(keys::ARGON2_MEMORY_KIB, |text| values::number(text, 8..=4_194_304));
    let iterations = settings.required(keys::ARGON2_ITERATIONS, |text| values::number(text, 1..=1000));
    let argon2 = Argon2Config { memory_kib: memory_kib?, iterations: iterations? };
    let work_kib = argon2.memory_kib.saturating_mul(argon2.iterations);
    if production && (argon2.memory_kib < LEAST_ARGON2_MEMORY_KIB || work_kib < LEAST_ARGON2_WORK_KIB) {
        let demand = format!(
            "must be at least {LEAST_ARGON2_MEMORY_KIB} in production, and with ARGON2_ITERATIONS multiplied at least {LEAST_ARGON2_WORK_KIB}"
        );
        settings.refuse(keys::ARGON2_MEMORY_KIB, demand);
    }
    Some(argon2)
}

/// Nothing where every limit is off.
fn rate_limits(settings: &mut Settings, production: bool) -> Option<Option<Policies>> {
    let wanted = settings.required(keys::RATE_LIMITS, values::switch);
    let without_plan =
        settings.required(keys::RATE_LIMIT_PER_MINUTE, |text| values::number(text, 1..=values::MOST_ATTEMPTS));
    let starter = settings.required(keys::RATE_LIMIT_PLANS_STARTER, values::plan_quotas);
    let pro = settings.required(keys::RATE_LIMIT_PLANS_PRO, values::plan_quotas);
    let enterprise = settings.required(keys::RATE_LIMIT_PLANS_ENTERPRISE, values::plan_quotas);
    if production && wanted == Some(false) {
        settings.refuse(
            keys::RATE_LIMITS,
            "must be on in production: set RATE_LIMITS=on, and raise single limits where they are too low",
        );
    }
    let policies = Policies {
        without_plan: without_plan.and_then(NonZeroU32::new)?,
        plans: vec![("starter", starter?), ("pro", pro?), ("enterprise", enterprise?)],
    };
    Some(wanted?.then_some(policies))
}

fn guessing(settings: &mut Settings) -> Option<GuessingLimits> {
    let per_account_and_address = settings.required(keys::GUESS_PER_ACCOUNT_AND_ADDRESS, values::limit);
    let per_address = settings.required(keys::GUESS_PER_ADDRESS, values::limit);
    let per_account = settings.required(keys::GUESS_PER_ACCOUNT, values::limit);
    let registrations_per_address = settings.required(keys::REGISTRATIONS_PER_ADDRESS, values::limit);
    let mails_per_recipient = settings.required(keys::MAILS_PER_RECIPIENT, values::limit);
    let mail_requests_per_address = settings.required(keys::MAIL_REQUESTS_PER_ADDRESS, values::limit);
    Some(GuessingLimits {
        per_account_and_address: per_account_and_address?,
        per_address: per_address?,
        per_account: per_account?,
        registrations_per_address: registrations_per_address?,
        mails_per_recipient: mails_per_recipient?,
        mail_requests_per_address: mail_requests_per_address?,
    })
}

fn jobs(settings: &mut Settings) -> Option<JobsConfig> {
    let concurrency = settings.required(keys::JOBS_CONCURRENCY, values::queues);
    let per_tenant = settings.required(keys::JOBS_PER_TENANT, |text| values::number(text, 1..=100_000));
    let kept = |text: &str| values::duration(text, seconds(0..=3650 * DAY));
    let keep_completed = settings.required(keys::JOBS_KEEP_COMPLETED, kept);
    let keep_dead = settings.required(keys::JOBS_KEEP_DEAD, kept);
    Some(JobsConfig {
        concurrency: concurrency?,
        per_tenant: per_tenant?,
        keep_completed: keep_completed?,
        keep_dead: keep_dead?,
    })
}

fn audit(settings: &mut Settings, production: bool) -> Option<AuditConfig> {
    let seals = settings.required(keys::AUDIT_SEALS, values::switch);
    let starter = settings.required(keys::AUDIT_RETENTION_PLANS_STARTER, values::days);
    let pro = settings.required(keys::AUDIT_RETENTION_PLANS_PRO, values::days);
    let enterprise = settings.required(keys::AUDIT_RETENTION_PLANS_ENTERPRISE, values::days);
    let without_tenant = settings.required(keys::AUDIT_RETENTION_NO_TENANT, values::days);
    if production && seals == Some(false) {
        settings.refuse(
            keys::AUDIT_SEALS,
            "must be on in production: without seals nobody could tell that entries were changed",
        );
    }
    let plans = [("starter", starter?), ("pro", pro?), ("enterprise", enterprise?)];
    let plans = plans.into_iter().map(|(plan, days)| (plan.to_owned(), days)).collect();
    Some(AuditConfig { seals: seals?, retention: Retention { plans, without_tenant: without_tenant? } })
}

fn stop(settings: &mut Settings, production: bool) -> Option<StopConfig> {
    let delay = settings.optional(keys::STOP_DELAY, |text| values::duration(text, seconds(0..=5 * MINUTE)));
    let grace = settings.required(keys::STOP_GRACE, |text| values::duration(text, seconds(1..=10 * MINUTE)));
    let default_delay = if production { PRODUCTION_STOP_DELAY } else { Duration::ZERO };
    let stop = StopConfig { delay: delay?.unwrap_or(default_delay), grace: grace? };
    if stop.delay >= stop.grace {
        settings.refuse(keys::STOP_GRACE, "must be longer than STOP_DELAY");
    }
    Some(stop)
}

fn log(settings: &mut Settings) -> Option<LogConfig> {
    let level = settings.required(keys::LOG_LEVEL, values::log_level);
    let format = settings.required(keys::LOG_FORMAT, |text| match text {
        "auto" => Some(LogFormat::Auto),
        "pretty" => Some(LogFormat::Pretty),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    Some(LogConfig { level: level?, format: format? })
}

impl Settings {
    /// The value of a variable; nothing if there is a mistake in it, which is noted.
    fn required<T>(&mut self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.optional(key, parse)?;
        if value.is_none() {
            self.mistakes.push(Mistake::of(key, key.demand()));
        }
        value
    }

    /// The value of a variable that need not be set; the outer nothing is a mistake in it, which is noted.
    fn optional<T>(&mut self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
        let Some(setting) = self.get(key) else { return Some(None) };
        let value = parse(&setting.text);
        if value.is_none() {
            let mistake = Mistake::at(key.name, &setting.origin, key.demand());
            self.mistakes.push(mistake);
            return None;
        }
        Some(value)
    }

    /// Notes that a setting does not go with others.
    fn refuse(&mut self, key: &Key, demand: impl Into<String>) {
        let demand = demand.into();
        let mistake = match self.get(key) {
            Some(setting) if setting.origin != Origin::Default => Mistake::at(key.name, &setting.origin, demand),
            _ => Mistake::of(key, demand),
        };
        self.mistakes.push(mistake);
    }
}
