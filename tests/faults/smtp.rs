//! Tests of an SMTP server that refuses, hangs and closes connections, behind the real program.

use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};
use tenantry_testkit::smtp::{Fault, FaultStep, Security, SmtpOptions, SmtpServer};

use super::{
    answer_within, on_each_database,
    process::{Process, settings},
};
use crate::support::{Kind, PASSWORD, ServerData, Sql, fetch, http};

/// Maximum time of a response, independent of the mail server.
const ANSWERED: Duration = Duration::from_secs(2);
/// Maximum time until an email is delivered that was delayed once: the timeout of a silent server plus the first delay
/// of a retry.
const DELIVERED: Duration = Duration::from_secs(45);

/// A program whose emails go to a test server.
struct Post {
    server: Process,
    sql: Sql,
    place: ServerData,
}

impl Post {
    async fn start(kind: Kind, mail_url: &str, authority: &str) -> Self {
        let place = ServerData::new(kind).await;
        let file = place.folder.path().join("authority.pem");
        fs::write(&file, authority).unwrap();
        let server = Process::start(&place, &Self::settings(&place, mail_url)).await;
        let sql = place.sql().await;
        Self { server, sql, place }
    }

    fn settings(place: &ServerData, mail_url: &str) -> crate::support::Settings {
        let file = place.folder.path().join("authority.pem");
        settings().set("MAIL_URL", mail_url).set("MAIL_CA_FILE", file.to_str().unwrap())
    }

    /// Creates an account. The response comes soon, and a welcome email with a link follows.
    async fn register(&self, email: &str) {
        let (name, _) = email.split_once('@').unwrap();
        let body = json!({
            "email": email, "password": PASSWORD, "name": name, "tenantName": name, "tenantSlug": name
        });
        self.post("/auth/register", &body, 201).await;
    }

    async fn post(&self, path: &str, body: &serde_json::Value, status: u16) {
        let began = Instant::now();
        let url = format!("{}/api/v1{path}", self.server.url());
        let reply = http().post(url).json(body).send().await.unwrap();
        assert_eq!(reply.status(), status, "{}", reply.text().await.unwrap());
        assert!(began.elapsed() < ANSWERED, "{path} took {:?}", began.elapsed());
    }

    /// Returns state, attempts and last error of the emails to that address.
    async fn jobs_to(&self, email: &str) -> Vec<String> {
        let sql = format!(
            "SELECT state || ' ' || attempt || ' ' || COALESCE(last_error, '') FROM jobs \
             WHERE kind = 'mail' AND payload LIKE '%\"{email}\"%'"
        );
        self.sql.texts(&sql).await
    }

    /// Waits until the only email to that address was delivered, and returns its number of attempts.
    async fn delivered(&self, email: &str) -> u32 {
        let what = format!("the mail to {email} has gone");
        let done = async || {
            let jobs = self.jobs_to(email).await;
            assert_eq!(jobs.len(), 1, "{jobs:?}");
            jobs[0].strip_prefix("completed ").map(|tries| tries.trim().parse().unwrap())
        };
        answer_within(DELIVERED, &what, done).await.0
    }

    /// Waits until the only email to that address has failed once, and returns the error.
    async fn failed(&self, email: &str) -> String {
        let what = format!("the mail to {email} fails");
        let failed = async || {
            let jobs = self.jobs_to(email).await;
            jobs.into_iter().find(|job| job.starts_with("scheduled 1 ") && !job.ends_with(' '))
        };
        answer_within(DELIVERED, &what, failed).await.0
    }

    /// Waits until the only email to that address is a dead letter, and returns its last error.
    async fn died(&self, email: &str) -> String {
        let what = format!("the email to {email} is a dead letter");
        let dead =
            async || self.jobs_to(email).await.into_iter().find_map(|job| Some(job.strip_prefix("dead ")?.to_owned()));
        answer_within(DELIVERED, &what, dead).await.0
    }
}

