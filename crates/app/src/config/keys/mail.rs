//! Settings of emails.

use std::path::PathBuf;
use tenantry_kernel::bounded_line;
use tenantry_mail::{MailSettings, SmtpServerConfig};
use url::Url;

use super::{
    super::{
        section::{FromSettings, Section, settings},
        setting::{Declaration, Layers, Setting},
        values,
    },
    general::is_production,
};

/// The transport of emails.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// To standard output.
    Console,
    /// Into a folder.
    File(PathBuf),
    /// To an SMTP server.
    Smtp(SmtpServerConfig),
}

settings! {
    /// Sender, transport and links of emails.
    #[derive(Debug, Clone)]
    pub struct MailConfig titled "Mail" checked by check_mail {
        /// Name of the product in emails.
        PRODUCT_NAME => product: String {
            takes: "1 to 80 characters on one line",
            example: "Acme Cloud",
            default: "Tenantry",
            parse: product_name
        }
        /// Destination of emails: an SMTP server (`smtp:` with STARTTLS, port 587; `smtps:` with TLS from the start, port
        /// 465), a folder with one .eml file each, or standard output (`console:`). Production refuses `console:`. Keep
        /// a password in the environment rather than in a file.
        MAIL_URL => transport: MailTransport {
            takes: "smtp://USER:PASSWORD@HOST:PORT?tls=required (or opportunistic, or none), smtps://USER:PASSWORD@HOST:PORT, file:FOLDER or console:; with special characters of user and password percent-encoded, and both and the port only where they are needed",
            example: "file:./data/mail",
            default: "console:",
            parse: mail_transport
        }
        /// Certificate authorities to trust for the SMTP server, beside those of the operating system.
        MAIL_CA_FILE => authorities: Option<PathBuf> {
            takes: "a file of certificates in PEM",
            example: "./mail-ca.pem",
            unset: "the authorities of the operating system",
            parse: values::path
        }
        /// Sender of emails. Production needs an address of its own.
        MAIL_FROM => from: String {
            takes: "an email address, with or without a name",
            example: "Acme <no-reply@acme.example>",
            default: "Tenantry <no-reply@localhost.localdomain>",
            parse: sender
        }
        /// Folder of templates that replace the built-in email templates of the same file name.
        MAIL_TEMPLATES => templates: Option<PathBuf> {
            takes: "a folder",
            example: "./mail-templates",
            unset: "the built-in ones",
            parse: values::path
        }
        /// Address of the web application that emailed links open. Production needs https. Without it the links open small
        /// pages of the server.
        APP_URL => app_url: Option<Url> {
            takes: "an http or https address without path, query or trailing slash",
            example: "https://app.example.com",
            unset: "the public URL",
            parse: values::origin_url
        }
        with {
            /// The pages of emailed links.
            link_paths: LinkPaths,
        }
    }

    /// The path of each emailed link, with `{token}` in the place of the token.
    #[derive(Debug, Clone)]
    pub struct LinkPaths titled "Links in emails" {
        /// Page behind `APP_URL` that confirms a registration. A token behind `#` never reaches a server.
        LINK_PATH_CONFIRM => confirm: String {
            takes: "a path with {token} in it",
            default: "/links/confirm#{token}",
            parse: link_path
        }
        /// Page behind `APP_URL` that verifies an email address.
        LINK_PATH_VERIFY => verify: String {
            takes: "a path with {token} in it",
            default: "/links/verify#{token}",
            parse: link_path
        }
        /// Page behind `APP_URL` that sets a new password.
        LINK_PATH_RESET => reset: String {
            takes: "a path with {token} in it",
            default: "/links/reset#{token}",
            parse: link_path
        }
        /// Page behind `APP_URL` that accepts an invitation.
        LINK_PATH_INVITE => invite: String {
            takes: "a path with {token} in it",
            default: "/links/invite#{token}",
            parse: link_path
        }
    }
}

/// Parses the name of a product.
fn product_name(text: &str) -> Option<String> {
    const MAX_CHARS: usize = 80;
    let line = bounded_line(text, MAX_CHARS).ok()?;
    (!line.is_empty()).then_some(line)
}

/// Parses the URL of an email transport.
fn mail_transport(text: &str) -> Option<MailTransport> {
    match text.split_once(':')? {
        ("console", "") => Some(MailTransport::Console),
        ("file", folder) if !folder.is_empty() => Some(MailTransport::File(PathBuf::from(folder))),
        ("smtp" | "smtps", _) => SmtpServerConfig::parse(text).map(MailTransport::Smtp),
        _ => None,
    }
}

/// Parses a sender of emails.
fn sender(text: &str) -> Option<String> {
    MailSettings::parse_from(text).ok().map(|_| text.to_owned())
}

/// Parses a path to append to an origin, with one place for a token.
fn link_path(text: &str) -> Option<String> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_path && visible && text.matches("{token}").count() == 1).then(|| text.to_owned())
}

fn check_mail(layers: &mut Layers) {
    let transport = layers.value(&MAIL_URL);
    if let Some(MailTransport::Smtp(server)) = &transport
        && server.shows_password()
    {
        layers.refuse(&MAIL_URL, "must not send a password without TLS to another machine: remove `tls=none`");
    }
    if !is_production(layers) {
        return;
    }
    if matches!(transport, Some(MailTransport::Console)) {
        layers.refuse(
            &MAIL_URL,
            "must not be `console:` in production, where mails would only be printed; set MAIL_URL=smtps://USER:PASSWORD@HOST",
        );
    }
    if !layers.is_set(&MAIL_FROM) {
        layers.refuse(&MAIL_FROM, "must be set in production");
    }
    if let Some(Some(url)) = layers.value(&APP_URL)
        && url.scheme() != "https"
    {
        layers.refuse(&APP_URL, "must be an https address in production");
    }
}
