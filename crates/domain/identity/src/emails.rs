//! The emails of this crate. Their texts are the files in `templates/`.

use crate::LinkPurpose;

const VERIFY: Option<&str> = Some(LinkPurpose::Verify.name());
const RESET: Option<&str> = Some(LinkPurpose::Reset.name());
const CONFIRM: Option<&str> = Some(LinkPurpose::Confirm.name());
const INVITE: Option<&str> = Some(LinkPurpose::Invite.name());

tenantry_mails::emails! {
    /// The emails of this crate.
    pub const IDENTITY_EMAILS;

    /// An account was created. The link lets its person verify the address or choose the first password.
    pub(crate) struct WelcomeEmail = "welcome", links: [None, VERIFY, RESET] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// The name of the organisation.
        tenant: String = [Some("Engines")],
    }

    /// An address was registered and is to be confirmed.
    pub(crate) struct ConfirmRegistrationEmail = "confirm_registration", links: [CONFIRM] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// The name of the organisation.
        tenant: String = [Some("Engines")],
    }

    /// An address was registered that already has an account.
    pub(crate) struct AccountExistsEmail = "account_exists", links: [None] => {
        /// The name of the person.
        name: String = [Some("Ada")],
    }

    /// An address is to be verified.
    pub(crate) struct VerifyAddressEmail = "verify_address", links: [VERIFY] => {
        /// The name of the person.
        name: String = [Some("Ada")],
    }

    /// A new password can be chosen.
    pub(crate) struct ResetPasswordEmail = "reset_password", links: [RESET] => {
        /// The name of the person.
        name: String = [Some("Ada")],
    }

    /// The recipient is invited to a tenant.
    pub(crate) struct InvitationEmail = "invitation", links: [INVITE] => {
        /// The name of the organisation.
        tenant: String = [Some("Engines")],
        /// The name of the member who invites; empty where it is unknown.
        inviter: String = [Some("Ada"), Some("")],
    }

    /// To the new address of an account: verify it.
    pub(crate) struct ConfirmNewAddressEmail = "confirm_new_address", links: [VERIFY] => {
        /// The name of the person.
        name: String = [Some("Ada")],
    }

    /// To an address that another account wanted to have.
    pub(crate) struct AddressInUseEmail = "address_in_use", links: [None] => {
        /// The name of the person to whose account the address belongs.
        name: String = [Some("Ada")],
    }

    /// To the current address: a change of address was requested.
    pub(crate) struct AddressChangeRequestedEmail = "address_change_requested", links: [None] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// The new address.
        new_email: String = [Some("ada@example.com")],
    }

    /// To the former address: the account has another address now.
    pub(crate) struct AddressChangedEmail = "address_changed", links: [None] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// The new address.
        new_email: String = [Some("ada@example.com")],
    }

    /// A copied refresh token was used, and its sign-in was ended.
    pub(crate) struct SessionReplayedEmail = "session_replayed", links: [None] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// When the copy was used.
        at: String = [Some("2026-11-24T13:41:37.123Z")],
        /// The network address that used the copy.
        ip: Option<String> = [Some("192.0.2.7"), None],
        /// The name that the client gave itself.
        user_agent: Option<String> = [Some("Browser"), None],
    }

    /// The password was changed.
    pub(crate) struct PasswordChangedEmail = "password_changed", links: [None] => {
        /// The name of the person.
        name: String = [Some("Ada")],
        /// When it was changed.
        at: String = [Some("2026-11-24T13:41:37.123Z")],
        /// The network address of the request.
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
