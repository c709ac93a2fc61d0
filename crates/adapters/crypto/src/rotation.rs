//! Replacing keys without signing anybody out, one step at a time: `admin rotate-keys`.
//!
//! 1. A new key is added behind the first: every process can verify with it before any makes anything with it.
//! 2. It moves to the front: from now on it makes, and the former first only verifies.
//! 3. Once nothing that the old key made is good any more, it is dropped.
//!
//! The list itself remembers where a rotation stands: every key but the first carries a mark, `@next-…` or `@old-…`,
//! with the moment of its step. So the same command always does the right next thing, and refuses to do it too early.
//! A key behind the first that somebody put there without a mark counts as old from now on; were it meant to be the
//! next, nothing is lost but a rotation.
//!
//! A key that has leaked is not rotated but taken out of the list at once; everybody signs in again.

use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tenantry_kernel::{Entropy, Timestamp};

use crate::{
    KeyListError, ServerSecrets, SigningKeys,
    key_list::{Entry, Mark},
};

/// Which list of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyList {
    /// The keys that sign access tokens. What they make is good for the longest access token's time: 15 minutes.
    SigningKeys,
    /// The secrets that the server's other keys are derived from. What they make is good for the longest session's
    /// time: 90 days.
    ServerSecrets,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationAction {
    /// There was no key: one was made.
    Made,
    /// A new key was added behind the first.
    Added,
    /// The new key moved to the front.
    Moved,
    /// The old keys whose time is over were dropped.
    Dropped,
    /// Keys that carried no mark are held for old from now on.
    Marked,
    /// Nothing: the next step must wait until this moment.
    Waiting(Timestamp),
}

/// One step of a rotation.
#[derive(Debug, Clone)]
pub struct RotationStep {
    /// What was done.
    pub action: RotationAction,
    /// The list as it is to be from now on.
    pub list: Vec<SecretString>,
    /// What was done, what to do with the value, and when to come back, in full sentences.
    pub advice: String,
}

impl RotationStep {
    /// The variable's next value: the list, separated by commas.
    pub fn value(&self) -> SecretString {
        let texts: Vec<&str> = self.list.iter().map(ExposeSecret::expose_secret).collect();
        SecretString::from(texts.join(","))
    }
}

impl KeyList {
    /// The variable that holds the list.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::SigningKeys => "SIGNING_KEYS",
            Self::ServerSecrets => "SERVER_SECRETS",
        }
    }

    /// How long a new key must be known before it makes anything, besides being known to every process: others keep
    /// the published signing keys for five minutes.
    const fn until_known(self) -> Duration {
        match self {
            Self::SigningKeys => Duration::from_mins(5),
            Self::ServerSecrets => Duration::ZERO,
        }
    }

    fn check(self, list: &[SecretString]) -> Result<(), KeyListError> {
        match self {
            Self::SigningKeys => SigningKeys::parse(list).map(drop),
            Self::ServerSecrets => ServerSecrets::parse(list).map(drop),
        }
    }

    fn generate(self, entropy: &dyn Entropy) -> Entry {
        let body = match self {
            Self::SigningKeys => SigningKeys::generate_one(entropy),
            Self::ServerSecrets => ServerSecrets::generate_one(entropy),
        };
        Entry { body, mark: None }
    }
}

/// Does the next step with the list as it stands in the configuration. `good_for` is how long what the keys make
/// stays good: the access token's time to live, or the sessions' greatest age.
pub fn next_rotation_step(
    list: KeyList,
    current: &[SecretString],
    good_for: Duration,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<RotationStep, KeyListError> {
    let mut entries = Entry::parse_all(current)?;
    let action = if entries.is_empty() {
        entries.push(list.generate(entropy));
        RotationAction::Made
    } else {
        list.check(current)?;
        let first = entries.remove(0).marked(None);
        let (action, after) = step(list, first, entries, good_for, now, entropy);
        entries = after;
        action
    };
    let after = entries.iter().map(Entry::write).collect();
    Ok(RotationStep { action, list: after, advice: advice(list, action, good_for) })
}

/// The step itself: `first` makes, `rest` only verifies.
fn step(
    list: KeyList,
    first: Entry,
    mut rest: Vec<Entry>,
    good_for: Duration,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> (RotationAction, Vec<Entry>) {
    let action = if rest.is_empty() {
        rest.push(list.generate(entropy).marked(Some(Mark::Next(now))));
        RotationAction::Added
    } else if rest.iter().any(|entry| entry.mark.is_none()) {
        for entry in &mut rest {
            entry.mark.get_or_insert(Mark::Old(now));
        }
        RotationAction::Marked
    } else if let Some((at, since)) = next_of(&rest) {
        let ready = since.plus(list.until_known());
        if now >= ready {
            let next = rest.remove(at).marked(None);
            rest.insert(0, first.marked(Some(Mark::Old(now))));
            rest.insert(0, next);
            return (RotationAction::Moved, rest);
        }
        RotationAction::Waiting(ready)
    } else {
        drop_old(&mut rest, good_for, now)
    };
    rest.insert(0, first);
    (action, rest)
}

/// The first key that waits to become the first, and since when.
fn next_of(rest: &[Entry]) -> Option<(usize, Timestamp)> {
    rest.iter().enumerate().find_map(|(at, entry)| match entry.mark {
        Some(Mark::Next(since)) => Some((at, since)),
        _ => None,
    })
}

/// Drops the keys whose time is over; when none is, tells when the first one will be.
fn drop_old(rest: &mut Vec<Entry>, good_for: Duration, now: Timestamp) -> RotationAction {
    let over = |entry: &Entry| match entry.mark {
        Some(Mark::Old(since)) => Some(since.plus(good_for)),
        _ => None,
    };
    match rest.iter().filter_map(over).min() {
        Some(earliest) if now < earliest => RotationAction::Waiting(earliest),
        _ => {
            rest.retain(|entry| over(entry).is_some_and(|moment| now < moment));
            RotationAction::Dropped
        }
    }
}

fn advice(list: KeyList, action: RotationAction, good_for: Duration) -> String {
    let variable = list.variable();
    let deploy = format!("Give {variable} its new value in every process and restart them all.");
    match action {
        RotationAction::Made => format!("A first key was made. {deploy}"),
        RotationAction::Added => {
            let wait = match spoken(list.until_known()) {
                None => "as soon as the last of them has started".to_owned(),
                Some(wait) => format!("{wait} after the last of them has started"),
            };
            format!("Step 1 of 3: a new key was added behind the first. {deploy} Run this again {wait}.")
        }
        RotationAction::Moved => format!(
            "Step 2 of 3: the new key moved to the front. {deploy} Run this again {} after the last of them has started: \
             by then nothing that the old key made is good any more.",
            spoken(good_for).unwrap_or_else(|| "a moment".to_owned()),
        ),
        RotationAction::Dropped => format!("Step 3 of 3: the old key was dropped. {deploy} The rotation is done."),
        RotationAction::Marked => format!(
            "A key behind the first carried no mark, so it is held for old from now on. {deploy} Run this again in {}.",
            spoken(good_for).unwrap_or_else(|| "a moment".to_owned()),
        ),
        RotationAction::Waiting(until) => format!(
            "It is too early for the next step of {variable}; nothing was changed. Run this again after {until}."
        ),
    }
}

/// The span in its greatest whole unit; `None` for no time at all.
fn spoken(span: Duration) -> Option<String> {
    let seconds = span.as_secs();
    let (count, unit) = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")]
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size))
        .map(|(size, unit)| (seconds / size, unit))?;
    Some(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests;
