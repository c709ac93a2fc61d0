//! Runs the contract suite of the port on every mailer.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tenantry_mail::{ConsoleMailer, FileMailer, SmtpMailer};
use tenantry_testkit::{
    mailer::{Outbox, Sent},
    smtp,
};

use crate::support::{mailer_to, read, settings, templates};

struct Mailbox(smtp::SmtpServer);

impl Outbox for Mailbox {
    async fn sent(&self) -> Vec<Sent> {
        let mails = self.0.mails();
        let sent = mails.iter().map(|mail| {
            let sent = read(mail.text.as_bytes());
            assert_eq!((mail.from.as_str(), &mail.to), ("no-reply@mail.example.com", &vec![sent.to.clone()]));
            sent
        });
        sent.collect()
    }
}

struct Folder(TempDir);

impl Outbox for Folder {
    async fn sent(&self) -> Vec<Sent> {
        let Ok(files) = fs::read_dir(self.0.path()) else { return Vec::new() };
        files.map(|file| read(&fs::read(file.unwrap().path()).unwrap())).collect()
    }
}

/// The output on a terminal.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outbox for Screen {
    async fn sent(&self) -> Vec<Sent> {
        let shown = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let emails = shown.split("---------- mail ").skip(1);
        let sent = emails.map(|email| {
            let (id, rest) = email.split_once("\nTo: ").unwrap();
            let (to, text) = rest.split_once('\n').unwrap();
            Sent { id: id.to_owned(), to: to.to_owned(), text: text.to_owned() }
        });
        sent.collect()
    }
}

async fn by_smtp() -> (SmtpMailer, Mailbox) {
    let server = smtp::SmtpServer::start().await;
    (mailer_to(&server.url(), None), Mailbox(server))
}

fn to_a_folder() -> (FileMailer, Folder) {
    let folder = TempDir::new().unwrap();
    (FileMailer::new(folder.path(), templates(), settings()), Folder(folder))
}

fn to_the_screen() -> (ConsoleMailer, Screen) {
    let screen = Screen::default();
    (ConsoleMailer::to(screen.clone(), templates(), settings()), screen)
}

tenantry_testkit::contract_tests! {
    on {
        smtp: crate::contracts::by_smtp().await,
        file: crate::contracts::to_a_folder(),
        console: crate::contracts::to_the_screen(),
    }
    mailer
}
