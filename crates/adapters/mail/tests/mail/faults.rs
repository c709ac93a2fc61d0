//! Tests with an SMTP server that refuses, hangs and disconnects.

use std::time::{Duration, Instant};
use tenantry_mails::Mailer;
use tenantry_testkit::smtp::{Fault, FaultStep, SmtpOptions, SmtpServer};

use crate::support::{email_to, mailer_to, only_mail, permanent, temporary};

const ADA: &str = "ada@example.com";
/// Longer than an email may take in these tests.
const LONG: Duration = Duration::from_secs(5);
/// The steps of sending an email without `STARTTLS` and `AUTH`.
const STEPS: [FaultStep; 6] = [
    FaultStep::Greeting,
    FaultStep::Hello,
    FaultStep::Sender,
    FaultStep::Recipient,
    FaultStep::Data,
    FaultStep::Message,
];

#[tokio::test]
async fn fa9_a_refused_connection_is_temporary() {
    let server = SmtpServer::start().await;
    let (mailer, email) = (mailer_to(&server.url(), None), email_to(ADA));
    server.close().await;
    let told = temporary(mailer.send(&email).await);
    assert!(told.starts_with("the mail server could not be reached: ") && told.contains("refused"), "{told}");
    server.reopen();
    mailer.send(&email).await.unwrap();
    only_mail(&server);
}

#[tokio::test]
async fn fa9_what_is_refused_for_now_goes_later() {
    for (step, answer) in [
        (FaultStep::Greeting, "421 4.3.2 busy"),
        (FaultStep::Greeting, "554 5.7.1 not you"),
        (FaultStep::Hello, "421 4.3.2 busy"),
        (FaultStep::Sender, "451 4.3.0 later"),
        (FaultStep::Sender, "550 5.7.1 not from there"),
        (FaultStep::Recipient, "421 4.3.2 busy"),
        (FaultStep::Recipient, "450 4.2.1 greylisted"),
        (FaultStep::Recipient, "451 4.3.0 later"),
        (FaultStep::Recipient, "530 5.7.0 sign in first"),
        (FaultStep::Data, "451 4.3.0 later"),
        (FaultStep::Message, "421 4.3.2 busy"),
        (FaultStep::Message, "451 4.3.0 later"),
    ] {
        let server = SmtpServer::start().await;
        let (mailer, email) = (mailer_to(&server.url(), None), email_to(ADA));
        server.fail(Fault::answer(step, answer).times(1));
        let told = temporary(mailer.send(&email).await);
        assert!(told.ends_with(answer), "{told} at {step:?}");
        assert_eq!(server.mails(), [], "{answer} at {step:?}");
        mailer.send(&email).await.unwrap();
        only_mail(&server);
    }
}

#[tokio::test]
async fn fa9_what_is_refused_for_good_is_permanent() {
    for (step, answer) in [
        (FaultStep::Recipient, "550 5.1.1 no such user"),
        (FaultStep::Recipient, "553 5.1.3 no such address"),
        (FaultStep::Data, "554 5.5.1 no"),
        (FaultStep::Message, "552 5.3.4 too long"),
        (FaultStep::Message, "554 5.7.1 looks like spam"),
    ] {
        let server = SmtpServer::start().await;
        server.fail(Fault::answer(step, answer).to(ADA));
        let mailer = mailer_to(&server.url(), None);
        let told = permanent(mailer.send(&email_to(ADA)).await);
        assert!(told.ends_with(answer), "{told} at {step:?}");
        mailer.send(&email_to("charles@example.com")).await.unwrap();
        assert_eq!(only_mail(&server).to, ["charles@example.com"]);
    }
}

#[tokio::test]
async fn fa9_a_server_that_hangs_holds_nobody_for_long() {
    for step in STEPS {
        let server = SmtpServer::start().await;
        server.fail(Fault::hang(step).times(1));
        let (mailer, email) = (mailer_to(&server.url(), None), email_to(ADA));
        let began = Instant::now();
        let told = temporary(mailer.send(&email).await);
        assert!(told.contains("no answer within") && began.elapsed() < LONG, "{told} at {step:?}");
        mailer.send(&email).await.unwrap();
    }
}

#[tokio::test]
async fn fa9_a_server_that_hangs_up_is_temporary() {
    for step in STEPS {
        let server = SmtpServer::start().await;
        server.fail(Fault::drop(step).times(1));
        let (mailer, email) = (mailer_to(&server.url(), None), email_to(ADA));
        temporary(mailer.send(&email).await);
        mailer.send(&email).await.unwrap();
    }
}

