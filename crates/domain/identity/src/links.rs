//! One-time links: a random token goes by mail, only its hash is kept, and using it once removes it.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{fmt, time::Duration};
use tenantry_kernel::{EmailAddress, SessionId, StoreError, Timestamp, UserId, World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = MINUTE.saturating_mul(60);

/// What a mailed link is for, as whoever follows it sees it: the page that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Confirm a registration.
    Confirm,
    /// Prove that an address is one's own.
    Verify,
    /// Choose a new password.
    Reset,
    /// Accept an invitation.
    Invite,
}

impl LinkPurpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Confirm, Self::Verify, Self::Reset, Self::Invite];

    /// The name in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Invite => "invite",
        }
    }

    /// Returns the purpose of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// How long such a link is good.
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Confirm | Self::Verify => HOUR.saturating_mul(24),
            Self::Reset => MINUTE.saturating_mul(30),
            Self::Invite => HOUR.saturating_mul(72),
        }
    }
}

/// What a link of a person does when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// Proves the person's address.
    Verify,
    /// Sets a new password.
    Reset,
    /// Gives the person another address.
    ChangeEmail,
}

impl LinkKind {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::ChangeEmail => "change_email",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Verify, Self::Reset, Self::ChangeEmail].into_iter().find(|kind| kind.name() == name)
    }
}

/// A link that a person was sent and has not used. There is one of each kind at most: a newer one kills the older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose it is.
    pub user: UserId,
    /// What it does.
    pub kind: LinkKind,
    /// The address that it was sent to.
    pub email: EmailAddress,
    /// The session that asked for it, where that outlives what it does.
    pub session: Option<SessionId>,
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

/// Where links of persons are kept.
#[async_trait]
pub trait Links: Send {
    /// Keeps a link in the place of the person's older one of the same kind. Only for System units and the person's own.
    async fn put_link(&mut self, link: &Link) -> Result<(), StoreError>;

    /// The link whose token has this hash, expired or not. Only for System units.
    async fn link_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Link>, StoreError>;

    /// Removes the link. `false` when it is not there any more: somebody else was quicker, or a newer one is. Only for System
    /// units and the person's own.
    async fn take_link(&mut self, link: &Link) -> Result<bool, StoreError>;

    /// Removes every link of the person. Only for System units and the person's own.
    async fn delete_links_of(&mut self, user: UserId) -> Result<(), StoreError>;
}

/// The token of a link: 32 random bytes in base64url. It does not print and is wiped when dropped.
#[derive(Clone)]
pub struct LinkToken(SecretString);

impl LinkToken {
    /// How many characters a token has.
    pub const CHARS: usize = 43;

    /// A new token.
    pub fn generate(world: &World) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(world.random::<32>())))
    }

    /// The text that goes into the link.
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }

    /// The hash of a token as somebody presents it; `None` when it cannot be one.
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
