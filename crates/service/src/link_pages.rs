//! Addresses of the pages that emailed links open.

use secrecy::{ExposeSecret, SecretString};
use tenantry_identity::LinkPurpose;

/// Addresses of the pages that emailed links open. They come from the configuration, never from a request. Each path
/// has `{token}` in the place of the token.
#[derive(Debug, Clone)]
pub struct LinkPages {
    /// The origin in front of every path, without a trailing slash.
    pub base: String,
    /// The path of links that confirm a registration.
    pub confirm: String,
    /// The path of links that verify an email address.
    pub verify: String,
    /// The path of links that set a new password.
    pub reset: String,
    /// The path of links that accept an invitation.
    pub invite: String,
}

impl LinkPages {
    /// Returns the full URL of a link.
    pub fn link(&self, purpose: LinkPurpose, token: &SecretString) -> SecretString {
        let path = match purpose {
            LinkPurpose::Confirm => &self.confirm,
            LinkPurpose::Verify => &self.verify,
            LinkPurpose::Reset => &self.reset,
            LinkPurpose::Invite => &self.invite,
        };
        SecretString::from(format!("{}{}", self.base, path.replace("{token}", token.expose_secret())))
    }
}
