//! One conversation with a client.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    Heard, ReceivedMail, Shared,
    fault::{FaultStep, How},
    security::Security,
};

/// Maximum length of a line; longer lines are cut off.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The transport of a conversation: a connection, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Why a conversation ended.
enum End {
    /// One side closed the connection.
    Closed,
    /// The server sends nothing more, and waits until the client has disconnected.
    Silent,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

pub(super) struct Conversation {
    shared: Arc<Shared>,
    number: usize,
    wire: BufReader<Box<dyn Wire>>,
    is_encrypted: bool,
    is_signed_in: bool,
    sender: Option<String>,
    recipients: Vec<String>,
}

/// Talks with a client until one side closes the connection.
pub(super) async fn converse(shared: Arc<Shared>, number: usize, stream: TcpStream) {
    let is_encrypted = shared.security == Security::Tls;
    let wire: Box<dyn Wire> = if is_encrypted {
        let Ok(stream) = shared.identity.acceptor.accept(stream).await else { return };
        Box::new(stream)
    } else {
        Box::new(stream)
    };
    let mut conversation = Conversation {
        shared,
        number,
        wire: BufReader::new(wire),
        is_encrypted,
        is_signed_in: false,
        sender: None,
        recipients: Vec::new(),
    };
    let Err(end) = conversation.run().await;
    if let End::Silent = end {
        // No further command gets a reply; the connection stays open until the client closes it.
        while conversation.line().await.is_ok() {}
    }
}

impl Conversation {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        self.answer_unless(FaultStep::Greeting, "220 smtp.test ESMTP").await?;
        loop {
            let line = self.line().await?;
            self.note(&line);
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let offer = self.offer();
                    self.answer_unless(FaultStep::Hello, &offer).await?;
                }
                "STARTTLS" => self.start_tls().await?,
                "AUTH" => self.sign_in(&line).await?,
                "MAIL" => self.begin_mail(&line).await?,
                "RCPT" => self.add_recipient(&line).await?,
                "DATA" => self.take_mail().await?,
                "RSET" => {
                    (self.sender, self.recipients) = (None, Vec::new());
                    self.say("250 2.0.0 done").await?;
                }
                "NOOP" => self.say("250 2.0.0 here").await?,
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Err(End::Closed);
                }
                _ => self.say("500 5.5.2 what?").await?,
            }
        }
    }

    fn offer(&self) -> String {
        let mut offer = "250-smtp.test\r\n250-8BITMIME\r\n".to_owned();
        if self.shared.takes_utf8 {
            offer.push_str("250-SMTPUTF8\r\n");
        }
        if self.shared.security == Security::StartTls && !self.is_encrypted {
            offer.push_str("250-STARTTLS\r\n");
        }
        if self.shared.login.is_some() {
            offer.push_str("250-AUTH PLAIN\r\n");
        }
        offer + "250 ENHANCEDSTATUSCODES"
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        if self.shared.security != Security::StartTls || self.is_encrypted {
            return self.say("502 5.5.1 not here").await;
        }
        if !self.answer_unless(FaultStep::StartTls, "220 2.0.0 go ahead").await? {
            return Ok(());
        }
        let (nobody, _) = tokio::io::duplex(1);
        let plain = std::mem::replace(&mut self.wire, BufReader::new(Box::new(nobody)));
        let encrypted = self.shared.identity.acceptor.accept(plain.into_inner()).await?;
        self.wire = BufReader::new(Box::new(encrypted));
        self.is_encrypted = true;
        Ok(())
    }

    async fn sign_in(&mut self, line: &str) -> Result<(), End> {
        let given = line.split_once("PLAIN ").and_then(|(_, given)| STANDARD.decode(given).ok()).unwrap_or_default();
        let wanted = self.shared.login.as_ref().map(|(user, password)| format!("\0{user}\0{password}"));
        self.is_signed_in = wanted.is_some_and(|wanted| wanted.as_bytes() == given);
        let answer = if self.is_signed_in { "235 2.7.0 welcome" } else { "535 5.7.8 who are you?" };
        self.is_signed_in &= self.answer_unless(FaultStep::Auth, answer).await?;
        Ok(())
    }

    async fn begin_mail(&mut self, line: &str) -> Result<(), End> {
        if self.shared.login.is_some() && !self.is_signed_in {
            return self.say("530 5.7.0 sign in first").await;
        }
        (self.sender, self.recipients) = (None, Vec::new());
        if self.answer_unless(FaultStep::Sender, "250 2.1.0 good").await? {
            self.sender = Some(address_in(line));
        }
        Ok(())
    }

    async fn add_recipient(&mut self, line: &str) -> Result<(), End> {
        if self.sender.is_none() {
            return self.say("503 5.5.1 from whom?").await;
        }
        self.recipients.push(address_in(line));
        if !self.answer_unless(FaultStep::Recipient, "250 2.1.5 good").await? {
            self.recipients.pop();
        }
        Ok(())
    }

    async fn take_mail(&mut self) -> Result<(), End> {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 to whom?").await;
        }
        if !self.answer_unless(FaultStep::Data, "354 go on").await? {
            return Ok(());
        }
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        let fault = self.shared.faults.take(FaultStep::Message, self.recipients.last().map(String::as_str));
        if !matches!(fault, Some(How::Answer(_))) {
            let (from, to) = (self.sender.take().unwrap_or_default(), std::mem::take(&mut self.recipients));
            let mail = ReceivedMail { from, to, text, connection: self.number };
            self.shared.mails.lock().unwrap().push(mail);
        }
        match fault {
            None => self.say("250 2.0.0 received").await,
            Some(how) => self.act(how).await,
        }
    }

    /// Sends the reply unless a fault applies at this step; returns whether it did.
    async fn answer_unless(&mut self, step: FaultStep, answer: &str) -> Result<bool, End> {
        match self.shared.faults.take(step, self.recipients.last().map(String::as_str)) {
            None => self.say(answer).await.map(|()| true),
            Some(how) => self.act(how).await.map(|()| false),
        }
    }

    async fn act(&mut self, how: How) -> Result<(), End> {
        match how {
            How::Hang => Err(End::Silent),
            How::Drop => Err(End::Closed),
            How::Answer(answer) => {
                self.say(&answer).await?;
                if answer.starts_with("421") { Err(End::Closed) } else { Ok(()) }
            }
        }
    }

    async fn say(&mut self, answer: &str) -> Result<(), End> {
        self.wire.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await?;
        self.wire.get_mut().flush().await?;
        Ok(())
    }

    /// Returns the next line, without its end.
    async fn line(&mut self) -> Result<String, End> {
        let mut line = Vec::new();
        loop {
            let read = self.wire.read_until(b'\n', &mut line).await?;
            if read == 0 || line.len() > MAX_LINE_BYTES {
                return Err(End::Closed);
            }
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return String::from_utf8(line).map_err(|_| End::Closed);
            }
        }
    }

    fn note(&self, line: &str) {
        let heard = Heard { connection: self.number, is_encrypted: self.is_encrypted, line: line.to_owned() };
        self.shared.heard.lock().unwrap().push(heard);
    }
}

/// Returns the address between `<` and `>`.
fn address_in(line: &str) -> String {
    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.map_or_else(String::new, |(address, _)| address.to_owned())
}
