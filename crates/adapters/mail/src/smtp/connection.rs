//! One conversation with an SMTP server: opens it, and sends emails. Each step has a time limit; lettre itself limits
//! only the connection.

use lettre::{
    Message,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use secrecy::ExposeSecret;
use std::time::Duration;
use tokio::time::timeout;

use super::{
    SmtpTimeouts,
    failure::{SmtpFailure, SmtpStep},
    server::{SmtpSecurity, SmtpServerConfig},
};

/// Time limit for the server's reply to `QUIT`.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open conversation, signed in if the server has a login. Dropping it during an email closes it.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    limits: SmtpTimeouts,
}

impl Connection {
    /// Connects, negotiates TLS and signs in, all within the time limit of the connection.
    pub(crate) async fn open(
        server: &SmtpServerConfig,
        tls: &TlsParameters,
        hello: &ClientId,
        limits: SmtpTimeouts,
    ) -> Result<Self, SmtpFailure> {
        let mut step = SmtpStep::Connecting;
        let opened = timeout(limits.connect, Self::converse(server, tls, hello, limits, &mut step)).await;
        opened.unwrap_or_else(|_| Err(SmtpFailure::silence(step, limits.connect)))
    }

    async fn converse(
        server: &SmtpServerConfig,
        tls: &TlsParameters,
        hello: &ClientId,
        limits: SmtpTimeouts,
        step: &mut SmtpStep,
    ) -> Result<Self, SmtpFailure> {
        let at_once = (server.security == SmtpSecurity::Tls).then(|| tls.clone());
        let address = (server.host.as_str(), server.port);
        let connected = AsyncSmtpConnection::connect_tokio1(address, None, hello, at_once, None).await;
        let mut smtp = connected.map_err(|error| SmtpFailure::of(*step, &error))?;

        *step = SmtpStep::Securing;
        match server.security {
            SmtpSecurity::StartTls | SmtpSecurity::Opportunistic if smtp.can_starttls() => {
                smtp.starttls(tls.clone(), hello).await.map_err(|error| SmtpFailure::of(*step, &error))?;
            }
            SmtpSecurity::StartTls => return Err(SmtpFailure::other(*step, "it does not offer STARTTLS")),
            SmtpSecurity::Opportunistic if server.login.is_some() => {
                return Err(SmtpFailure::other(
                    *step,
                    "it does not offer STARTTLS, and a password is not sent in clear",
                ));
            }
            SmtpSecurity::Tls | SmtpSecurity::Opportunistic | SmtpSecurity::None => {}
        }

        *step = SmtpStep::SigningIn;
        if let Some(login) = &server.login {
            let credentials = Credentials::new(login.user.clone(), login.password.expose_secret().to_owned());
            let signed_in = smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            signed_in.map_err(|error| SmtpFailure::of(*step, &error))?;
        }
        Ok(Self { smtp, limits })
    }

    /// Returns whether the server still replies.
    pub(crate) async fn is_alive(&mut self) -> bool {
        timeout(self.limits.command, self.smtp.test_connected()).await.unwrap_or(false)
    }

    /// Sends one email. After a failure the conversation must not be used again.
    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), SmtpFailure> {
        let (envelope, text) = (message.envelope(), message.formatted());
        let addresses = envelope.from().into_iter().chain(envelope.to());
        let has_wide_address = addresses.into_iter().any(|address| !address.to_string().is_ascii());
        let options = self.options(has_wide_address, &text)?;
        self.ask(SmtpStep::Sender, Mail::new(envelope.from().cloned(), options)).await?;
        for recipient in envelope.to() {
            self.ask(SmtpStep::Recipient, Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        self.ask(SmtpStep::Data, Data).await?;
        // A server may examine the content for long. The caller limits the time of the whole email.
        self.smtp.message(&text).await.map_err(|error| SmtpFailure::of(SmtpStep::Message, &error))?;
        Ok(())
    }

    /// Returns the extensions that the server must support for this email (RFC 6531 and RFC 6152).
    fn options(&self, has_wide_address: bool, text: &[u8]) -> Result<Vec<MailParameter>, SmtpFailure> {
        let server = self.smtp.server_info();
        let mut options = Vec::new();
        if has_wide_address {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(SmtpFailure::impossible(SmtpStep::Recipient, "the server accepts addresses only in ASCII"));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !text.is_ascii() {
            if !server.supports_feature(Extension::EightBitMime) {
                return Err(SmtpFailure::impossible(SmtpStep::Recipient, "the server accepts emails only in ASCII"));
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }

    async fn ask(&mut self, step: SmtpStep, command: impl std::fmt::Display) -> Result<(), SmtpFailure> {
        let limit = self.limits.command;
        match timeout(limit, self.smtp.command(command)).await {
            Ok(answer) => answer.map(drop).map_err(|error: SmtpError| SmtpFailure::of(step, &error)),
            Err(_) => Err(SmtpFailure::silence(step, limit)),
        }
    }

    /// Ends the conversation with `QUIT`, within [`FAREWELL`].
    pub(crate) async fn close(mut self) {
        let _ = timeout(FAREWELL, self.smtp.quit()).await;
    }
}