on_each_database! {
    async fn fa9_no_request_waits_for_a_mail_server_that_hangs(kind: Kind) {
        let smtp = SmtpServer::start().await;
        smtp.fail(Fault::hang(FaultStep::Greeting).times(4));
        let post = Post::start(kind, &smtp.url(), smtp.authority_pem()).await;
        let people = ["ada", "byron", "charles", "dora", "emmy", "fay"].map(|name| format!("{name}@example.com"));
        for email in &people {
            post.register(email).await;
        }
        // All workers of emails wait for the mail server by now.
        post.post("/auth/password/forgot", &json!({ "email": "nobody@example.com" }), 202).await;
        assert_eq!(fetch(format!("{}/readyz", post.server.url())).await.unwrap().status(), 200);
        for email in &people {
            post.delivered(email).await;
            assert_eq!(smtp.mails_to(email).len(), 1, "{email}");
        }
    }

    async fn fa9_what_is_refused_for_now_arrives_later_and_once(kind: Kind) {
        let smtp = SmtpServer::start().await;
        let post = Post::start(kind, &smtp.url(), smtp.authority_pem()).await;
        smtp.close().await;
        post.register("refused@example.com").await;
        let told = post.failed("refused@example.com").await;
        assert!(told.contains("the mail server could not be reached"), "{told}");
        smtp.reopen();

        smtp.fail(Fault::answer(FaultStep::Recipient, "451 4.3.0 later").to("later@example.com").times(1));
        smtp.fail(Fault::answer(FaultStep::Message, "421 4.3.2 busy").to("busy@example.com").times(1));
        smtp.fail(Fault::drop(FaultStep::Message).to("twice@example.com").times(1));
        for name in ["later", "busy", "twice"] {
            post.register(&format!("{name}@example.com")).await;
        }
        for (name, mails) in [("refused", 1), ("later", 1), ("busy", 1), ("twice", 2)] {
            let email = format!("{name}@example.com");
            assert_eq!(post.delivered(&email).await, 2, "tries for {email}");
            assert_eq!(smtp.mails_to(&email).len(), mails, "{email}");
        }
        // The reply was lost, so the email was sent again; a recipient of both can recognise the repetition.
        let twice = smtp.mails_to("twice@example.com");
        assert!(twice[0].header("Message-ID").is_some_and(|id| id.starts_with('<')), "{}", twice[0].text);
        assert_eq!(twice[0].text, twice[1].text);
    }

    async fn fa9_what_is_refused_for_good_is_a_dead_letter(kind: Kind) {
        let smtp = SmtpServer::start().await;
        let post = Post::start(kind, &smtp.url(), smtp.authority_pem()).await;
        smtp.fail(Fault::answer(FaultStep::Recipient, "550 5.1.1 no such user").to("gone@example.com"));
        post.register("gone@example.com").await;
        post.register("ada@example.com").await;
        let told = post.died("gone@example.com").await;
        assert!(told.starts_with("1 ") && told.ends_with("550 5.1.1 no such user"), "{told}");
        assert_eq!(post.delivered("ada@example.com").await, 1);
        assert!(smtp.mails_to("gone@example.com").is_empty());
        let events = "SELECT count(*) FROM journal WHERE action = 'job.died' AND outcome = 'failed'";
        assert_eq!(post.sql.number(events).await, 1);
        let given_up = post.server.entry("a job became a dead letter").unwrap();
        assert!(given_up["error"].as_str().unwrap().ends_with("550 5.1.1 no such user"), "{given_up}");

        // The address exists now. The dead letter has kept its link, so it can be sent.
        smtp.heal();
        let retried = crate::jobs::run(&post.place, &["retry", given_up["job"].as_str().unwrap()]);
        assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
        assert_eq!(post.delivered("gone@example.com").await, 1);
        assert!(smtp.mails_to("gone@example.com")[0].text.contains("/links/"), "with its link");
    }

    async fn fa9_a_wrong_password_loses_no_mail(kind: Kind) {
        let login = Some(("ada".to_owned(), "planted-password".to_owned()));
        let options = SmtpOptions { security: Security::StartTls, login, ..SmtpOptions::default() };
        let smtp = SmtpServer::start_with(options).await;
        let wrong = smtp.url().replace("planted-password", "planted-mistake");
        let post = Post::start(kind, &wrong, smtp.authority_pem()).await;
        post.register("ada@example.com").await;
        let told = post.failed("ada@example.com").await;
        assert!(told.ends_with(": 535") && told.contains("MAIL_URL"), "{told}");
        assert!(!post.server.log().contains("planted"), "{}", post.server.log());

        let Post { server, sql, place } = post;
        server.kill();
        let settings = Post::settings(&place, &smtp.url());
        let post = Post { server: Process::start(&place, &settings).await, sql, place };
        assert_eq!(post.delivered("ada@example.com").await, 2);
        assert_eq!(smtp.mails_to("ada@example.com").len(), 1);
        assert!(smtp.heard().iter().all(|heard| heard.is_encrypted || !heard.line.starts_with("AUTH")));
    }
}
