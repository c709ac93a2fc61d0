//! Faults that tests inject.

use std::sync::Mutex;

/// A step of a conversation at which a fault can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultStep {
    /// A client has connected.
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
    /// The whole mail has arrived, and the client waits for the reply.
    Message,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    at: FaultStep,
    how: How,
    to: Option<String>,
    left: Option<usize>,
}

/// The effect of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// The server sends this reply, and closes the connection after a 421.
    Answer(String),
    /// The server sends nothing, for as long as the client stays connected.
    Hang,
    /// The server closes the connection without a reply.
    Drop,
}

impl Fault {
    /// The server sends this reply instead: `Fault::answer(Step::Recipient, "550 5.1.1 no such user")`. After a 421 it
    /// closes the connection, as RFC 5321 requires. It does not store refused mails.
    pub fn answer(at: FaultStep, answer: &str) -> Self {
        Self { at, how: How::Answer(answer.to_owned()), to: None, left: None }
    }

    /// The server is silent from this step on. At [`FaultStep::Message`] it has the mail, and stores it.
    pub fn hang(at: FaultStep) -> Self {
        Self { at, how: How::Hang, to: None, left: None }
    }

    /// The server closes the connection at this step. At [`FaultStep::Message`] it has the mail, and stores it: only the
    /// reply is missing.
    pub fn drop(at: FaultStep) -> Self {
        Self { at, how: How::Drop, to: None, left: None }
    }

    /// Limits the fault to mails to this address. The limit applies from [`FaultStep::Recipient`] on, where the address is
    /// known.
    #[must_use]
    pub fn to(self, address: &str) -> Self {
        Self { to: Some(address.to_owned()), ..self }
    }

    /// Limits the fault to this number of times; without it, the fault lasts until
    /// [`SmtpServer::heal`](super::SmtpServer::heal).
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { left: Some(times), ..self }
    }
}

/// The pending faults, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.0.lock().unwrap().push(fault);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Returns the fault that applies at this step of a mail to this address, and counts it as used once.
    pub(super) fn take(&self, at: FaultStep, to: Option<&str>) -> Option<How> {
        let mut faults = self.0.lock().unwrap();
        let fits = |fault: &Fault| {
            fault.at == at && fault.left != Some(0) && fault.to.as_deref().is_none_or(|wanted| to == Some(wanted))
        };
        let fault = faults.iter_mut().find(|fault| fits(fault))?;
        fault.left = fault.left.map(|left| left - 1);
        Some(fault.how.clone())
    }
}
