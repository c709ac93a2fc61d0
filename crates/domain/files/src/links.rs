//! Signed links: the holder may download one file for a limited time, as long as the user who created the link may.
//!
//! A link is a token that the server signs and does not store. Its rights are looked up when it is used.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use std::{ops::Range, time::Duration};
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Requirement, TenantId, TenantStatus, Timestamp,
    UserId, authorize,
};
use uuid::Uuid;

use crate::{
    BlobKey, File, FileError, FileId, Files,
    downloads::downloaded,
    vocabulary::{FILE_LINKED, FILES_READ},
};

/// Port: the server's keys for links, by id.
pub trait LinkKeys: Send + Sync {
    /// Returns the id and the key that sign new links.
    fn current_link_key(&self) -> (&str, [u8; 32]);

    /// Returns the key with this id while it is live.
    fn link_key(&self, id: &str) -> Option<[u8; 32]>;
}

/// Content of a signed link: the file, the user who created it, and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLinkToken {
    /// The tenant that owns the file.
    pub tenant: TenantId,
    /// The file.
    pub file: FileId,
    /// The user who created the link.
    pub issuer: UserId,
    /// End of its validity, to the second.
    pub expires_at: Timestamp,
}

impl FileLinkToken {
    /// Distinguishes these tokens from all others.
    const PREFIX: &'static str = "tf_";
    const VERSION: u8 = 1;
    /// Version, three ids and the time.
    const FIXED_BYTES: usize = 1 + 3 * 16 + 8;
    const MAC_BYTES: usize = 32;
    /// Maximum number of characters of a token.
    const MAX_CHARS: usize = 256;

