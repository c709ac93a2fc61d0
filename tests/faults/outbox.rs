//! Tests of kills while emails are written and sent, with Redis emptied and killed in between: each committed change
//! has its email, and no other email exists.

use mail_parser::MessageParser;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tenantry_testkit::{
    ledger::{Discrepancies, LedgerEntry, RequestOutcome},
    redis::RedisServer,
};

use super::{
    answer_within, kills,
    ledger::report,
    load::{Answer, Books, Call, Load},
    on_each_database,
    process::{Process, settings},
    some_of,
};
use crate::support::{Kind, PASSWORD, ServerData, Sql};

/// Number of acknowledged requests before each kill, which follows at a random time. Each client has completed about
/// one round by then.
const BETWEEN_KILLS: usize = 40;
const SOME_MOMENT: Duration = Duration::from_millis(250);
/// Pause of a client after a failed request.
const REST: Duration = Duration::from_millis(20);
/// Maximum time until every job is done: those that a kill interrupted wait for the end of their leases.
const SETTLED: Duration = Duration::from_secs(90);
const OTHER: &str = "another-vivid-plank-8";

/// Each email that the load causes: its name, the start of its subject, and the query for the effect that it reports,
/// with `{to}` for the mailbox. Requests that only ask for an email have no effect but the job that writes it.
const MAILS: &[(&str, &str, &str)] = &[
    ("welcome", "Welcome to ", "SELECT count(*) FROM users WHERE email = '{to}'"),
    ("invitation", "canary-", "SELECT count(*) FROM invitations WHERE email = '{to}'"),
    (
        "password_changed",
        "Your password was changed",
        "SELECT count(*) FROM credentials c JOIN users u ON u.id = c.user_id WHERE u.email = '{to}' AND c.version = 2",
    ),
    (
        "reset_password",
        "Choose a new password",
        "SELECT count(*) FROM jobs WHERE kind = 'password_reset' AND payload LIKE '%\"{to}\"%'",
    ),
    (
        "verify_address",
        "Confirm your email address",
        "SELECT count(*) FROM jobs WHERE kind = 'verification' AND payload LIKE '%\"{user}\"%'",
    ),
    (
        "confirm_new_address",
        "Confirm your new email address",
        "SELECT count(*) FROM jobs WHERE kind = 'email_change' AND payload LIKE '%\"{to}\"%'",
    ),
    (
        "address_change_requested",
        "Email address change requested",
        "SELECT count(*) FROM jobs WHERE kind = 'email_change' AND payload LIKE '%\"{user}\"%'",
    ),
    (
        "address_in_use",
        "Request to use your email address",
        "SELECT count(*) FROM jobs WHERE kind = 'email_change' AND payload LIKE '%\"{to}\"%'",
    ),
];

on_each_database! {
    async fn fa1_every_committed_change_has_its_mail_and_no_other_has_one(kind: Kind) {
        let place = ServerData::new(kind).await;
        let mut redis = RedisServer::start();
        let settings = settings().set("REDIS_URL", &redis.url());
        let mut server = Process::start(&place, &settings).await;
        let sql = place.sql().await;
        let load = Load::of(server.url(), |books, stop| work(books, sql.clone(), stop));
        for kill in 0..kills() {
            load.progress(BETWEEN_KILLS).await;
            tokio::time::sleep(some_of(SOME_MOMENT)).await;
            server.kill();
            server = Process::start(&place, &settings).await;
            load.redirect(server.url());
            // The contents and the messages of Redis must make no difference.
            if kill % 2 == 0 {
                redis.ask("FLUSHALL");
            } else {
                redis.kill();
                load.progress(BETWEEN_KILLS / 4).await;
                redis.restart();
            }
        }
        load.progress(2 * BETWEEN_KILLS).await;
        let books = load.finish().await;
        settles(&sql).await;
        report("FA1 (mails)", &books);
        assert_every_job_was_done(&sql).await;
        let sent = sent(&place, &sql).await;
        assert_sent_is_what_was_told(&books, &sent, &sql).await;
        drop(server);
    }
}

/// Registers, asks for and changes things, while the server is killed.
async fn work(books: Books, sql: Sql, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        if live(&books, &sql, &stop).await.is_none() {
            tokio::time::sleep(REST).await;
        }
    }
}

/// A user who has registered.
struct Person {
    email: String,
    token: String,
}

impl Person {
    fn slug(&self) -> &str {
        self.email.split('@').next().unwrap()
    }

    fn post<'a>(&'a self, path: &'a str, body: Value) -> Call<'a> {
        Call { method: Method::POST, path, token: &self.token, agent: "outbox", body, key: None, file: None }
    }
}

