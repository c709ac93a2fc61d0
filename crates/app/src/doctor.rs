//! `tenantry doctor`: checks every external dependency of the program and says what to fix. It changes nothing, and
//! every check has a time limit.

mod database;
mod modes;

use secrecy::SecretString;
use std::{fmt, path::Path, time::Instant};
use tenantry_crypto::{KeyList, KeyListError, SealSigningKeys, ServerSecrets, SigningKeys, SystemClock, SystemEntropy};
use tenantry_http::Status;
use tenantry_kernel::Context;
use tenantry_redis::{Redis, RedisTimeouts};

use crate::{
    composition::storage,
    config::{Config, ConfigErrors, MailTransport, StoragePlace},
    health::{FolderError, Observation, check_space, check_storage, folders, try_folder},
    keys::Keys,
    mail::ConfiguredMailer,
};

/// The findings, one per check.
#[derive(Debug, Default)]
pub struct Report(Vec<Finding>);

/// The finding of one check.
#[derive(Debug)]
struct Finding {
    status: Status,
    thing: String,
    text: String,
}

impl Report {
    /// Returns whether there is no problem to fix now. A warning names a problem that can wait.
    pub fn is_healthy(&self) -> bool {
        self.0.iter().all(|finding| finding.status != Status::Fail)
    }

    fn fine(&mut self, thing: impl Into<String>, text: impl Into<String>) {
        self.note(Status::Pass, thing, text);
    }

    fn warning(&mut self, thing: impl Into<String>, text: impl Into<String>) {
        self.note(Status::Warn, thing, text);
    }

    fn problem(&mut self, thing: impl Into<String>, text: impl Into<String>) {
        self.note(Status::Fail, thing, text);
    }

    /// Adds the finding of a check that `/health` shares, and the advice for a finding that is not well.
    fn observed(&mut self, thing: &str, (status, observed): Observation, mend: &str) {
        match status {
            Status::Pass => self.fine(thing, observed),
            Status::Warn => self.warning(thing, format!("{observed}: {mend}")),
            Status::Fail => self.problem(thing, format!("{observed}: {mend}")),
        }
    }

    fn note(&mut self, status: Status, thing: impl Into<String>, text: impl Into<String>) {
        self.0.push(Finding { status, thing: thing.into(), text: text.into() });
    }
}

/// Writes one line per check.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            let verdict = match finding.status {
                Status::Pass => "ok",
                Status::Warn => "warning",
                Status::Fail => "problem",
            };
            write!(f, "{separator}{verdict:<8} {}: {}", finding.thing, finding.text)?;
        }
        Ok(())
    }
}

const MAKE_ROOM: &str = "remove files, or make the disk larger; a full disk stops all changes";

/// Checks everything that the configuration names, or reports the mistakes of the configuration.
pub async fn run_doctor(loaded: Result<Config, ConfigErrors>) -> Report {
    let mut report = Report::default();
    let config = match loaded {
        Ok(config) => config,
        Err(errors) => {
            errors.mistakes().iter().for_each(|mistake| report.problem("configuration", mistake.to_string()));
            return report;
        }
    };
    let purpose = if config.general.environment.is_production() { "production" } else { "development" };
    let url = config.http.public_url(config.http.bind_address());
    report.fine("configuration", format!("for {purpose}, at {url}"));
    let folders = folders(&config);
    for folder in &folders {
        look_at_folder(folder, &mut report);
    }
    report.observed("disk", check_space(&folders, &config.health), MAKE_ROOM);
    look_at_keys(&config, &mut report);
    modes::look(&config, &mut report);
    look_at_storage(&config, &mut report).await;
    look_at_mail(&config, &mut report).await;
    database::look(&config, &mut report).await;
    look_at_redis(&config, &mut report).await;
    report
}

fn look_at_folder(folder: &Path, report: &mut Report) {
    const MEND: &str =
        "grant this user the right, or set DATA_DIR, DATABASE_URL, STORAGE_URL or MAIL_URL to another place";
    let shown = folder.display();
    match try_folder(folder) {
        Ok(true) => report.fine("folder", format!("{shown} can be written")),
        Ok(false) => report.fine("folder", format!("{shown} does not exist yet; the server creates it")),
        Err(error @ FolderError::File(_)) => {
            report.problem("folder", format!("{error}: remove it, or name another folder"));
        }
        Err(error) => report.problem("folder", format!("{error}: {MEND}")),
    }
}

/// Checks a bucket within its time limits. A storage folder is checked with the other folders.
async fn look_at_storage(config: &Config, report: &mut Report) {
    let StoragePlace::S3(_) = &config.storage.place else { return };
    const MEND: &str = "check that STORAGE_URL names the right bucket and AWS_ENDPOINT_URL its server, and that the key has access to it";
    match storage(config) {
        Ok(blobs) => report.observed("storage", check_storage(&config.storage.place, &*blobs).await, MEND),
        Err(error) => report.problem("storage", format!("{error}: {MEND}")),
    }
}