#[tokio::test]
async fn fa9_a_mail_without_a_receipt_comes_again_with_the_same_id() {
    for fault in [Fault::drop(FaultStep::Message), Fault::hang(FaultStep::Message)] {
        let server = SmtpServer::start().await;
        server.fail(fault.times(1));
        let (mailer, email) = (mailer_to(&server.url(), None), email_to(ADA));
        temporary(mailer.send(&email).await);
        mailer.send(&email).await.unwrap();
        let mails = server.mails();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].text, mails[1].text);
        assert_eq!(mails[0].header("Message-ID"), Some(&*format!("<{}@mail.example.com>", email.job)));
        assert_eq!(mails[0].header("Date"), Some("Tue, 24 Nov 2026 13:41:37 +0000"));
    }
}

#[tokio::test]
async fn fa9_a_late_answer_is_never_taken_for_that_to_the_next_mail() {
    let server = SmtpServer::start().await;
    let mailer = mailer_to(&server.url(), None);
    mailer.send(&email_to("first@example.com")).await.unwrap();
    // The caller cancels the call, as for a job at its time limit.
    server.fail(Fault::hang(FaultStep::Message).to("cut@example.com"));
    let cut = email_to("cut@example.com");
    let limit = Duration::from_millis(100);
    assert!(tokio::time::timeout(limit, mailer.send(&cut)).await.is_err());
    server.fail(Fault::answer(FaultStep::Message, "554 5.7.1 no").to(ADA));
    permanent(mailer.send(&email_to(ADA)).await);
    let connections: Vec<usize> = server.heard().iter().map(|heard| heard.connection).collect();
    assert_eq!(connections.last(), Some(&1), "the conversation that was cut short was gone on with");
}

#[tokio::test]
async fn fa9_a_kept_connection_that_the_server_has_closed_costs_no_mail() {
    let server = SmtpServer::start().await;
    let mailer = mailer_to(&server.url(), None);
    mailer.send(&email_to(ADA)).await.unwrap();
    mailer.send(&email_to(ADA)).await.unwrap();
    assert_eq!(server.connections(), 1, "a connection is kept for the next mail");
    server.close().await;
    server.reopen();
    mailer.send(&email_to(ADA)).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (2, 3));
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let server = SmtpServer::start().await;
    let mailer = mailer_to(&server.url(), None);
    let farewells = || server.heard().iter().filter(|heard| heard.line == "QUIT").count();
    // Twice, so that the task that closes connections ends and starts again.
    for round in 1..=2 {
        mailer.send(&email_to(ADA)).await.unwrap();
        let began = Instant::now();
        while farewells() < round {
            assert!(began.elapsed() < LONG, "it is not closed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(server.connections(), round);
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_a_provider_bears() {
    let server = SmtpServer::start().await;
    let mailer = mailer_to(&server.url(), None);
    let emails: Vec<_> = (0..40).map(|n| email_to(&format!("ada{n}@example.com"))).collect();
    for sent in futures::future::join_all(emails.iter().map(|email| mailer.send(email))).await {
        sent.unwrap();
    }
    assert_eq!(server.mails().len(), 40);
    assert!((1..=8).contains(&server.connections()), "{}", server.connections());
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let address = "josé@example.com";
    let server = SmtpServer::start().await;
    mailer_to(&server.url(), None).send(&email_to(address)).await.unwrap();
    assert_eq!(only_mail(&server).to, [address]);
    assert!(server.heard().iter().any(|heard| heard.line.ends_with(" SMTPUTF8 BODY=8BITMIME")));

    let server = SmtpServer::start_with(SmtpOptions { takes_utf8: false, ..SmtpOptions::default() }).await;
    let told = permanent(mailer_to(&server.url(), None).send(&email_to(address)).await);
    assert!(told.contains("ASCII"), "{told}");
}

#[tokio::test]
async fn the_check_asks_and_sends_nothing() {
    let server = SmtpServer::start().await;
    let mailer = mailer_to(&server.url(), None);
    mailer.check().await.unwrap();
    let lines: Vec<String> = server.heard().into_iter().map(|heard| heard.line).collect();
    assert_eq!(lines, ["EHLO mail.example.com", "NOOP", "QUIT"]);
    server.fail(Fault::hang(FaultStep::Greeting));
    let began = Instant::now();
    let told = mailer.check().await.unwrap_err().to_string();
    assert!(told.contains("no answer within") && began.elapsed() < LONG, "{told}");
    assert_eq!(server.mails(), []);
}
