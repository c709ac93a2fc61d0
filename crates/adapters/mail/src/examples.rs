//! Letters to try templates with: every mail, with and without each word that may be missing.

use tenantry_identity::{Letter, LinkPurpose, Mail};

/// What stands in every word of a person, and must not be found in a page.
pub(crate) const MARKUP: &str = "<example>";
/// The address of every link.
pub(crate) const LINK: &str = "https://app.example.com/link#token=EXAMPLE";
/// The end of it, which no escaping changes.
pub(crate) const TOKEN: &str = "EXAMPLE";
/// The name of the product.
pub(crate) const PRODUCT: &str = "Product <example>";

/// The letters.
pub(crate) fn examples() -> Vec<Letter> {
    let name = || "Ada <example>".to_owned();
    let tenant = || "Engines <example>".to_owned();
    let new_email = || "ada+<example>@example.com".to_owned();
    let at = || "2026-11-24T13:41:37.123Z".to_owned();
    let ip = || Some("192.0.2.7 <example>".to_owned());
    let user_agent = || Some("Browser <example>".to_owned());
    let welcome = || Mail::Welcome { name: name(), tenant: tenant() };
    let invitation = |inviter: String| Mail::Invitation { tenant: tenant(), inviter };

    let mut letters = vec![
        letter(welcome(), None),
        letter(welcome(), Some(LinkPurpose::Verify)),
        letter(welcome(), Some(LinkPurpose::Reset)),
        letter(Mail::ConfirmRegistration { name: name(), tenant: tenant() }, Some(LinkPurpose::Confirm)),
        letter(Mail::AccountExists { name: name() }, None),
        letter(Mail::VerifyAddress { name: name() }, Some(LinkPurpose::Verify)),
        letter(Mail::ResetPassword { name: name() }, Some(LinkPurpose::Reset)),
        letter(invitation(name()), Some(LinkPurpose::Invite)),
        letter(invitation(String::new()), Some(LinkPurpose::Invite)),
        letter(Mail::ConfirmNewAddress { name: name() }, Some(LinkPurpose::Verify)),
        letter(Mail::AddressInUse { name: name() }, None),
        letter(Mail::AddressChangeRequested { name: name(), new_email: new_email() }, None),
        letter(Mail::AddressChanged { name: name(), new_email: new_email() }, None),
    ];
    for ip in [ip(), None] {
        for user_agent in [user_agent(), None] {
            let mail = Mail::SessionReplayed { name: name(), at: at(), ip: ip.clone(), user_agent };
            letters.push(letter(mail, None));
        }
        letters.push(letter(Mail::PasswordChanged { name: name(), at: at(), ip }, None));
    }
    letters
}

fn letter(mail: Mail, link: Option<LinkPurpose>) -> Letter {
    let link_seconds = link.map(|purpose| purpose.lifetime().as_secs());
    Letter { to: "ada@example.com".to_owned(), link, link_seconds, mail }
}
