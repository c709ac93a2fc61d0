//! What goes wrong on purpose.

use std::sync::Mutex;

/// A moment of a conversation at which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody has connected.
    Greeting,
    /// `EHLO`.
    Hello,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`.
    Data,
    /// The mail is there as a whole, and its receipt is waited for.
    Message,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    at: Step,
    how: How,
    to: Option<String>,
    left: Option<usize>,
}

/// How it goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// The server says this, and with 421 hangs up.
    Answer(String),
    /// The server says nothing, for as long as the client listens.
    Hang,
    /// The server hangs up without a word.
    Drop,
}

impl Fault {
    /// The server answers this instead: `Fault::answer(Step::Recipient, "550 5.1.1 no such user")`. With 421 it hangs up
    /// afterwards, as RFC 5321 wants. What it refuses it does not keep.
    pub fn answer(at: Step, answer: &str) -> Self {
        Self { at, how: How::Answer(answer.to_owned()), to: None, left: None }
    }

    /// The server is silent from here on. At [`Step::Message`] it has the mail, and keeps it.
    pub fn hang(at: Step) -> Self {
        Self { at, how: How::Hang, to: None, left: None }
    }

    /// The server hangs up here. At [`Step::Message`] it has the mail, and keeps it: only the receipt is missing.
    pub fn drop(at: Step) -> Self {
        Self { at, how: How::Drop, to: None, left: None }
    }

    /// For mails to this address only. It counts from [`Step::Recipient`] on, where the address is known.
    #[must_use]
    pub fn to(self, address: &str) -> Self {
        Self { to: Some(address.to_owned()), ..self }
    }

    /// So many times, and then no more; without this, until [`SmtpServer::heal`](super::SmtpServer::heal).
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { left: Some(times), ..self }
    }
}

/// The faults that are yet to come, first the one that was asked for first.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.0.lock().unwrap().push(fault);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// What goes wrong at this step of a mail to this address, one time less from now on.
    pub(super) fn take(&self, at: Step, to: Option<&str>) -> Option<How> {
        let mut faults = self.0.lock().unwrap();
        let fits = |fault: &Fault| {
            fault.at == at && fault.left != Some(0) && fault.to.as_deref().is_none_or(|wanted| to == Some(wanted))
        };
        let fault = faults.iter_mut().find(|fault| fits(fault))?;
        fault.left = fault.left.map(|left| left - 1);
        Some(fault.how.clone())
    }
}
