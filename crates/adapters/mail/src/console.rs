//! Shows emails on the console, for development: the developer can follow their links.

use async_trait::async_trait;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};
use tenantry_mails::{Mailer, MailerError, OutgoingEmail};

use crate::{
    MailSettings, Templates,
    composer::{Composer, blocking},
    templates::Rendered,
    values::turns_direction,
};

/// Shows the recipient, the subject and the text of every email.
pub struct ConsoleMailer {
    sink: Arc<Mutex<dyn Write + Send>>,
    composer: Composer,
}

impl ConsoleMailer {
    /// Creates a mailer that writes to the standard output.
    pub fn new(templates: Arc<Templates>, settings: MailSettings) -> Self {
        Self::to(io::stdout(), templates, settings)
    }

    /// Creates a mailer that writes to another sink.
    pub fn to(sink: impl Write + Send + 'static, templates: Arc<Templates>, settings: MailSettings) -> Self {
        Self { sink: Arc::new(Mutex::new(sink)), composer: Composer::new(templates, settings) }
    }
}

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send(&self, email: &OutgoingEmail) -> Result<(), MailerError> {
        let shown = shown(email, &self.composer.render(email)?);
        let sink = Arc::clone(&self.sink);
        blocking(move || {
            // A panicked writer has written what it could; the next email begins with a frame of its own.
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink.write_all(shown.as_bytes())?;
            sink.flush()
        })
        .await
    }
}

fn shown(outgoing: &OutgoingEmail, Rendered { subject, text, .. }: &Rendered) -> String {
    let (job, to) = (outgoing.job, &outgoing.email.to);
    let mut shown = format!("---------- mail {job}\nTo: {}\nSubject: {}\n\n", visible(to), visible(subject));
    for line in text.lines() {
        shown.push_str(&visible(line));
        shown.push('\n');
    }
    shown.push_str("----------\n");
    shown
}

/// Escapes every character of a line that a terminal would obey.
fn visible(line: &str) -> String {
    let mut visible = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() || turns_direction(c) {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{JOB, outgoing, settings, templates, to};
    use serde_json::json;

    /// Keeps the output for the test.
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

    /// A pipe without a reader.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn mailer(sink: impl Write + Send + 'static) -> ConsoleMailer {
        ConsoleMailer::to(sink, templates(), settings())
    }

    #[tokio::test]
    async fn an_email_is_shown_with_its_subject_and_text() {
        let screen = Screen::default();
        mailer(screen.clone()).send(&outgoing("account_exists", json!({ "name": "Ada" }))).await.unwrap();
        let shown = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        let head = format!(
            "---------- mail {JOB}\nTo: ada@example.com\nSubject: You already have an account at Tenantry\n\nHello Ada,\n"
        );
        assert!(shown.starts_with(&head), "{shown}");
        assert!(shown.ends_with("sent automatically by Tenantry.\n----------\n"), "{shown}");
    }

    #[test]
    fn re6_a_terminal_obeys_nothing_in_a_mail() {
        let text = "a\u{1b}[2J\tb\rc\u{9b}\u{202E}d\né\n".to_owned();
        let rendered = Rendered { subject: "x\ny".into(), text, html: String::new() };
        let shown = shown(&to("ada@example.com\nSubject: z"), &rendered);
        let lines: Vec<&str> = shown.lines().collect();
        let expected = [
            &format!("---------- mail {JOB}"),
            "To: ada@example.com\\nSubject: z",
            "Subject: x\\ny",
            "",
            "a\\u{1b}[2J\\tb\\rc\\u{9b}\\u{202e}d",
            "é",
            "----------",
        ];
        assert_eq!(lines, expected);
    }

    #[tokio::test]
    async fn a_broken_pipe_is_temporary_and_a_bad_address_permanent() {
        let failed = mailer(Broken).send(&to("ada@example.com")).await;
        assert!(matches!(failed, Err(MailerError::Temporary(_))), "{failed:?}");
        let failed = mailer(Screen::default()).send(&to("nobody")).await;
        assert!(matches!(failed, Err(MailerError::Permanent(_))), "{failed:?}");
    }
}
