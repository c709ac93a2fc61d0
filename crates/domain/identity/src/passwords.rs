//! Passwords: rules, hashing, storage and change.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use tenantry_jobs::JobQueue;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Refusal, Requirement, StoreError, Timestamp, UserId,
    authorize, is_word_char,
};
use tenantry_mails::send_email;
use unicode_normalization::UnicodeNormalization;

use crate::{
    EndReason, IdentityError, LinkKind, Links, People, Person, Proof, Sessions,
    emails::PasswordChangedEmail,
    sessions::note_ended,
    vocabulary::{SESSION_ENDED, USER_PASSWORD_CHANGED},
};

/// A password: 8 to 128 characters of any kind (NIST SP 800-63B, 3.1.1.2: no composition rules) in NFC, because
/// keyboards and systems compose the same letters differently (RFC 8265, section 4.2.2). It is never printed, and its
/// memory is wiped on drop.
#[derive(Clone)]
pub struct Password(SecretString);

/// Reason why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer than [`Password::MIN_CHARS`] characters.
    #[error("must be at least 8 characters")]
    TooShort,
    /// More than [`Password::MAX_CHARS`] characters.
    #[error("must be at most 128 characters")]
    TooLong,
}

impl Password {
    /// Minimum length in characters of NFC.
    pub const MIN_CHARS: usize = 8;
    /// Maximum length in characters of NFC.
    pub const MAX_CHARS: usize = 128;
    /// Minimum number of guesses that a password must be expected to withstand. At the 100 guesses per hour that an
    /// account allows, 10 million guesses take eleven years. Eight random characters withstand ten times as many.
    const MIN_GUESSES: u64 = 10_000_000;
    /// Number of characters that are estimated together. The time of an estimate grows much faster than the text: 128
    /// chosen characters take a second.
    const ESTIMATED_CHARS: usize = 32;
    /// Number of characters considered of each word of the user and the tenant.
    const MAX_WORD_CHARS: usize = 64;
    /// Number of those words considered.
    const MAX_WORDS: usize = 16;
    /// Minimum number of characters besides those words. Six unknown characters withstand a million guesses.
    const MIN_OTHER_CHARS: usize = 7;

    /// Parses a new password. Checks the number of characters only.
    pub fn parse(text: SecretString) -> Result<Self, PasswordError> {
        let text = text.expose_secret();
        match text.nfc().take(Self::MAX_CHARS + 1).count() {
            n if n < Self::MIN_CHARS => Err(PasswordError::TooShort),
            n if n > Self::MAX_CHARS => Err(PasswordError::TooLong),
            _ => Ok(Self::collect(text, text.nfc())),
        }
    }

    /// Collects a form of `text`. The capacity fits the longest form, so that no reallocation leaves a copy behind.
    fn collect(text: &str, form: impl Iterator<Item = char>) -> Self {
        const MAX_EXPANSION: usize = 3;
        let mut collected = String::with_capacity(MAX_EXPANSION * text.len());
        collected.extend(form);
        Self(SecretString::from(collected))
    }

    fn has_valid_length(&self) -> bool {
        (Self::MIN_CHARS..=Self::MAX_CHARS).contains(&self.0.expose_secret().chars().count())
    }

    /// Returns all bytes of the password, for hashing.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// Rejects a password that is common, or that consists of the given texts: names, addresses, the tenant's slug. Of a
    /// long password, one part of 32 characters must be strong enough by itself. Takes up to a
    /// tenth of a second of processor time, so what limits the caller comes first.
    pub fn ensure_unguessable(&self, own: &[&str]) -> Result<(), IdentityError> {
        let words = own_words(own);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_strong = self.parts().any(|part| zxcvbn::zxcvbn(part, &words).guesses() >= Self::MIN_GUESSES);
        if !is_strong || self.is_made_of(&words) { Err(IdentityError::WeakPassword) } else { Ok(()) }
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.0.expose_secret();
        std::iter::from_fn(move || {
            let end = rest.char_indices().nth(Self::ESTIMATED_CHARS).map_or(rest.len(), |(end, _)| end);
            let (part, after) = rest.split_at(end);
            rest = after;
            (!part.is_empty()).then_some(part)
        })
    }

