//! Address, security and login of an SMTP server, parsed from a URL.

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use std::net::IpAddr;
use url::Url;

/// The port for submission with STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;
/// The port for submission over TLS (RFC 8314).
const SUBMISSIONS: u16 = 465;
/// The longest host name, and far longer than any user name or password of a provider, in bytes.
const MAX_PART_BYTES: usize = 255;

/// An SMTP server that accepts emails.
#[derive(Debug, Clone)]
pub struct SmtpServerConfig {
    /// Host name or IP address; with TLS the certificate must be valid for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub security: SmtpSecurity,
    /// User and password, if the server requires a sign-in.
    pub login: Option<SmtpLogin>,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS. Without it nothing is sent.
    StartTls,
    /// STARTTLS where the server offers it. An attacker on the network can remove the offer.
    Opportunistic,
    /// Never.
    None,
}

/// A user and a password.
#[derive(Debug, Clone)]
pub struct SmtpLogin {
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl SmtpServerConfig {
    /// Parses `smtp://[USER:PASSWORD@]HOST[:PORT][?tls=required|opportunistic|none]` (STARTTLS, port 587, required by
    /// default) or `smtps://[USER:PASSWORD@]HOST[:PORT]` (TLS from the start, port 465). Special characters of user and
    /// password are percent-encoded. Returns `None` for every other form.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let (default_port, security) = match (url.scheme(), url.query()) {
            ("smtps", None) => (SUBMISSIONS, SmtpSecurity::Tls),
            ("smtp", None | Some("tls=required")) => (SUBMISSION, SmtpSecurity::StartTls),
            ("smtp", Some("tls=opportunistic")) => (SUBMISSION, SmtpSecurity::Opportunistic),
            ("smtp", Some("tls=none")) => (SUBMISSION, SmtpSecurity::None),
            _ => return None,
        };
        let is_bare = matches!(url.path(), "" | "/") && url.fragment().is_none();
        let host = url.host_str()?.trim_matches(['[', ']']);
        let port = url.port().unwrap_or(default_port);
        if !is_bare || !is_host(host) || port == 0 {
            return None;
        }
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                Some(SmtpLogin { user: decoded(user)?, password: SecretString::from(decoded(password?)?) })
            }
        };
        Some(Self { host: host.to_owned(), port, security, login })
    }

    /// Returns whether the network could read the password: there is one, TLS is off, and the server is on another
    /// machine.
    pub fn shows_password(&self) -> bool {
        self.login.is_some() && self.security == SmtpSecurity::None && !self.is_loopback()
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn is_host(host: &str) -> bool {
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let is_some = !host.is_empty() && host.len() <= MAX_PART_BYTES;
    is_some && (is_name || host.parse::<IpAddr>().is_ok())
}

/// Decodes percent-encoding. Refuses control characters, which would end a line of the protocol or separate user and
/// password.
fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let fits = !text.is_empty() && text.len() <= MAX_PART_BYTES && !text.contains(char::is_control);
    fits.then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    /// Returns the parsed server in a form that can be compared.
    fn read(text: &str) -> Option<String> {
        let SmtpServerConfig { host, port, security, login } = SmtpServerConfig::parse(text)?;
        let login = login.map(|login| format!(" {} {}", login.user, login.password.expose_secret()));
        Some(format!("{host} {port} {security:?}{}", login.unwrap_or_default()))
    }

    #[test]
    fn an_address_says_host_port_security_and_login() {
        for (text, expected) in [
            ("smtp://mail.example.com", "mail.example.com 587 StartTls"),
            ("smtp://mail.example.com/", "mail.example.com 587 StartTls"),
            ("smtp://h:2525?tls=required", "h 2525 StartTls"),
            ("smtp://h?tls=opportunistic", "h 587 Opportunistic"),
            ("smtp://127.0.0.1:1025?tls=none", "127.0.0.1 1025 None"),
            ("smtps://[::1]:4650", "::1 4650 Tls"),
            ("smtps://resend:re_1@smtp.resend.com", "smtp.resend.com 465 Tls resend re_1"),
            ("smtp://a%40b:p%2Fq%2Bw%3D%25%23@h", "h 587 StartTls a@b p/q+w=%#"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_address_is_refused() {
        for bad in [
            "smtp:",
            "smtp://",
            "smtp://h:0",
            "smtp://h:70000",
            "smtp://h/path",
            "smtp://h#fragment",
            "smtp://h?tls=maybe",
            "smtp://h?tls=none&tls=required",
            "smtp://h?timeout=1",
            "smtps://h?tls=none",
            "smtp://user@h",
            "smtp://user:@h",
            "smtp://:password@h",
            "smtp://u:p#w@h",
            "smtp://u:p/w@h",
            "smtp://u:a%0d%0ab@h",
            "smtp://u%00:p@h",
            "smtp://u:%ff@h",
            "smtp://münchen.example",
            "smtp://a b",
            "smtp://a%0ab",
            "http://h",
            "h:25",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_password_in_clear_is_for_this_machine_only() {
        let shows = |text| SmtpServerConfig::parse(text).unwrap().shows_password();
        for fine in [
            "smtp://u:p@h",
            "smtps://u:p@h",
            "smtp://u:p@h?tls=opportunistic",
            "smtp://h?tls=none",
            "smtp://u:p@localhost?tls=none",
            "smtp://u:p@127.8.0.1?tls=none",
            "smtp://u:p@[::1]?tls=none",
        ] {
            assert!(!shows(fine), "{fine}");
        }
        for bad in ["smtp://u:p@h?tls=none", "smtp://u:p@10.0.0.1?tls=none", "smtp://u:p@localhost.example?tls=none"] {
            assert!(shows(bad), "{bad}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let printed = format!("{:?}", SmtpServerConfig::parse("smtp://u:planted@h"));
        assert!(printed.contains("REDACTED") && !printed.contains("planted"), "{printed}");
    }
}
