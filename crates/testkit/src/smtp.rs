//! An SMTP server to test mailers with: it stores the mails that it receives, and fails as a test requests.
//!
//! ```
//! # use tenantry_testkit::smtp::{Fault, FaultStep, SmtpServer};
//! # async fn example() {
//! let server = SmtpServer::start().await;
//! server.fail(Fault::answer(FaultStep::Recipient, "451 4.7.1 later").to("ada@example.com").times(1));
//! // … a mailer that is configured with `server.url()` …
//! assert_eq!(server.mails().len(), 1);
//! # }
//! ```
//!
//! It listens on a free port of the loopback address and stops when its value is dropped. With TLS, an authority of its
//! own ([`SmtpServer::authority_pem`]) signs its certificate; clients trust it only if configured with it.

mod conversation;
mod fault;
mod security;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, JoinSet},
};

pub use fault::{Fault, FaultStep};
pub use security::Security;

use fault::Faults;
use security::Identity;

/// A mail that the server has received completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body, with lines that end in CR LF.
    pub text: String,
    /// Number of the connection that carried it, from 0.
    pub connection: usize,
}

impl ReceivedMail {
    /// Returns the value of a header, if it is present and on one line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        head.lines().find_map(|line| line.split_once(": ").filter(|(known, _)| *known == name)).map(|(_, value)| value)
    }
}

/// A command from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Number of the connection that carried it, from 0.
    pub connection: usize,
    /// Whether it arrived over TLS.
    pub is_encrypted: bool,
    /// The whole line.
    pub line: String,
}

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Whether and how it encrypts.
    pub security: Security,
    /// The names and IP addresses of its certificate.
    pub names: Vec<String>,
    /// The user name and password that it requires; `None` requires no sign-in.
    pub login: Option<(String, String)>,
    /// Whether it accepts addresses beyond ASCII (SMTPUTF8).
    pub takes_utf8: bool,
}

impl Default for SmtpOptions {
    /// No TLS, no sign-in, any address; a certificate for `127.0.0.1` and `localhost`.
    fn default() -> Self {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned).to_vec();
        Self { security: Security::None, names, login: None, takes_utf8: true }
    }
}

/// State that all conversations share.
struct Shared {
    security: Security,
    identity: Identity,
    login: Option<(String, String)>,
    takes_utf8: bool,
    faults: Faults,
    mails: Mutex<Vec<ReceivedMail>>,
    heard: Mutex<Vec<Heard>>,
    connections: Mutex<usize>,
}

/// A running server. Dropping it stops the server.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Mutex<Option<Door>>,
}

/// Whether the server accepts connections.
enum Door {
    Open(JoinHandle<()>),
    /// The port is held, and every connection to it is refused.
    Closed(TcpSocket),
}

impl SmtpServer {
    /// Starts a server without TLS and without sign-in.
    pub async fn start() -> Self {
        Self::start_with(SmtpOptions::default()).await
    }

    /// Starts a server with these options.
    pub async fn start_with(options: SmtpOptions) -> Self {
        let SmtpOptions { security, names, login, takes_utf8 } = options;
        let shared = Arc::new(Shared {
            security,
            identity: Identity::new(&names),
            login,
            takes_utf8,
            faults: Faults::default(),
            mails: Mutex::default(),
            heard: Mutex::default(),
            connections: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::Open(tokio::spawn(listen(listener, shared.clone())));
        Self { address, shared, door: Mutex::new(Some(door)) }
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its address as `MAIL_URL` takes it, with the login that it requires.
    pub fn url(&self) -> String {
        let (scheme, query) = match self.shared.security {
            Security::None => ("smtp", "?tls=none"),
            Security::StartTls => ("smtp", ""),
            Security::Tls => ("smtps", ""),
        };
        let login = self.shared.login.as_ref().map(|(user, password)| format!("{user}:{password}@"));
        format!("{scheme}://{}{}{query}", login.unwrap_or_default(), self.address)
    }

    /// Returns the certificate of its authority, in PEM.
    pub fn authority_pem(&self) -> &str {
        &self.shared.identity.authority
    }

    /// Adds a fault. Of several faults that apply, the one that was added first is used first.
    pub fn fail(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Removes all faults; connections that hang already stay so.
    pub fn heal(&self) {
        self.shared.faults.clear();
    }

    /// Ends every conversation, and refuses connections from now on. The server keeps its port.
    ///
    /// # Panics
    ///
    /// Panics if it is closed already.
    pub async fn close(&self) {
        let door = self.door.lock().unwrap().take();
        let Some(Door::Open(listening)) = door else { panic!("the server is closed already") };
        listening.abort();
        // Fails because the task was aborted.
        let _ = listening.await;
        // Bound but not listening, so no other process can take the port and every connection is refused.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        *self.door.lock().unwrap() = Some(Door::Closed(socket));
    }

    /// Accepts connections again.
    ///
    /// # Panics
    ///
    /// Panics if it is not closed.
    pub fn reopen(&self) {
        const BACKLOG: u32 = 128;
        let mut door = self.door.lock().unwrap();
        let Some(Door::Closed(socket)) = door.take() else { panic!("the server is not closed") };
        let listener = socket.listen(BACKLOG).unwrap();
        *door = Some(Door::Open(tokio::spawn(listen(listener, self.shared.clone()))));
    }

    /// Returns all received mails, in order of arrival.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// Returns the mails to this address.
    pub fn mails_to(&self, address: &str) -> Vec<ReceivedMail> {
        self.mails().into_iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
    }

    /// Returns every command that clients have sent.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        if let Some(Door::Open(task)) = &*self.door.lock().unwrap() {
            task.abort();
        }
    }
}

/// Accepts connections; ending this task ends every conversation.
async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut connections = shared.connections.lock().unwrap();
            *connections += 1;
            *connections - 1
        };
        conversations.spawn(conversation::converse(shared.clone(), number, stream));
    }
}