    /// Returns whether little is left of the password besides these words, in any arrangement. The estimator overrates
    /// capitals and hyphens between such words, or a year after them.
    fn is_made_of(&self, words: &[&str]) -> bool {
        let mut words: Vec<&str> = words.iter().copied().filter(|word| word.chars().count() > 2).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let lower = SecretString::from(self.0.expose_secret().to_lowercase());
        let others = words.iter().fold(lower, |rest, word| rest.expose_secret().replace(word, "").into());
        others.expose_secret().chars().count() < Self::MIN_OTHER_CHARS
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password that a client presents for an existing account, in the forms in which it may have been hashed: NFC, as
/// typed and NFD, each different text once. Older versions hashed a password as typed.
#[derive(Debug, Clone)]
pub struct TypedPassword(Vec<Password>);

impl TypedPassword {
    /// Number of characters into which canonical decomposition splits one character at most.
    const MAX_DECOMPOSITION: usize = 4;

    /// Returns `None` when no form of the text has the length of a password.
    pub fn parse(text: SecretString) -> Option<Self> {
        let typed = text.expose_secret();
        // Beyond this length no form is short enough.
        let max = Self::MAX_DECOMPOSITION * Password::MAX_CHARS;
        if typed.chars().take(max + 1).count() > max {
            return None;
        }
        let composed = Password::collect(typed, typed.nfc());
        let decomposed = Password::collect(typed, typed.nfd());
        let mut forms = vec![composed];
        for form in [Password(text), decomposed] {
            if forms.iter().all(|other| other.bytes() != form.bytes()) {
                forms.push(form);
            }
        }
        forms.iter().any(Password::has_valid_length).then_some(Self(forms))
    }

    /// Returns the form that is hashed today: NFC.
    pub fn composed(&self) -> &Password {
        &self.0[0]
    }

    /// Returns the forms to compare with a stored hash, NFC first.
    pub fn forms(&self) -> &[Password] {
        &self.0
    }
}

/// Returns each text as a whole and split into words, in lower case. So `Ada Lovelace` also forbids `lovelace1`.
fn own_words(own: &[&str]) -> Vec<String> {
    let mut words = Vec::new();
    for text in own {
        let text: String = text.chars().take(Password::MAX_WORD_CHARS).flat_map(char::to_lowercase).collect();
        words.extend(text.split(|c| !is_word_char(c)).filter(|word| word.len() > 2).map(str::to_owned));
        words.push(text.split_whitespace().collect());
    }
    words.truncate(Password::MAX_WORDS);
    words
}

/// Hash of a password in PHC format, including parameters and salt.
#[derive(Clone)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: impl Into<String>) -> Self {
        Self(SecretString::from(phc.into()))
    }

    /// Returns the PHC string.
    pub fn phc(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Result of comparing a password with a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordMatch {
    /// The password does not match, or there is no hash.
    Wrong,
    /// The password matches.
    Right,
    /// The password matches, and the hash has weaker parameters than the current ones.
    RightButOutdated,
}

/// Reason why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HasherError {
    /// The queue is too long: the hash would not be computed in reasonable time.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The stored hash is malformed, or the hash function failed.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// Port: computes the slow, salted hash. A call takes tens of milliseconds and waits for a free thread: never hold a
/// unit across a call.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a new password.
    async fn hash(&self, password: Password) -> Result<PasswordHash, HasherError>;

    /// Compares a password with a hash. `None` costs as much time as a hash that does not match, so that the time does
    /// not reveal whether an account exists.
    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<PasswordMatch, HasherError>;
}

/// A user's stored password.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The user.
    pub user: UserId,
    /// Hash of the password.
    pub hash: PasswordHash,
    /// Increases when the password changes, not when it is rehashed.
    pub version: i64,
    /// Time of the last change of the password.
    pub changed_at: Timestamp,
}

