//! Tests of TLS and passwords.

use std::{fs, path::PathBuf};
use tempfile::TempDir;
use tenantry_mail::{SmtpMailer, SmtpServerConfig, SmtpSetupError};
use tenantry_mails::Mailer;
use tenantry_testkit::{
    mailer::note_with_link,
    smtp::{self, Fault, FaultStep, Security, SmtpOptions},
};

use crate::support::{context, email_to, mailer_to, only_mail, permanent, settings, templates, temporary};

const ADA: &str = "ada@example.com";
const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Starts a server of that kind that requires a password. Returns it with a file of its certificate authority.
async fn server(security: Security) -> (smtp::SmtpServer, TempDir, PathBuf) {
    let login = Some(("ada".to_owned(), "planted-password".to_owned()));
    let server = smtp::SmtpServer::start_with(SmtpOptions { security, login, ..SmtpOptions::default() }).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("authority.pem");
    fs::write(&file, server.authority_pem()).unwrap();
    (server, folder, file)
}

/// Asserts that nothing secret was sent without encryption.
#[track_caller]
fn assert_secret(server: &smtp::SmtpServer) {
    let open: Vec<_> = server.heard().into_iter().filter(|heard| !heard.is_encrypted).collect();
    let is_open = |line: &str| line.starts_with("EHLO") || matches!(line, "STARTTLS" | "QUIT");
    assert!(open.iter().all(|heard| is_open(&heard.line)), "{open:?}");
}

#[tokio::test]
async fn mails_and_passwords_go_by_tls() {
    for security in [Security::Tls, Security::StartTls] {
        let (server, _folder, authority) = server(security).await;
        mailer_to(&server.url(), Some(&authority)).send(&email_to(ADA)).await.unwrap();
        only_mail(&server);
        assert_secret(&server);
        assert!(server.heard().iter().any(|heard| heard.line.starts_with("AUTH") && heard.is_encrypted));
    }
}

#[tokio::test]
async fn fa9_a_certificate_of_nobody_known_is_temporary_and_gets_nothing() {
    for security in [Security::Tls, Security::StartTls] {
        let (server, _folder, _) = server(security).await;
        let told = temporary(mailer_to(&server.url(), None).send(&email_to(ADA)).await);
        assert!(told.contains("certificate") && told.contains("UnknownIssuer"), "{told}");
        assert_secret(&server);
        assert_eq!(server.mails(), []);
    }
}

#[tokio::test]
async fn fa9_a_certificate_for_another_name_is_temporary_and_gets_nothing() {
    let names = vec!["mail.example.net".to_owned()];
    let options = SmtpOptions { security: Security::StartTls, names, ..SmtpOptions::default() };
    let server = smtp::SmtpServer::start_with(options).await;
    let folder = TempDir::new().unwrap();
    let authority = folder.path().join("authority.pem");
    fs::write(&authority, server.authority_pem()).unwrap();
    let told = temporary(mailer_to(&server.url(), Some(&authority)).send(&email_to(ADA)).await);
    assert!(told.contains("not valid for name") || told.contains("NotValidForName"), "{told}");
    assert_eq!(server.mails(), []);
}

#[tokio::test]
async fn fa9_a_server_without_starttls_gets_nothing_where_tls_is_required() {
    let (server, _folder, authority) = server(Security::None).await;
    let url = server.url().replace("?tls=none", "");
    let told = temporary(mailer_to(&url, Some(&authority)).send(&email_to(ADA)).await);
    assert!(told.contains("does not offer STARTTLS"), "{told}");
    assert_secret(&server);
    // The server offers TLS and then refuses it.
    let (server, _folder, authority) = self::server(Security::StartTls).await;
    server.fail(Fault::answer(FaultStep::StartTls, "454 4.7.0 not now"));
    let told = temporary(mailer_to(&server.url(), Some(&authority)).send(&email_to(ADA)).await);
    assert!(told.contains("454"), "{told}");
    assert_secret(&server);
}

#[tokio::test]
async fn opportunistic_tls_takes_what_there_is_and_shows_no_password() {
    let (encrypting, _folder, authority) = server(Security::StartTls).await;
    let url = format!("{}?tls=opportunistic", encrypting.url());
    mailer_to(&url, Some(&authority)).send(&email_to(ADA)).await.unwrap();
    assert_secret(&encrypting);

    let (open, _folder, _) = server(Security::None).await;
    let url = open.url().replace("?tls=none", "?tls=opportunistic");
    let told = temporary(mailer_to(&url, None).send(&email_to(ADA)).await);
    assert!(told.contains("STARTTLS"), "{told}");
    assert_secret(&open);

    let free = smtp::SmtpServer::start().await;
    let url = free.url().replace("?tls=none", "?tls=opportunistic");
    mailer_to(&url, None).send(&email_to(ADA)).await.unwrap();
    only_mail(&free);
}

#[tokio::test]
async fn fa9_a_wrong_password_is_temporary_and_not_told() {
    let (server, _folder, authority) = server(Security::Tls).await;
    let url = server.url().replace("planted-password", "planted-mistake");
    let mailer = mailer_to(&url, Some(&authority));
    let told = temporary(mailer.send(&email_to(ADA)).await);
    assert!(told.contains("MAIL_URL") && told.ends_with(": 535"), "{told}");
    // A server may repeat the credentials.
    let given = server.heard().iter().find_map(|heard| heard.line.strip_prefix("AUTH PLAIN ").map(str::to_owned));
    server.fail(Fault::answer(FaultStep::Auth, &format!("535 no {} planted-mistake", given.unwrap())));
    let told = temporary(mailer.send(&email_to(ADA)).await);
    assert!(told.ends_with(": 535"), "{told}");
    let told = mailer.check().await.unwrap_err().to_string();
    assert!(told.ends_with(": 535"), "{told}");
}

#[tokio::test]
async fn tk4_a_token_that_a_mail_server_repeats_is_not_told() {
    let server = smtp::SmtpServer::start().await;
    let link = format!("https://app.example.com/links/reset#{TOKEN}");
    let email = note_with_link(&context(), ADA, "Ada", &link);
    server.fail(Fault::answer(FaultStep::Message, &format!("554 5.7.1 {link} is not liked here")));
    let told = permanent(mailer_to(&server.url(), None).send(&email).await);
    assert!(told.contains("is not liked here") && !told.contains(TOKEN), "{told}");
}

#[test]
fn a_file_of_authorities_that_holds_none_is_refused() {
    let folder = TempDir::new().unwrap();
    let made = |file: &std::path::Path| {
        let server = SmtpServerConfig::parse("smtps://mail.example.com").unwrap();
        SmtpMailer::new(server, Some(file), templates(), settings()).map(drop)
    };
    let file = folder.path().join("authority.pem");
    assert!(matches!(made(&file), Err(SmtpSetupError::Unreadable { .. })));
    for text in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&file, text).unwrap();
        assert!(matches!(made(&file), Err(SmtpSetupError::NoCertificate(_))), "{text}");
    }
}