    /// Returns the token for a URL, signed with the current key.
    pub fn sign(&self, keys: &dyn LinkKeys) -> SecretString {
        let (id, key) = keys.current_link_key();
        let mut bytes = vec![Self::VERSION];
        for part in [self.tenant.uuid(), self.file.uuid(), self.issuer.uuid()] {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.expires_at.unix_seconds().to_be_bytes());
        bytes.extend_from_slice(id.as_bytes());
        let mac = mac(&key, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        SecretString::from(format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the content of a genuine token, whether expired or not. The signature is compared in constant time.
    pub fn verify(text: &str, keys: &dyn LinkKeys) -> Option<Self> {
        if text.len() > Self::MAX_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        let (said, signature) = bytes.split_at_checked(bytes.len().checked_sub(Self::MAC_BYTES)?)?;
        let (fixed, key_id) = said.split_at_checked(Self::FIXED_BYTES)?;
        let key = keys.link_key(std::str::from_utf8(key_id).ok()?)?;
        mac(&key, said).verify_slice(signature).ok()?;
        let (version, fixed) = fixed.split_first()?;
        if *version != Self::VERSION {
            return None;
        }
        let (ids, time) = fixed.split_at_checked(3 * 16)?;
        let id = |place: usize| ids.get(place * 16..).and_then(|rest| Uuid::from_slice(rest.get(..16)?).ok());
        let seconds = i64::from_be_bytes(time.try_into().ok()?);
        Some(Self {
            tenant: TenantId::from_uuid(id(0)?),
            file: FileId::from_uuid(id(1)?),
            issuer: UserId::from_uuid(id(2)?),
            expires_at: Timestamp::from_unix_millis(seconds.checked_mul(1000)?)?,
        })
    }
}

fn mac(key: &[u8; 32], said: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(said);
    mac
}

/// Create a link with which anyone may download a file for a limited time.
#[derive(Debug, Clone, Copy)]
pub struct LinkFile {
    /// The file.
    pub id: FileId,
    /// Validity in whole seconds, see [`LinkFile::SECONDS`].
    pub lasts: Duration,
}

impl LinkFile {
    /// Accepted validity in seconds.
    pub const SECONDS: std::ops::RangeInclusive<u64> = 60..=86_400;
    /// Default validity in seconds.
    pub const DEFAULT_SECONDS: u64 = 300;
}

impl Command for LinkFile {
    const REQUIRES: Requirement = Requirement::All(&[FILES_READ]);
    const EVENTS: &'static [Action] = &[FILE_LINKED];
}

/// Creates the token of a link with the actor's rights. No event holds the token.
pub async fn issue_link(
    unit: &mut (impl Files + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: LinkFile,
) -> Result<FileLinkToken, FileError> {
    let authority = authorize::<LinkFile>(unit, actor, context).await?;
    let file = unit.file_by_id(command.id).await?.ok_or(FileError::NotFound)?;
    let seconds = context.now().plus(command.lasts).unix_seconds();
    let expires_at = Timestamp::from_unix_millis(seconds.saturating_mul(1000)).ok_or(FileError::NotFound)?;
    let event = Event::new(context, actor, FILE_LINKED)
        .target(file.id, Some(file.name.as_str()))
        .set("expiresAt", expires_at.to_string());
    unit.append_event(event).await?;
    Ok(FileLinkToken { tenant: file.tenant, file: file.id, issuer: authority.user()?, expires_at })
}

/// Returns the file for which the link is valid now: until its end, while the file exists, the tenant is active and the
/// user who created the link may read files. Every other link is treated like an unknown one. Needs a System unit.
pub async fn file_of_link(
    unit: &mut (impl Files + Authorities + ?Sized),
    context: &Context,
    token: &FileLinkToken,
) -> Result<File, FileError> {
    if token.expires_at <= context.now() {
        return Err(FileError::NotFound);
    }
    let held = unit.member_authority(token.tenant, token.issuer).await?.ok_or(FileError::NotFound)?;
    if held.status != TenantStatus::Active || !held.permissions.contains(&FILES_READ) {
        return Err(FileError::NotFound);
    }
    let key = BlobKey { tenant: token.tenant, file: token.file };
    unit.file_by_key(key).await?.ok_or(FileError::NotFound)
}

/// Records a download by link. The caller is unknown, so the event names the user who created the link.
pub async fn note_link_use(
    unit: &mut (impl Files + Authorities + Journal + ?Sized),
    origin: &Actor,
    context: &Context,
    token: &FileLinkToken,
    part: Option<Range<u64>>,
) -> Result<File, FileError> {
    let file = file_of_link(unit, context, token).await?;
    let event = downloaded(context, origin, &file, part).set("issuer", token.issuer.to_string());
    unit.append_event(event).await?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    struct Keys(&'static [(&'static str, u8)]);

    impl LinkKeys for Keys {
        fn current_link_key(&self) -> (&str, [u8; 32]) {
            let (id, byte) = self.0[0];
            (id, [byte; 32])
        }

        fn link_key(&self, id: &str) -> Option<[u8; 32]> {
            self.0.iter().find(|(known, _)| *known == id).map(|(_, byte)| [*byte; 32])
        }
    }

    fn token() -> FileLinkToken {
        let id = |n: u128| Uuid::from_u128(0x0192_f0c1_2345_7abc_8def_0123_4567_8900 + n);
        FileLinkToken {
            tenant: TenantId::from_uuid(id(1)),
            file: FileId::from_uuid(id(2)),
            issuer: UserId::from_uuid(id(3)),
            expires_at: Timestamp::from_unix_millis(1_800_000_000_000).expect("a time"),
        }
    }

    #[test]
    fn fi4_a_link_says_what_it_was_made_to_say_while_its_key_lives() {
        let text = token().sign(&Keys(&[("old", 1)]));
        assert_eq!(FileLinkToken::verify(text.expose_secret(), &Keys(&[("new", 2), ("old", 1)])), Some(token()));
        assert_eq!(FileLinkToken::verify(text.expose_secret(), &Keys(&[("new", 2)])), None);
        assert_eq!(FileLinkToken::verify(text.expose_secret(), &Keys(&[("old", 2)])), None);
    }

    #[test]
    fn fi4_what_is_no_link_is_refused() {
        for text in ["", "tf_", "tf_!!!!", "tr_AAAA", &"tf_A".repeat(200), &format!("tf_{}", "A".repeat(120))] {
            assert_eq!(FileLinkToken::verify(text, &Keys(&[("k", 1)])), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn fi4_no_changed_byte_passes(place in 0_usize..120, to in any::<u8>()) {
            let keys = Keys(&[("key", 7)]);
            let text = token().sign(&keys);
            let mut bytes = URL_SAFE_NO_PAD.decode(&text.expose_secret()[3..]).expect("base64");
            let place = place % bytes.len();
            prop_assume!(bytes[place] != to);
            bytes[place] = to;
            let forged = format!("tf_{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(FileLinkToken::verify(&forged, &keys), None);
        }
    }
}