/// Port: stores credentials.
#[async_trait]
pub trait CredentialStore: Send {
    /// Inserts the first credential of a user.
    async fn insert_credential(&mut self, credential: &Credential) -> Result<(), StoreError>;

    /// Returns the user's credential, if there is one and the unit's scope may see it.
    async fn credential_of(&mut self, user: UserId) -> Result<Option<Credential>, StoreError>;

    /// Replaces the hash, version and time.
    async fn update_credential(&mut self, credential: &Credential) -> Result<(), StoreError>;
}

/// Change the acting user's own password. The new password is hashed before the unit begins.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// Proof of the current password.
    pub proof: Proof,
    /// Hash of the new password.
    pub hash: PasswordHash,
}

impl Command for ChangePassword {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[USER_PASSWORD_CHANGED, SESSION_ENDED];
}

/// Changes the acting user's password, ends all their other sessions, and deletes the link that would set another
/// password.
pub async fn change_password(
    unit: &mut (impl People + CredentialStore + Links + Sessions + JobQueue + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangePassword,
) -> Result<Person, IdentityError> {
    let (session, id) = actor.session()?;
    let person = unit.lock_person(id).await?.ok_or(Refusal::SessionEnded)?;
    authorize::<ChangePassword>(unit, actor, context).await?;
    let mut credential = command.proof.current_credential(unit, id).await?;
    credential.hash = command.hash;
    credential.version += 1;
    credential.changed_at = context.now();
    unit.update_credential(&credential).await?;
    unit.delete_link_of(id, LinkKind::Reset).await?;
    let event = Event::new(context, actor, USER_PASSWORD_CHANGED)
        .target(id, Some(person.name.as_str()))
        .changed_secret("password");
    unit.append_event(event).await?;
    let ended = unit.end_sessions_of_user(id, Some(session), EndReason::PasswordChanged, context.now()).await?;
    note_ended(unit, actor, context, &ended, EndReason::PasswordChanged).await?;
    send_email(unit, actor, context, None, &person.email, password_changed(actor, context, &person), None).await?;
    Ok(person)
}

/// Creates the email that notifies a user of a changed password.
pub(crate) fn password_changed(actor: &Actor, context: &Context, person: &Person) -> PasswordChangedEmail {
    PasswordChangedEmail {
        name: person.name.to_string(),
        at: context.now().to_string(),
        ip: actor.origin.ip.map(|ip| ip.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(SecretString::from(text.to_owned())).unwrap()
    }

    #[test]
    fn si3_one_strong_part_of_a_long_password_is_enough() {
        let weak = "a".repeat(Password::ESTIMATED_CHARS);
        assert!(password(&format!("{weak}{weak}")).ensure_unguessable(&[]).is_err());
        for strong in [format!("{weak}vivid-plank-8-jockey"), format!("vivid-plank-8-jockey{weak}")] {
            assert!(password(&strong).ensure_unguessable(&[]).is_ok(), "{strong}");
        }
        let umlauts = "ü".repeat(Password::MAX_CHARS);
        assert_eq!(password(&umlauts).parts().map(|part| part.chars().count()).collect::<Vec<_>>(), [32; 4]);
    }

    #[test]
    fn si3_length_is_counted_in_characters() {
        let parse = |text: String| Password::parse(SecretString::from(text)).map(|_| ());
        assert_eq!(parse("é".repeat(7)), Err(PasswordError::TooShort));
        assert_eq!(parse("é".repeat(8)), Ok(()));
        assert_eq!(parse("é".repeat(128)), Ok(()));
        assert_eq!(parse("é".repeat(129)), Err(PasswordError::TooLong));
        assert_eq!(parse("x".repeat(1 << 20)), Err(PasswordError::TooLong));
    }

    #[test]
    fn composed_and_decomposed_spellings_are_one_new_password() {
        let (composed, decomposed) = (password("caf\u{e9} velours"), password("cafe\u{301} velours"));
        assert_eq!(composed.bytes(), decomposed.bytes());
        let parse = |text: String| Password::parse(SecretString::from(text)).map(|_| ());
        assert_eq!(parse("e\u{301}".repeat(7)), Err(PasswordError::TooShort));
        assert_eq!(parse("e\u{301}".repeat(128)), Ok(()));
        assert_eq!(parse("e\u{301}".repeat(129)), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_typed_password_is_compared_in_each_different_form_once() {
        let forms = |text: &str| {
            let typed = TypedPassword::parse(SecretString::from(text))?;
            Some(typed.forms().iter().map(|form| form.0.expose_secret().to_owned()).collect::<Vec<_>>())
        };
        let (composed, decomposed, mixed) =
            ("\u{e9}\u{e9} velours", "e\u{301}e\u{301} velours", "\u{e9}e\u{301} velours");
        assert_eq!(forms("correct horse"), Some(vec!["correct horse".into()]));
        assert_eq!(forms(composed), Some(vec![composed.into(), decomposed.into()]));
        assert_eq!(forms(decomposed), Some(vec![composed.into(), decomposed.into()]));
        assert_eq!(forms(mixed), Some(vec![composed.into(), mixed.into(), decomposed.into()]));
        // Older versions counted the characters as typed, so one of these forms may be a stored password.
        for (text, is_password) in [
            ("e\u{301}".repeat(4), true),
            ("\u{e9}".repeat(4), true),
            ("e\u{301}".repeat(3), false),
            ("\u{390}".repeat(128), true),
            ("\u{3b9}\u{308}\u{301}".repeat(128), true),
            ("\u{3b9}\u{308}\u{301}".repeat(129), false),
            ("\u{958}".repeat(128), true),
            ("x".repeat(129), false),
            ("\u{301}".repeat(1 << 20), false),
        ] {
            assert_eq!(forms(&text).is_some(), is_password, "{}", text.chars().take(9).collect::<String>());
        }
    }

    #[test]
    fn si3_common_passwords_and_own_words_are_refused() {
        let own = ["Ada Lovelace", "ada.lovelace@analytical.example", "Analytical Engines", "analytical-engines"];
        for weak in [
            "password1",
            "qwertyuiop",
            "12345678",
            "iloveyou",
            "aaaaaaaa",
            "abcdefgh",
            "AdaLovelace1843",
            "lovelace2026",
            "analytical1",
            "analyticalengines",
            "Analytical2026!",
            "Analytical Engines",
            "AnalyticalEngines1843",
            "ada-lovelace-1843",
            "LOVELACE.ada2026!",
        ] {
            assert!(password(weak).ensure_unguessable(&own).is_err(), "{weak}");
        }
    }

    #[test]
    fn si3_own_words_of_scripts_with_marks_are_whole() {
        assert!(password("हिन्दीप्रकाशन2026").ensure_unguessable(&["हिन्दी प्रकाशन"]).is_err());
        assert!(password("हिन्दी-प्रकाशन-26").ensure_unguessable(&["हिन्दी प्रकाशन"]).is_err());
    }

    #[test]
    fn si3_an_own_word_spoils_no_password_that_is_good_without_it() {
        let own = ["Ada Lovelace", "ada.lovelace@analytical.example", "X", ""];
        for strong in ["ada xK9#mQ2$", "quartz-jockey-vows-lovelace", "xylophone-exit-axis"] {
            assert!(password(strong).ensure_unguessable(&own).is_ok(), "{strong}");
        }
    }

    #[test]
    fn si3_long_plain_lower_case_and_eight_random_characters_are_fine() {
        for strong in ["kqzjvwxmbprtyhgdnfcs", "correct horse battery staple", "xK9#mQ2$", "пароль-не-простой-совсем"]
        {
            assert!(password(strong).ensure_unguessable(&[]).is_ok(), "{strong}");
        }
    }
}