/// Makes one request of each kind, and one of each kind that is refused or has no effect. Each mailbox gets at most one
/// email of each kind, so that emails cannot be mistaken for each other.
async fn live(books: &Books, sql: &Sql, stop: &AtomicBool) -> Option<()> {
    let stranger = Person { email: String::new(), token: String::new() };
    let new = || format!("{}@people.example", books.ledger.canary());
    let change_password = |current: &str| json!({ "currentPassword": current, "newPassword": OTHER });
    let change_email = |current: &str, to: &str| json!({ "currentPassword": current, "newEmail": to });
    let forgot = |email: &str| json!({ "email": email });

    // A user who never verifies the address.
    let unproved = register(books, &new()).await?;
    let (late, slug) = (new(), unproved.slug());
    let duplicate =
        json!({ "email": late, "password": PASSWORD, "name": "Late", "tenantName": slug, "tenantSlug": slug });
    ask(books, &[("welcome", &late)], stranger.post("/auth/register", duplicate)).await;
    let again = json!({ "email": unproved.email, "password": PASSWORD, "name": "Again", "tenantName": "Again" });
    ask(books, &[], stranger.post("/auth/register", again)).await;
    let resend = unproved.post("/auth/email/resend", Value::Null);
    ask(books, &[("verify_address", &unproved.email)], resend).await;
    let forgotten = stranger.post("/auth/password/forgot", forgot(&unproved.email));
    ask(books, &[("reset_password", &unproved.email)], forgotten).await;
    ask(books, &[], stranger.post("/auth/password/forgot", forgot(&new()))).await;
    let wrong = unproved.post("/auth/password/change", change_password("wrong-wrong-wrong"));
    ask(books, &[("password_changed", &unproved.email)], wrong).await;
    let unwanted = new();
    let wrong = unproved.post("/auth/email/change", change_email("wrong-wrong-wrong", &unwanted));
    ask(books, &[("confirm_new_address", &unwanted)], wrong).await;
    if stop.load(Ordering::Relaxed) {
        return None;
    }

    // A user who has verified the address.
    let proved = register(books, &new()).await?;
    let prove = format!("UPDATE users SET email_verified_at = created_at WHERE email = '{}'", proved.email);
    sql.execute(&prove).await;
    ask(books, &[], proved.post("/auth/email/resend", Value::Null)).await;
    let role = role_of(books, &proved).await?;
    let invite = |to: &str| json!({ "email": to, "roleIds": [role] });
    let invited = new();
    ask(books, &[("invitation", &invited)], proved.post("/invitations", invite(&invited))).await;
    ask(books, &[("invitation", &proved.email)], proved.post("/invitations", invite(&proved.email))).await;
    let uninvited = new();
    ask(books, &[("invitation", &uninvited)], unproved.post("/invitations", invite(&uninvited))).await;
    let wanted = new();
    let mails = [("address_change_requested", &*proved.email), ("confirm_new_address", &*wanted)];
    ask(books, &mails, proved.post("/auth/email/change", change_email(PASSWORD, &wanted))).await;
    let mails = [("address_change_requested", &*unproved.email), ("address_in_use", &*proved.email)];
    ask(books, &mails, unproved.post("/auth/email/change", change_email(PASSWORD, &proved.email))).await;
    let changed = proved.post("/auth/password/change", change_password(PASSWORD));
    ask(books, &[("password_changed", &proved.email)], changed).await;
    Some(())
}

async fn register(books: &Books, email: &str) -> Option<Person> {
    let mut person = Person { email: email.to_owned(), token: String::new() };
    let slug = person.slug();
    let body = json!({
        "email": email, "password": PASSWORD, "name": slug, "tenantName": slug, "tenantSlug": slug
    });
    let answer = ask(books, &[("welcome", email)], person.post("/auth/register", body)).await?;
    person.token = answer.body["data"]["accessToken"].as_str()?.to_owned();
    Some(person)
}

/// Returns a role that the user may assign.
async fn role_of(books: &Books, person: &Person) -> Option<String> {
    let answer = books.call(Call { method: Method::GET, ..person.post("/roles?limit=100", Value::Null) }).await?;
    let roles = answer.body["data"].as_array()?;
    Some(roles.iter().find(|role| role["name"] == "viewer")?["id"].as_str()?.to_owned())
}

