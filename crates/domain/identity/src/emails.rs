//! The emails of this crate. Their texts are the files in `templates/`.

use crate::LinkPurpose;

const VERIFY: Option<&str> = Some(LinkPurpose::Verify.name());
const RESET: Option<&str> = Some(LinkPurpose::Reset.name());
const CONFIRM: Option<&str> = Some(LinkPurpose::Confirm.name());
const INVITE: Option<&str> = Some(LinkPurpose::Invite.name());

tenantry_mails::emails! {
    /// The emails of this crate.
    pub const IDENTITY_EMAILS;

    /// An account was created. The link verifies the address or sets the first password.
    pub(crate) struct WelcomeEmail = "welcome", links: [None, VERIFY, RESET] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// The tenant's name.
        tenant: String = [Some("Engines")],
    }

    /// An address was registered and must be confirmed.
    pub(crate) struct ConfirmRegistrationEmail = "confirm_registration", links: [CONFIRM] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// The tenant's name.
        tenant: String = [Some("Engines")],
    }

    /// An address was registered that already has an account.
    pub(crate) struct AccountExistsEmail = "account_exists", links: [None] => {
        /// The user's name.
        name: String = [Some("Ada")],
    }

    /// An address must be verified.
    pub(crate) struct VerifyAddressEmail = "verify_address", links: [VERIFY] => {
        /// The user's name.
        name: String = [Some("Ada")],
    }

    /// The link lets the user choose a new password.
    pub(crate) struct ResetPasswordEmail = "reset_password", links: [RESET] => {
        /// The user's name.
        name: String = [Some("Ada")],
    }

    /// The recipient is invited to a tenant.
    pub(crate) struct InvitationEmail = "invitation", links: [INVITE] => {
        /// The tenant's name.
        tenant: String = [Some("Engines")],
        /// The name of the inviting member; empty where it is unknown.
        inviter: String = [Some("Ada"), Some("")],
    }

    /// Sent to the new address of an account: the address must be verified.
    pub(crate) struct ConfirmNewAddressEmail = "confirm_new_address", links: [VERIFY] => {
        /// The user's name.
        name: String = [Some("Ada")],
    }

    /// Sent to an address in use that another account requested.
    pub(crate) struct AddressInUseEmail = "address_in_use", links: [None] => {
        /// The name of the user who has the address.
        name: String = [Some("Ada")],
    }

    /// Sent to the current address: an address change was requested.
    pub(crate) struct AddressChangeRequestedEmail = "address_change_requested", links: [None] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// The new address.
        new_email: String = [Some("ada@example.com")],
    }

    /// Sent to the former address: the account has a new address.
    pub(crate) struct AddressChangedEmail = "address_changed", links: [None] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// The new address.
        new_email: String = [Some("ada@example.com")],
    }

    /// A copied refresh token was used, and its sign-in was ended.
    pub(crate) struct SessionReplayedEmail = "session_replayed", links: [None] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// Time at which the copy was used.
        at: String = [Some("2026-11-24T13:41:37.123Z")],
        /// Network address of the client that used the copy.
        ip: Option<String> = [Some("192.0.2.7"), None],
        /// `User-Agent` of the client that used the copy.
        user_agent: Option<String> = [Some("Browser"), None],
    }

    /// The password was changed.
    pub(crate) struct PasswordChangedEmail = "password_changed", links: [None] => {
        /// The user's name.
        name: String = [Some("Ada")],
        /// Time of the change.
        at: String = [Some("2026-11-24T13:41:37.123Z")],
        /// Network address of the request.
        ip: Option<String> = [Some("192.0.2.7"), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_mails::{Email, TemplatePayload};

    fn stored<P: TemplatePayload>(payload: P, link: Option<&str>) -> String {
        let email = Email {
            to: "ada@example.com".to_owned(),
            link: link.map(str::to_owned),
            link_seconds: link.map(|_| 1_800),
            template: P::TEMPLATE.name.to_owned(),
            payload: payload.into_payload(),
        };
        let stored = serde_json::to_string(&email).unwrap();
        assert_eq!(serde_json::from_str::<Email>(&stored).unwrap(), email);
        stored
    }

    #[test]
    fn payloads_are_stored_as_programs_of_before_wrote_and_read_them() {
        let name = || "Ada".to_owned();
        assert_eq!(
            stored(ResetPasswordEmail { name: name() }, RESET),
            r#"{"to":"ada@example.com","link":"reset","link_seconds":1800,"mail":"reset_password","name":"Ada"}"#
        );
        assert_eq!(
            stored(InvitationEmail { tenant: "Engines".to_owned(), inviter: String::new() }, INVITE),
            r#"{"to":"ada@example.com","link":"invite","link_seconds":1800,"mail":"invitation","tenant":"Engines","inviter":""}"#
        );
        let replayed = SessionReplayedEmail {
            name: name(),
            at: "2026-11-24T13:41:37.123Z".to_owned(),
            ip: Some("192.0.2.7".to_owned()),
            user_agent: None,
        };
        assert_eq!(
            stored(replayed, None),
            r#"{"to":"ada@example.com","link":null,"link_seconds":null,"mail":"session_replayed","name":"Ada","at":"2026-11-24T13:41:37.123Z","ip":"192.0.2.7","user_agent":null}"#
        );
    }
}
