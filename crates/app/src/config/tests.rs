use secrecy::ExposeSecret;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tenantry_http::RegistrationPolicy;

use super::*;

const ENV_EXAMPLE: &str = include_str!("../../../../.env.example");
const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const PRODUCTION: &str = include_str!("../../../../config/production.toml");

const GOOD_PRODUCTION: &[(&str, &str)] = &[
    ("TENANTRY_ENV", "production"),
    ("PUBLIC_URL", "https://api.example.com"),
    ("REGISTRATION", "closed"),
    ("MAIL_URL", "file:/var/lib/tenantry/mail"),
    ("MAIL_FROM", "Acme <no-reply@acme.example>"),
    ("SIGNING_KEYS", "planted-signing-key"),
    ("SERVER_SECRETS", "k1:planted-server-secret"),
    ("SEAL_KEYS", "planted-seal-key"),
];

fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(Sources::from_environment(variables.iter().copied()))
}

fn production(changes: &[(&'static str, &'static str)]) -> Result<Config, ConfigErrors> {
    let mut variables: BTreeMap<_, _> = GOOD_PRODUCTION.iter().copied().collect();
    variables.extend(changes.iter().copied());
    load(&variables.into_iter().collect::<Vec<_>>())
}

/// Returns the mistakes, as `SUBJECT demand`.
fn mistakes(result: Result<Config, ConfigErrors>) -> Vec<String> {
    result.err().map(|errors| errors.mistakes().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

fn subjects(result: Result<Config, ConfigErrors>) -> Vec<String> {
    result.err().map(|errors| errors.mistakes().iter().map(|m| m.subject.clone()).collect()).unwrap_or_default()
}

/// Creates a file in a folder of its own, which exists until the first part is dropped.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    (folder, path)
}

fn keys_of_toml(text: &str) -> BTreeMap<String, String> {
    use ::config::{File, FileFormat, Source};
    let table = File::from_str(text, FileFormat::Toml).collect().expect("TOML");
    let text = |value: ::config::Value| match value.clone().into_array() {
        Ok(items) if items.is_empty() => String::new(),
        _ => value.into_string().expect("a text"),
    };
    table.into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[test]
fn the_defaults_the_example_and_the_list_of_keys_agree() {
    let listed: BTreeMap<String, String> = declarations().map(|key| (key.file_key(), key.default.to_owned())).collect();
    assert_eq!(keys_of_toml(DEFAULTS), listed);

    let assignments = ENV_EXAMPLE.lines().filter_map(|line| line.strip_prefix("# ")?.split_once('='));
    let variables: Vec<(&str, &str)> = assignments
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert_eq!(variables.len(), declarations().count(), "a variable is missing or stands twice");
    let example: BTreeMap<String, String> = variables
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches('\'').to_owned()))
        .collect();
    assert_eq!(example, listed);
}

#[test]
fn every_example_and_every_default_is_taken() {
    for key in declarations().filter(|key| key.name != "TENANTRY_ENV") {
        assert_eq!(mistakes(load(&[(key.name, key.example)])), Vec::<String>::new(), "{}", key.name);
        assert_eq!(mistakes(load(&[(key.name, key.default)])), Vec::<String>::new(), "{}", key.name);
    }
}

#[test]
fn nothing_set_is_a_good_development_configuration() {
    let config = load(&[]).expect("good");
    assert_eq!(config.general.environment, Environment::Development);
    assert_eq!(config.http.bind_address(), SocketAddr::from(([127, 0, 0, 1], 3000)));
    assert!(config.http.workers >= 1);
    assert!(config.http.cors_origins.is_empty());
    assert_eq!(config.http.trusted_proxies, None);
    assert!(matches!(&config.database.url, Database::Sqlite(path) if path == Path::new("./data/tenantry.db")));
    assert_eq!(config.database.deadline, Duration::from_secs(2));
    assert_eq!(config.general.registration, RegistrationPolicy::Open);
    assert!(config.keys.signing_keys.is_none() && config.keys.server_secrets.is_none());
    assert_eq!(config.tokens.refresh_max, Duration::from_secs(90 * 24 * 60 * 60));
    assert_eq!(config.argon2, Argon2Config { memory_kib: 19_456, iterations: 2 });
    let policies = config.rate_limits.policies().expect("limits");
    let plans = policies.plans.iter().map(|(plan, quotas)| (*plan, quotas.caller.get(), quotas.tenant.get()));
    let wanted = [("starter", 100, 1_000), ("pro", 300, 10_000), ("enterprise", 1_000, 100_000)];
    assert_eq!(plans.collect::<Vec<_>>(), wanted);
    assert_eq!(policies.without_plan.get(), 300);
    assert!(wanted.iter().map(|(plan, ..)| *plan).eq(tenantry_tenancy::PLANS.iter().map(|plan| plan.name)));
    let limits = config.guessing_limits().expect("limits");
    assert_eq!(limits.per_account_and_address, Limit { attempts: 10, window: Duration::from_secs(15 * 60) });
    assert_eq!(limits.registrations_per_address, Limit { attempts: 20, window: Duration::from_secs(60 * 60) });
    assert_eq!(config.stop.delay, Duration::ZERO);
    assert_eq!(config.log.format, LogFormat::Auto);
}