/// Sends a request, with a line in the ledger for each email that its success causes.
async fn ask(books: &Books, mails: &[(&'static str, &str)], call: Call<'_>) -> Option<Answer> {
    let lines: Vec<_> = mails.iter().map(|(mail, to)| books.ledger.before(mail, to, to)).collect();
    let answer = books.call(call).await?;
    for line in lines {
        books.ledger.after(line, answer.status.as_u16(), &answer.request_id);
    }
    Some(answer)
}

/// Waits until no job is left to do.
async fn settles(sql: &Sql) {
    let open = "SELECT count(*) FROM jobs WHERE state IN ('ready', 'running')";
    answer_within(SETTLED, "every job is done", async || (sql.number(open).await == 0).then_some(())).await;
}

#[expect(clippy::print_stdout, reason = "the figures of a run with more rounds")]
async fn assert_every_job_was_done(sql: &Sql) {
    let undone = "SELECT kind || ' ' || state || ' ' || COALESCE(last_error, '') FROM jobs WHERE state <> 'completed'";
    assert_eq!(sql.texts(undone).await, [""; 0]);
    assert_eq!(sql.number("SELECT count(*) FROM jobs WHERE secret IS NOT NULL").await, 0, "a secret is kept");
    println!(
        "FA1 (mails): {} jobs done, {} of them mails, {} were taken up again after a kill",
        sql.number("SELECT count(*) FROM jobs").await,
        sql.number("SELECT count(*) FROM jobs WHERE kind = 'mail'").await,
        sql.number("SELECT count(*) FROM jobs WHERE attempt > 1").await,
    );
}

/// Returns the sent emails, by kind and mailbox. Checks that each job has one complete file, whose recipient and
/// subject match the job.
async fn sent(place: &ServerData, sql: &Sql) -> BTreeMap<(&'static str, String), usize> {
    let id = match sql {
        Sql::Sqlite(_) => "lower(hex(id))",
        Sql::Postgres(_) => "replace(CAST(id AS text), '-', '')",
    };
    let jobs = sql.texts(&format!("SELECT {id} || ' ' || payload FROM jobs WHERE kind = 'mail'")).await;
    let mut jobs: BTreeMap<String, Value> = jobs
        .iter()
        .map(|job| job.split_once(' ').unwrap())
        .map(|(id, payload)| (id.to_owned(), serde_json::from_str(payload).unwrap()))
        .collect();
    let mut sent = BTreeMap::new();
    for file in fs::read_dir(place.mail_folder()).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let Some(id) = name.strip_suffix(".eml") else {
            // A file that a kill left half written does not look like an email.
            assert!(name.starts_with('.') && name.ends_with(".part"), "{name}");
            continue;
        };
        let job = jobs.remove(&id.replace('-', "")).unwrap_or_else(|| panic!("{name} is of no job"));
        let raw = fs::read(&file).unwrap();
        let mail = MessageParser::default().parse(&raw).unwrap_or_else(|| panic!("{name} is no mail"));
        let ends = format!("--{}--", boundary(&raw));
        assert!(String::from_utf8_lossy(&raw).trim_end().ends_with(&ends), "{name} is not whole");
        let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap();
        assert_eq!(job["to"], to, "{name}");
        let subject = mail.subject().unwrap();
        let known = MAILS.iter().find(|(mail, ..)| job["mail"] == **mail);
        let (mail, begins, _) = known.unwrap_or_else(|| panic!("no request caused {job}"));
        assert!(subject.starts_with(begins), "{mail} is about {subject}");
        *sent.entry((*mail, to.to_owned())).or_default() += 1;
    }
    assert!(jobs.is_empty(), "done, and not sent: {jobs:?}");
    sent
}

/// Returns the MIME boundary of the email, which appears once more at the end of a complete email.
fn boundary(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let (_, rest) = text.split_once("boundary=\"").expect("a mail of several parts");
    rest.split_once('"').unwrap().0.to_owned()
}

/// Compares the sent emails with the client's responses, and with the database.
async fn assert_sent_is_what_was_told(books: &Books, sent: &BTreeMap<(&'static str, String), usize>, sql: &Sql) {
    assert_eq!(*books.misdeeds.read().unwrap(), [""; 0]);
    let outcomes =
        [RequestOutcome::Acknowledged, RequestOutcome::Refused, RequestOutcome::Failed, RequestOutcome::Unknown];
    let lines: Vec<LedgerEntry> = outcomes.into_iter().flat_map(|outcome| books.lines(outcome)).collect();
    let mut unanswered = [0, 0];
    for (mail, _, effect) in MAILS {
        let found = sent.iter().filter(|((name, _), _)| name == mail);
        let found = found.flat_map(|((_, to), count)| vec![(to.clone(), to.clone()); *count]);
        assert_eq!(books.ledger.compare(mail, found), Discrepancies::default(), "{mail}");
        for line in lines.iter().filter(|line| line.what == *mail) {
            let count = sent.get(&(*mail, line.canary.clone())).copied().unwrap_or_default();
            let effect = effect.replace("{to}", &line.canary).replace("{user}", &id_of(sql, &line.canary).await);
            let is_there = usize::try_from(sql.number(&effect).await).unwrap();
            assert_eq!(count, is_there, "mails and effects of {line:?}");
            if line.outcome == RequestOutcome::Unknown {
                unanswered[count] += 1;
            }
        }
        let done = lines.iter().any(|line| line.what == *mail && line.outcome == RequestOutcome::Acknowledged);
        assert!(done, "the load caused no {mail}");
    }
    tell(unanswered, sent.len());
}

#[expect(clippy::print_stdout, reason = "the figures of a run with more rounds")]
fn tell([without, with]: [usize; 2], mails: usize) {
    println!(
        "FA1 (mails): {mails} sent; of what had no answer, {with} were done and mailed, {without} neither (or never arrived)"
    );
}

/// Returns the id of the user with this address, as payloads write it.
async fn id_of(sql: &Sql, email: &str) -> String {
    let id = match sql {
        Sql::Sqlite(_) => "lower(hex(id))",
        Sql::Postgres(_) => "replace(CAST(id AS text), '-', '')",
    };
    let found = sql.texts(&format!("SELECT {id} FROM users WHERE email = '{email}'")).await;
    found.first().map_or_else(String::new, |id| id.parse::<uuid::Uuid>().unwrap().to_string())
}
