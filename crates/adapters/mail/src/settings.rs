//! Settings that apply to every email.

use lettre::message::Mailbox;

/// Sender and product name of every email.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The sender of every email.
    pub from: Mailbox,
    /// The name of the product.
    pub product: String,
}

/// The text is not a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address in ASCII, with or without a name: Tenantry <no-reply@example.com>")]
pub struct FromError;

impl MailSettings {
    /// Parses a sender: `no-reply@example.com` or `Tenantry <no-reply@example.com>`. Its domain becomes part of every
    /// `Message-ID`, which allows only ASCII.
    pub fn parse_from(text: &str) -> Result<Mailbox, FromError> {
        let is_line = !text.chars().any(char::is_control);
        let mailbox: Mailbox = text.trim().parse().map_err(|_| FromError)?;
        if is_line && mailbox.email.to_string().is_ascii() { Ok(mailbox) } else { Err(FromError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_one_mailbox() {
        let read = |text| MailSettings::parse_from(text).map(|from| (from.name, from.email.to_string()));
        assert_eq!(read("no-reply@example.com"), Ok((None, "no-reply@example.com".into())));
        assert_eq!(read(" tenantry@localhost "), Ok((None, "tenantry@localhost".into())));
        let named = Ok((Some("Grüße, Ada".into()), "no-reply@example.com".into()));
        assert_eq!(read("\"Grüße, Ada\" <no-reply@example.com>"), named);
        for bad in [
            "",
            "Tenantry",
            "Tenantry <>",
            "a@example.com, b@example.com",
            "A <a@example.com> B <b@example.com>",
            "no-reply@münchen.example",
            "Tenantry <no-reply@example.com>\r\nBcc: b@example.com",
            "Ten\nantry <no-reply@example.com>",
        ] {
            assert_eq!(read(bad), Err(FromError), "{bad}");
        }
    }
}
