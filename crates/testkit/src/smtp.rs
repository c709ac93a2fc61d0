//! An SMTP server to test mailers with: it keeps what it receives, and goes wrong as it is told to.
//!
//! ```
//! # use tenantry_testkit::smtp::{Fault, SmtpServer, Step};
//! # async fn example() {
//! let server = SmtpServer::start().await;
//! server.fail(Fault::answer(Step::Recipient, "451 4.7.1 later").to("ada@example.com").times(1));
//! // … a mailer that is configured with `server.url()` …
//! assert_eq!(server.mails().len(), 1);
//! # }
//! ```
//!
//! It listens on a free port of the loopback address and ends with its value. With TLS, its certificate is of an
//! authority of its own ([`SmtpServer::authority_pem`]), which nobody trusts who is not told to.

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

pub use fault::{Fault, Step};
pub use security::Security;

use fault::Faults;
use security::Identity;

/// A mail that the server has received as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body, with lines that end in CR LF.
    pub text: String,
    /// The number of the connection that it came over, from 0.
    pub connection: usize,
}

impl ReceivedMail {
    /// The value of a header, if it is there and on one line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        head.lines().find_map(|line| line.split_once(": ").filter(|(known, _)| *known == name)).map(|(_, value)| value)
    }
}

/// A command that a client has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The number of the connection that it came over, from 0.
    pub connection: usize,
    /// Whether it came by TLS.
    pub is_encrypted: bool,
    /// The whole line.
    pub line: String,
}

/// What a server is like.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Whether and how it encrypts.
    pub security: Security,
    /// The names and IP addresses that its certificate is for.
    pub names: Vec<String>,
    /// The user and the password that it wants; without them it wants none.
    pub login: Option<(String, String)>,
    /// Whether it takes addresses beyond ASCII (SMTPUTF8).
    pub takes_utf8: bool,
}

impl Default for SmtpOptions {
    /// No TLS, no sign-in, any address; a certificate for `127.0.0.1` and `localhost`.
    fn default() -> Self {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned).to_vec();
        Self { security: Security::None, names, login: None, takes_utf8: true }
    }
}

/// What all conversations share.
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

/// A running server. It ends when it is dropped.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Mutex<Option<Door>>,
}

/// Whether somebody listens.
enum Door {
    Open(JoinHandle<()>),
    /// The port is held, and every connection to it is refused.
    Closed(TcpSocket),
}

impl SmtpServer {
    /// A server without TLS that wants no sign-in.
    pub async fn start() -> Self {
        Self::start_with(SmtpOptions::default()).await
    }

    /// A server of that kind.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as `MAIL_URL` takes it, with the login that it wants.
    pub fn url(&self) -> String {
        let (scheme, query) = match self.shared.security {
            Security::None => ("smtp", "?tls=none"),
            Security::StartTls => ("smtp", ""),
            Security::Tls => ("smtps", ""),
        };
        let login = self.shared.login.as_ref().map(|(user, password)| format!("{user}:{password}@"));
        format!("{scheme}://{}{}{query}", login.unwrap_or_default(), self.address)
    }

    /// The certificate of its authority, in PEM.
    pub fn authority_pem(&self) -> &str {
        &self.shared.identity.authority
    }

    /// Lets something go wrong from now on. Of several faults that fit, the first that was asked for comes first.
    pub fn fail(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Lets nothing go wrong any more, but for connections that hang already.
    pub fn heal(&self) {
        self.shared.faults.clear();
    }

    /// Ends every conversation, and refuses connections from now on. The port stays its own.
    ///
    /// # Panics
    ///
    /// If it is closed already.
    pub async fn close(&self) {
        let door = self.door.lock().unwrap().take();
        let Some(Door::Open(listening)) = door else { panic!("the server is closed already") };
        listening.abort();
        // it fails because it was ended
        let _ = listening.await;
        // bound and not listening, the port belongs to nobody else and every connection is refused
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        *self.door.lock().unwrap() = Some(Door::Closed(socket));
    }

    /// Listens again.
    ///
    /// # Panics
    ///
    /// If it is not closed.
    pub fn reopen(&self) {
        const BACKLOG: u32 = 128;
        let mut door = self.door.lock().unwrap();
        let Some(Door::Closed(socket)) = door.take() else { panic!("the server is not closed") };
        let listener = socket.listen(BACKLOG).unwrap();
        *door = Some(Door::Open(tokio::spawn(listen(listener, self.shared.clone()))));
    }

    /// Every mail that has arrived, in that order.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// The mails to this address.
    pub fn mails_to(&self, address: &str) -> Vec<ReceivedMail> {
        self.mails().into_iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
    }

    /// Every command that clients have given.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How many connections were accepted.
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

/// Accepts connections; whoever ends this ends every conversation.
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