#[test]
fn a_good_production_configuration_is_taken() {
    let config = production(&[("HOST", "0.0.0.0"), ("DATABASE_URL", "postgres://u:p@db/tenantry")]).expect("good");
    assert!(config.general.environment.is_production());
    assert_eq!(config.stop.delay, Duration::from_secs(3));
    assert_eq!(config.general.registration, RegistrationPolicy::Closed);
    assert!(matches!(&config.database.url, Database::Postgres(url) if url.expose_secret().ends_with("/tenantry")));
}

#[test]
fn every_mistake_is_listed_at_once_with_what_to_set() {
    let wrong = load(&[
        ("TENANTRY_ENV", "production"),
        ("PORT", "70000"),
        ("ACCESS_TTL", "1500ms"),
        ("RATE_LIMITS", "off"),
        ("SERVER_SECRETS", "a,,b"),
    ]);
    let told = mistakes(wrong);
    let expected = [
        "PORT must be a number from 0 to 65535, for example PORT=3000 (set in the environment)",
        "PUBLIC_URL must be an https address in production, for example PUBLIC_URL=https://api.example.com",
        "MAIL_URL must not be `console:` in production, where mails would only be printed; set MAIL_URL=smtps://USER:PASSWORD@HOST",
        "MAIL_FROM must be set in production",
        "SERVER_SECRETS must be secrets of at least 32 bytes, each BASE64 or ID:BASE64, separated by commas (set in the environment)",
        "SIGNING_KEYS must be set in production; `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0` makes a new one",
        "SEAL_KEYS must be set in production; `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0` makes a new one",
        "ACCESS_TTL must be whole seconds from 1s to 24h, for example ACCESS_TTL=15m (set in the environment)",
        "RATE_LIMITS must be on in production: set RATE_LIMITS=on, and raise single limits where they are too low (set in the environment)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_production_refuses() {
    for (name, value) in [
        ("PUBLIC_URL", "http://api.example.com"),
        ("PUBLIC_URL", ""),
        ("SIGNING_KEYS", ""),
        ("SERVER_SECRETS", " "),
        ("SEAL_KEYS", ""),
        ("AUDIT_SEALS", "off"),
        ("RATE_LIMITS", "off"),
        ("REGISTRATION", "invited"),
        ("MAIL_URL", ""),
        ("MAIL_URL", "console:"),
        ("MAIL_URL", "smtp://ada:secret@smtp.example.com?tls=none"),
        ("MAIL_FROM", ""),
        ("APP_URL", "http://app.example.com"),
        ("ARGON2_MEMORY_KIB", "8"),
        ("ARGON2_MEMORY_KIB", "8192"),
    ] {
        assert_eq!(subjects(production(&[(name, value)])), [name], "{name}={value}");
    }
}

#[test]
fn registration_in_production_confirms_the_address_unless_set_otherwise() {
    let registration = |value| production(&[("REGISTRATION", value)]).expect("good").general.registration;
    assert_eq!(registration(""), RegistrationPolicy::Verified);
    assert_eq!(registration("verified"), RegistrationPolicy::Verified);
    assert_eq!(registration("open"), RegistrationPolicy::Open);
}

#[test]
fn mails_go_to_an_smtp_server_in_production_too() {
    let mail = production(&[("MAIL_URL", "smtps://ada:s%40cret@smtp.example.com"), ("MAIL_CA_FILE", "ca.pem")]);
    let mail = mail.expect("good").mail;
    let MailTransport::Smtp(server) = mail.transport else { panic!("{:?}", mail.transport) };
    assert_eq!((server.host.as_str(), server.port), ("smtp.example.com", 465));
    assert_eq!(server.login.expect("a login").password.expose_secret(), "s@cret");
    assert_eq!(mail.authorities.as_deref(), Some(Path::new("ca.pem")));
    let told = mistakes(load(&[("MAIL_URL", "smtp://ada:planted@smtp.example.com?tls=none")]));
    assert_eq!(
        told,
        [
            "MAIL_URL must not send a password without TLS to another machine: remove `tls=none` (set in the environment)"
        ]
    );
}

#[test]
fn a_link_path_has_one_place_for_the_token() {
    let refused = |path| subjects(load(&[("LINK_PATH_RESET", path)])) == ["LINK_PATH_RESET"];
    for bad in ["reset#{token}", "//evil.example/{token}", "/reset", "/{token}/{token}", "/re set#{token}"] {
        assert!(refused(bad), "{bad}");
    }
    assert!(!refused("/reset-password?token={token}"));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    assert_eq!(subjects(load(&[("REFRESH_IDLE", "91d")])), ["REFRESH_MAX"]);
    assert_eq!(subjects(load(&[("REFRESH_IDLE", "14m")])), ["REFRESH_IDLE"]);
    assert!(load(&[("REFRESH_IDLE", "15m")]).is_ok());
    assert_eq!(subjects(load(&[("STOP_DELAY", "25s")])), ["STOP_GRACE"]);
    assert_eq!(subjects(load(&[("HEALTH_QUEUE_AGE_WARN", "2h")])), ["HEALTH_QUEUE_AGE_FAIL"]);
    assert_eq!(subjects(load(&[("HEALTH_DISK_WARN_PERCENT", "1")])), ["HEALTH_DISK_FAIL_PERCENT"]);
    assert_eq!(subjects(load(&[("HOST", "0.0.0.0")])), ["TENANTRY_ENV"]);
    assert_eq!(subjects(load(&[("HOST", "0.0.0.0"), ("TENANTRY_ENV", "development")])), Vec::<String>::new());
}

#[test]
fn a_bucket_wants_whole_keys_and_a_folder_wants_nothing_of_aws() {
    let s3 = ("STORAGE_URL", "s3://acme-files");
    assert!(load(&[s3]).is_ok(), "the role of the machine");
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"));
    assert!(load(&[s3, id, secret, ("STORAGE_REDIRECT", "on")]).is_ok());
    assert_eq!(subjects(load(&[s3, id])), ["AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(subjects(load(&[s3, secret])), ["AWS_ACCESS_KEY_ID"]);
    assert_eq!(subjects(load(&[s3, ("AWS_ENDPOINT_URL", "http://minio:9000/a")])), ["AWS_ENDPOINT_URL"]);
    assert!(load(&[id, ("AWS_ENDPOINT_URL", "http://minio:9000/a")]).is_ok());
    assert_eq!(subjects(load(&[("STORAGE_REDIRECT", "on")])), ["STORAGE_REDIRECT"]);
    assert_eq!(subjects(load(&[("STORAGE_URL", "gs://acme")])), ["STORAGE_URL"]);
}

#[test]
fn plans_have_their_storage() {
    let quotas = load(&[("STORAGE_PLANS_PRO", "5GiB")]).expect("a configuration").storage.quotas;
    assert_eq!(quotas.of_plan("pro"), 5 << 30);
    assert_eq!((quotas.of_plan("starter"), quotas.of_plan("gone")), (1 << 30, 1 << 30));
    for plan in tenantry_tenancy::PLANS {
        assert!(quotas.plans().iter().any(|(name, _)| *name == plan.name), "{} has no storage", plan.name);
    }
}

#[test]
fn limits_can_be_off_in_development() {
    let config = load(&[("RATE_LIMITS", "off")]).expect("good");
    assert!(config.guessing_limits().is_none() && config.rate_limits.policies().is_none());
}

#[test]
fn the_public_url_follows_the_address_unless_it_is_set() {
    let bound = |address: &str| address.parse::<SocketAddr>().expect("an address");
    let http = load(&[("PORT", "0")]).expect("good").http;
    assert_eq!(http.public_url(bound("127.0.0.1:41234")), "http://127.0.0.1:41234");
    assert_eq!(http.public_url(bound("0.0.0.0:80")), "http://127.0.0.1:80");
    assert_eq!(http.public_url(bound("[::]:3000")), "http://[::1]:3000");
    let http = load(&[("PUBLIC_URL", "https://api.example.com")]).expect("good").http;
    assert_eq!(http.public_url(bound("127.0.0.1:3000")), "https://api.example.com");
}

#[test]
fn later_layers_win_and_empty_values_count_as_not_set() {
    let (_folder, toml) = file(
        "tenantry.toml",
        "port = 4000\nworkers = 2\nhost = '::1'\ncors_origins = ['https://a.example', 'https://b.example']",
    );
    let (_other, dotenv) = file(".env", "\u{FEFF}# a comment\nPORT=5000\nWORKERS=3\nPOSTGRES_PASSWORD=x\n");
    let sources = Sources::from_environment([("PORT", "6000"), ("HOST", "")]).with_file(toml).with_dotenv(dotenv);
    let http = Config::load(sources).expect("good").http;
    assert_eq!((http.port, http.workers), (6000, 3));
    assert_eq!(http.host.to_string(), "::1");
    assert_eq!(http.cors_origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn dotenv_counts_in_development_only() {
    let (_folder, dotenv) = file(".env", "PORT=5000\n");
    let variables = GOOD_PRODUCTION.iter().copied();
    let config = Config::load(Sources::from_environment(variables).with_dotenv(&dotenv)).expect("good");
    assert_eq!(config.http.port, 3000);

    let absent = Sources::default().with_dotenv(dotenv.with_file_name("absent"));
    assert!(Config::load(absent).is_ok());

    let (_folder, dotenv) = file(".env", "TENANTRY_ENV=production\n");
    assert_eq!(subjects(Config::load(Sources::default().with_dotenv(dotenv))), ["TENANTRY_ENV"]);
}

#[test]
fn a_file_that_cannot_be_used_says_why_and_repeats_no_value() {
    let with_file = |text: &str| {
        let (_folder, path) = file("tenantry.toml", text);
        let name = path.display().to_string();
        mistakes(Config::load(Sources::default().with_file(path)))
            .into_iter()
            .map(|told| told.replace(&name, "FILE"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        with_file("prot = 1\nPORT = 2\n"),
        [
            "FILE has the key `PORT`; keys are lower-case there: `port`",
            "FILE has the unknown key `prot`; the keys are the lower-case names of the variables in .env.example",
        ]
    );
    assert_eq!(with_file("[port]\nmin = 1"), ["PORT must be one value or a list of values (set in FILE)"]);
    assert_eq!(
        with_file("port = 99999"),
        ["PORT must be a number from 0 to 65535, for example PORT=3000 (set in FILE)"]
    );
    assert_eq!(
        with_file("log_level = \"a\\nb\""),
        ["LOG_LEVEL must be on one line, without control characters (set in FILE)"]
    );
    let told = with_file("port = 1\nserver_secrets = \"planted-secret");
    assert_eq!(told, ["FILE must be TOML of `key = value` lines: TOML parse error at line 2, column 33"]);

    let (_folder, path) = file("tenantry.toml", "");
    let absent = path.with_file_name("absent.toml");
    let told = mistakes(Config::load(Sources::default().with_file(&absent)));
    assert!(told[0].starts_with(&format!("{} cannot be read: No such file", absent.display())), "{told:?}");
}

#[test]
fn a_broken_dotenv_names_the_place_and_repeats_no_line() {
    let (_folder, path) = file(".env", "PORT=5000\nplanted secret\n");
    let told = mistakes(Config::load(Sources::default().with_dotenv(&path)));
    assert_eq!(
        told,
        [format!(
            "{} must hold lines of NAME=value; the first one after PORT that sets something is not",
            path.display()
        )]
    );
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let sources = Sources::from_environment([("DATA_DIR", OsString::from_vec(vec![b'd', 0xFF]))]);
    assert_eq!(mistakes(Config::load(sources)), ["DATA_DIR must be UTF-8 (set in the environment)"]);
}

#[test]
fn no_secret_is_printed_or_repeated() {
    let secrets = [
        ("SIGNING_KEYS", "planted-signing-key"),
        ("SERVER_SECRETS", "planted-server-secret"),
        ("SEAL_KEYS", "planted-seal-key"),
        ("HEALTH_TOKEN", "planted-health-token"),
        ("DATABASE_URL", "postgres://u:planted-password@h/d"),
        ("MAIL_URL", "smtp://u:planted-password@h"),
    ];
    let printed = format!("{:?}", load(&secrets).expect("good"));
    assert!(printed.contains("REDACTED") && !printed.contains("planted"), "{printed}");

    let wrong = [
        ("SIGNING_KEYS", "planted-signing-key,"),
        ("SERVER_SECRETS", ",planted-server-secret"),
        ("SEAL_KEYS", "planted-seal-key,"),
        ("HEALTH_TOKEN", "planted"),
        ("DATABASE_URL", "postgresql+planted://u:planted-password@h/d"),
        ("MAIL_URL", "smtp://u:planted-password@h?tls=planted"),
    ];
    let told = mistakes(load(&wrong));
    assert_eq!(told.len(), wrong.len());
    assert!(!told.concat().contains("planted"), "{told:?}");
}

#[test]
fn the_file_for_production_lacks_only_settings_of_the_installation() {
    let (_folder, path) = file("production.toml", PRODUCTION);
    let load = |variables: &[(&str, &str)]| {
        Config::load(Sources::from_environment(variables.iter().copied()).with_file(&path))
    };
    assert_eq!(subjects(load(&[])), ["PUBLIC_URL", "MAIL_FROM", "SIGNING_KEYS", "SERVER_SECRETS", "SEAL_KEYS"]);
    assert!(load(&GOOD_PRODUCTION[1..]).is_ok());
}
