//! Where mailed links lead.

use secrecy::{ExposeSecret, SecretString};
use tenantry_identity::LinkPurpose;

/// Where mailed links lead: as configured, whatever a request says. Paths have `{token}` where the token goes.
#[derive(Debug, Clone)]
pub struct LinkPages {
    /// The origin before every path, without a trailing slash.
    pub base: String,
    /// The path of links that confirm a registration.
    pub confirm: String,
    /// The path of links that prove an address.
    pub verify: String,
    /// The path of links that set a new password.
    pub reset: String,
    /// The path of links that accept an invitation.
    pub invite: String,
}

impl LinkPages {
    /// Returns the whole address of a link.
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
