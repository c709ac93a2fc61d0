//! Sends emails by SMTP (RFC 5321) to a server that relays them.

mod connection;
mod failure;
mod pool;
mod server;

use async_trait::async_trait;
use lettre::{
    Message,
    transport::smtp::{
        client::{Certificate, TlsParameters},
        extension::ClientId,
    },
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tenantry_mails::{Mailer, MailerError, OutgoingEmail};
use tokio::time::timeout;

use crate::{MailSettings, Templates, composer::Composer};
use connection::Connection;
use failure::{SmtpFailure, SmtpStep};
use pool::Pool;

pub use server::{SmtpLogin, SmtpSecurity, SmtpServerConfig};

/// Time limits for a server. lettre waits forever for a server that accepts a connection and sends nothing.
#[derive(Debug, Clone, Copy)]
pub struct SmtpTimeouts {
    /// For the connection, including TLS and the sign-in.
    pub connect: Duration,
    /// For the reply to one command.
    pub command: Duration,
    /// For a whole email, including the wait for a free connection.
    pub send: Duration,
    /// How long a connection is kept for the next email; servers themselves disconnect after some minutes.
    pub idle: Duration,
}

impl Default for SmtpTimeouts {
    /// 10 s to connect, 10 s for a command, 20 s in all; 20 s until an idle connection is closed.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), command: seconds(10), send: seconds(20), idle: seconds(20) }
    }
}

/// The configuration for the server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSetupError {
    /// The file of additional certificate authorities cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of additional certificate authorities holds no certificate.
    #[error("{} holds no certificate in PEM that can be trusted", .0.display())]
    NoCertificate(PathBuf),
    /// TLS cannot be prepared.
    #[error("TLS cannot be prepared: {0}")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// The server could not be reached, or refused the sign-in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SmtpCheckError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Sends every email to an SMTP server, over connections that are kept for the next one.
///
/// A refusal with 5xx, of the recipient or of the email, is permanent. Every other failure is temporary, including a
/// wrong password and a refused sender: those concern every email, and none is lost before the operator fixes the
/// cause. When a connection ends before the receipt, the server may have the email; the next attempt has the same
/// `Message-ID`.
pub struct SmtpMailer {
    server: SmtpServerConfig,
    tls: TlsParameters,
    hello: ClientId,
    pool: Pool,
    composer: Composer,
    timeouts: SmtpTimeouts,
}

impl SmtpMailer {
    /// Creates a mailer for this server, without connecting. It trusts the certificate authorities of the operating
    /// system and, if a file (PEM) is named, those in it.
    pub fn new(
        server: SmtpServerConfig,
        authorities: Option<&Path>,
        templates: Arc<Templates>,
        settings: MailSettings,
    ) -> Result<Self, SmtpSetupError> {
        let tls = tls_parameters(&server.host, authorities)?;
        // Servers often do not know the name of this machine, whereas the sender's domain is the operator's own.
        let hello = ClientId::Domain(settings.from.email.domain().to_owned());
        let composer = Composer::new(templates, settings);
        Ok(Self { server, tls, hello, pool: Pool::new(), composer, timeouts: SmtpTimeouts::default() })
    }

    /// Returns the mailer with other time limits.
    #[must_use]
    pub fn with_timeouts(self, timeouts: SmtpTimeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Checks that the server can be reached, accepts the sign-in and replies. Sends no email.
    pub async fn check(&self) -> Result<(), SmtpCheckError> {
        let mut connection = self.connect().await.map_err(|failure| SmtpCheckError(Box::new(failure)))?;
        if !connection.is_alive().await {
            let failure = SmtpFailure::silence(SmtpStep::Connecting, self.timeouts.command);
            return Err(SmtpCheckError(Box::new(failure)));
        }
        connection.close().await;
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, SmtpFailure> {
        Connection::open(&self.server, &self.tls, &self.hello, self.timeouts).await
    }

    async fn deliver(&self, message: &Message) -> Result<(), SmtpFailure> {
        let _slot = self.pool.slot().await?;
        let mut connection = match self.pool.take().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // Keep a connection only after a receipt: otherwise the next reply might belong to this email.
        connection.send(message).await?;
        self.pool.keep(connection, self.timeouts.idle);
        Ok(())
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, email: &OutgoingEmail) -> Result<(), MailerError> {
        let message = self.composer.compose(email)?;
        let limit = self.timeouts.send;
        let sent = timeout(limit, self.deliver(&message)).await;
        let sent = sent.unwrap_or_else(|_| Err(SmtpFailure::silence(SmtpStep::Message, limit)));
        sent.map_err(|failure| failure.into_mailer_error(email.link.as_ref()))
    }
}

fn tls_parameters(host: &str, authorities: Option<&Path>) -> Result<TlsParameters, SmtpSetupError> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(file) = authorities {
        let pem = fs::read(file).map_err(|source| SmtpSetupError::Unreadable { file: file.to_owned(), source })?;
        let none = || SmtpSetupError::NoCertificate(file.to_owned());
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(none());
        }
        let certificate = Certificate::from_pem(&pem).map_err(|_| none())?;
        tls = tls.add_root_certificate(certificate);
        return tls.build().map_err(|_| none());
    }
    tls.build().map_err(SmtpSetupError::Tls)
}
