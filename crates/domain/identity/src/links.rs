//! One-time links: a random token is mailed, only its hash is stored, and its first use deletes it.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{fmt, time::Duration};
use tenantry_kernel::{Context, EmailAddress, SessionId, StoreError, Timestamp, UserId};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = MINUTE.saturating_mul(60);

/// Purpose of a mailed link as the user sees it: the page that the link opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Confirm a registration.
    Confirm,
    /// Verify an email address.
    Verify,
    /// Choose a new password.
    Reset,
    /// Accept an invitation.
    Invite,
}

impl LinkPurpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Confirm, Self::Verify, Self::Reset, Self::Invite];

    /// Returns the name in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Invite => "invite",
        }
    }

    /// Returns the purpose with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Returns the lifetime of such a link.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Confirm | Self::Verify => HOUR.saturating_mul(24),
            Self::Reset => MINUTE.saturating_mul(30),
            Self::Invite => HOUR.saturating_mul(72),
        }
    }
}

/// The effect of a user's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Verifies the user's address.
    Verify,
    /// Sets a new password.
    Reset,
    /// Changes the user's address.
    ChangeEmail,
}

impl LinkKind {
    /// Returns the name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::ChangeEmail => "change_email",
        }
    }

    /// Returns the kind with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Verify, Self::Reset, Self::ChangeEmail].into_iter().find(|kind| kind.name() == name)
    }
}

/// An unused link that was sent to a user. A user has at most one of each kind: a newer link replaces the older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The user.
    pub user: UserId,
    /// The effect of the link.
    pub kind: LinkKind,
    /// The address that the link was sent to.
    pub email: EmailAddress,
    /// The session that requested the link, if that session survives the use of the link.
    pub session: Option<SessionId>,
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time until which the link can be used.
    pub expires_at: Timestamp,
}

/// Port: stores users' links.
#[async_trait]
pub trait Links: Send {
    /// Inserts a link and replaces the user's older link of the same kind. Only for System units and the user's own.
    async fn put_link(&mut self, link: &Link) -> Result<(), StoreError>;

    /// Returns the link whose token has this hash, expired or not. Only for System units.
    async fn link_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Link>, StoreError>;

    /// Deletes the link. Returns `false` when it no longer exists because another unit used it first or a newer link
    /// replaced it. Only for System units and the user's own.
    async fn take_link(&mut self, link: &Link) -> Result<bool, StoreError>;

    /// Deletes the user's link of this kind, if there is one. Only for System units and the user's own.
    async fn delete_link_of(&mut self, user: UserId, kind: LinkKind) -> Result<(), StoreError>;

    /// Deletes every link of the user. Only for System units and the user's own.
    async fn delete_links_of(&mut self, user: UserId) -> Result<(), StoreError>;
}

/// Token of a link: 32 random bytes in base64url. It is never printed, and its memory is wiped on drop.
#[derive(Clone)]
pub struct LinkToken(SecretString);

impl LinkToken {
    /// Number of characters of a token.
    pub const CHARS: usize = 43;

    /// Generates a new token.
    pub fn generate(context: &Context) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(context.random::<32>())))
    }

    /// Returns the text of the token for the link.
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    /// Returns the SHA-256 hash to store.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }

    /// Returns the hash of a presented token; `None` when the text cannot be a token.
    pub fn hash_of(presented: &SecretString) -> Option<[u8; 32]> {
        let text = presented.expose_secret();
        let is_one = text.len() == Self::CHARS && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        is_one.then(|| Sha256::digest(text).into())
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_token_has_a_hash() {
        let hash = |text: &str| LinkToken::hash_of(&SecretString::from(text));
        let token = URL_SAFE_NO_PAD.encode([7; 32]);
        assert_eq!(hash(&token), Some(LinkToken(SecretString::from(token.as_str())).hash()));
        for bad in
            ["", "x", &token[1..], &format!("{token}A"), &format!("{}!", &token[1..]), &format!(" {}", &token[1..])]
        {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