/// Checks the transport of emails, including an SMTP server within its time limits. No email is sent.
async fn look_at_mail(config: &Config, report: &mut Report) {
    let outbox = match ConfiguredMailer::new(&config.mail) {
        Ok(outbox) => outbox,
        Err(error) => return report.problem("mail", error.to_string()),
    };
    let from = &config.mail.from;
    match (&outbox, &config.mail.transport) {
        (ConfiguredMailer::File(_, folder), _) => {
            report.fine("mail", format!("from {from}, as files into {}", folder.display()));
        }
        (ConfiguredMailer::Smtp(mailer), MailTransport::Smtp(server)) => {
            let place = format!("{}:{}", server.host, server.port);
            let began = Instant::now();
            match mailer.check().await {
                Ok(()) => {
                    let took = took(began);
                    report.fine("mail", format!("from {from}, to the SMTP server at {place}, which answers in {took}"));
                }
                Err(why) => {
                    let mend = "check that it runs, and that MAIL_URL has its host, port, TLS, user and password";
                    report.problem("mail", format!("the SMTP server at {place} cannot be used ({why}): {mend}"));
                }
            }
        }
        _ => report.fine("mail", format!("from {from}, printed to standard output")),
    }
}

/// Formats the elapsed time for users.
fn took(began: Instant) -> String {
    format!("{} ms", began.elapsed().as_millis())
}

async fn look_at_redis(config: &Config, report: &mut Report) {
    let Some(url) = &config.general.redis else { return };
    const MEND: &str = "start Redis or correct REDIS_URL; until then requests are served without it";
    let redis = Redis::open(url.clone(), RedisTimeouts::default(), Context::new(SystemClock, SystemEntropy));
    let began = Instant::now();
    let asked = match redis {
        Ok(redis) => redis.ask_version().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match asked {
        Ok(version) if is_old(&version) => {
            report.problem("redis", format!("version {version} is too old: use {OLDEST_REDIS} or newer"));
        }
        Ok(version) => report.fine("redis", format!("answers in {}, version {version}", took(began))),
        Err(error) => report.problem("redis", format!("{error}: {MEND}")),
    }
}

/// Oldest supported major version of Redis. Older ones lack the protocol with which messages are received.
const OLDEST_REDIS: u32 = 6;

fn is_old(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < OLDEST_REDIS)
}

fn look_at_keys(config: &Config, report: &mut Report) {
    let (signing, secrets) = (config.keys.signing_keys.as_deref(), config.keys.server_secrets.as_deref());
    let seals = config.keys.seal_keys.as_deref();
    let kept = match (signing, secrets, seals) {
        (Some(_), Some(_), Some(_)) => None,
        _ => match Keys::kept(config) {
            Ok(kept) => kept,
            Err(error) => return report.problem("keys", error.to_string()),
        },
    };
    if kept.is_some() {
        look_at_secrecy(&Keys::file(config), report);
    }
    let kept = kept.as_ref();
    let signing = signing.or(kept.map(|keys| keys.signing.as_slice()));
    look_at_list(KeyList::SigningKeys.variable(), signing, |list| SigningKeys::parse(list).map(drop), report);
    let secrets = secrets.or(kept.map(|keys| keys.secrets.as_slice()));
    look_at_list(KeyList::ServerSecrets.variable(), secrets, |list| ServerSecrets::parse(list).map(drop), report);
    let seals = seals.or(kept.map(|keys| keys.seals.as_slice()).filter(|seals| !seals.is_empty()));
    look_at_list("SEAL_KEYS", seals, |list| SealSigningKeys::parse(list).map(drop), report);
}

fn look_at_list(
    thing: &'static str,
    keys: Option<&[SecretString]>,
    parse: impl Fn(&[SecretString]) -> Result<(), KeyListError>,
    report: &mut Report,
) {
    match keys.map(|keys| (keys.len(), parse(keys))) {
        None => report.fine(thing, "not created yet; the first start creates them in DATA_DIR"),
        Some((1, Ok(()))) => report.fine(thing, "1 key"),
        Some((count, Ok(()))) => report.fine(thing, format!("{count} keys")),
        Some((_, Err(error))) => report.problem(thing, format!("cannot be used: {error}: correct or remove the entry")),
    }
}

/// Checks that only the owner can read the key file. A user who reads the keys can create tokens for any account.
fn look_at_secrecy(file: &Path, report: &mut Report) {
    if modes::is_open(file) {
        let file = file.display();
        report.problem("keys", format!("{file} is open to other users of this machine: chmod 600 {file}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use std::{fs, os::unix::fs::PermissionsExt};
    use tempfile::TempDir;

    fn config(folder: &Path, more: &[(&str, &str)]) -> Config {
        let folder = folder.to_str().expect("UTF-8");
        Config::load(Sources::from_environment([("DATA_DIR", folder)].iter().chain(more).copied())).expect("good")
    }

    #[tokio::test]
    async fn every_mistake_of_the_configuration_is_a_line() {
        let sources = Sources::from_environment([("PORT", "x"), ("LOG_FORMAT", "y")]);
        let report = run_doctor(Config::load(sources)).await;
        assert!(!report.is_healthy());
        let text = report.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.starts_with("problem  configuration: PORT must be"), "{text}");
    }

    #[tokio::test]
    async fn a_machine_that_has_never_served_is_fine_and_left_as_it_was() {
        let folder = TempDir::new().expect("a folder");
        let report = run_doctor(Ok(config(&folder.path().join("not/yet"), &[]))).await;
        assert!(report.is_healthy(), "{report}");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn a_redis_that_is_not_there_is_a_problem_and_told_without_its_password() {
        let folder = TempDir::new().expect("a folder");
        let mut report = Report::default();
        look_at_redis(&config(folder.path(), &[("REDIS_URL", "redis://u:planted@127.0.0.1:1")]), &mut report).await;
        assert!(!report.is_healthy(), "{report}");
        assert!(report.to_string().contains("REDIS_URL") && !report.to_string().contains("planted"), "{report}");
    }

    #[test]
    fn old_versions_of_redis_are_told() {
        assert!(is_old("5.0.14") && is_old("none"));
        assert!(!is_old("6.0.0") && !is_old("7.0.15"));
    }

    #[test]
    fn keys_are_read_and_kept_secret() {
        let folder = TempDir::new().expect("a folder");
        let config = config(folder.path(), &[]);
        let looked = || {
            let mut report = Report::default();
            look_at_keys(&config, &mut report);
            (report.is_healthy(), report.to_string())
        };
        Keys::load(&config).expect("keys");
        assert!(looked().0);
        let file = Keys::file(&config);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("permissions");
        let (is_healthy, text) = looked();
        assert!(!is_healthy && text.contains("chmod 600"), "{text}");
        fs::write(&file, "SIGNING_KEYS=c2hvcnQ=\nSERVER_SECRETS=c2hvcnQ=\n").expect("a file");
        let (_, text) = looked();
        assert!(text.contains("SIGNING_KEYS: cannot be used") && !text.contains("c2hvcnQ"), "{text}");
    }

    #[test]
    fn data_that_others_can_read_is_told() {
        let folder = TempDir::new().expect("a folder");
        let (data, mail) = (folder.path().join("data"), folder.path().join("mail"));
        let url = format!("file:{}", mail.display());
        let config = config(&data, &[("MAIL_URL", &url)]);
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        let told = || {
            let mut report = Report::default();
            modes::look(&config, &mut report);
            assert!(report.is_healthy(), "a warning can wait: {report}");
            report.to_string()
        };
        assert_eq!(told(), "");
        set(folder.path(), 0o755);
        for path in [&data, &mail, &data.join("files")] {
            fs::create_dir(path).expect("a folder");
            set(path, 0o700);
        }
        let [database, log, keys] = ["tenantry.db", "tenantry.db-wal", "keys.env"].map(|name| data.join(name));
        for path in [&database, &log, &keys] {
            fs::write(path, "").expect("a file");
            set(path, 0o600);
        }
        assert_eq!(told(), "");
        set(&log, 0o644);
        set(&keys, 0o644);
        assert_eq!(told(), "", "the folder is closed");
        set(&data, 0o755);
        set(&mail, 0o711);
        let text = told();
        assert!(text.starts_with("warning") && text.contains("chmod -R go="), "{text}");
        assert!(text.contains(&log.display().to_string()) && text.contains(&mail.display().to_string()), "{text}");
        assert!(!text.contains(&format!("{} ", database.display())) && !text.contains("keys.env"), "{text}");
    }

    #[tokio::test]
    async fn an_smtp_server_is_asked_and_its_password_not_told() {
        let folder = TempDir::new().expect("a folder");
        let server = tenantry_testkit::smtp::SmtpServer::start().await;
        let looked = async |url: &str| {
            let mut report = Report::default();
            look_at_mail(&config(folder.path(), &[("MAIL_URL", url)]), &mut report).await;
            (report.is_healthy(), report.to_string())
        };
        let (is_healthy, text) = looked(&server.url()).await;
        assert!(is_healthy && text.contains(&server.address().to_string()), "{text}");
        assert!(server.mails().is_empty());
        let signing_in = server.url().replace("smtp://", "smtp://ada:planted@");
        let (is_healthy, text) = looked(&signing_in).await;
        assert!(!is_healthy && text.contains("MAIL_URL") && !text.contains("planted"), "{text}");
        server.close().await;
        let (is_healthy, text) = looked(&server.url()).await;
        assert!(!is_healthy && text.contains("refused") && text.contains("check that it runs"), "{text}");
    }
}
