//! Replaces keys step by step without ending sessions: `admin rotate-keys`.
//!
//! 1. A new key is added behind the first, so that every process can verify with it before any process uses it.
//! 2. The new key moves to the front: it creates from now on, and the former first key only verifies.
//! 3. The old key is dropped after everything that it created has expired.
//!
//! The list itself records the state of a rotation: every key but the first carries a mark, `@next-…` or `@old-…`, with
//! the time of its step. So the same command always performs the next step and refuses to perform it too early. A key
//! behind the first that has no mark counts as old from now on; if it was meant as the next key, only one rotation is
//! lost.
//!
//! A leaked key is not rotated but removed from the list at once; every session ends.

use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tenantry_kernel::{Entropy, Timestamp};

use crate::{
    KeyListError, ServerSecrets, SigningKeys,
    key_list::{KeyEntry, Mark},
};

/// A list of keys that can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyList {
    /// Keys that sign access tokens. A signature is valid for at most the lifetime of an access token: 15 minutes.
    SigningKeys,
    /// Secrets from which the server derives its other keys. What they create is valid for at most the lifetime of a
    /// session: 90 days.
    ServerSecrets,
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationAction {
    /// The list was empty; a key was generated.
    Made,
    /// A new key was added behind the first.
    Added,
    /// The new key moved to the front.
    Moved,
    /// The old keys whose time is over were dropped.
    Dropped,
    /// Keys without a mark were marked as old.
    Marked,
    /// Nothing was done: the next step is due at this time.
    Waiting(Timestamp),
}

/// One step of a rotation.
#[derive(Debug, Clone)]
pub struct RotationStep {
    /// The result of the step.
    pub action: RotationAction,
    /// The new list.
    pub list: Vec<SecretString>,
    /// Full sentences for the operator: what was done, what to do with the value, and when to run the command again.
    pub advice: String,
}

impl RotationStep {
    /// Returns the next value of the variable: the entries separated by commas.
    pub fn value(&self) -> SecretString {
        let texts: Vec<&str> = self.list.iter().map(ExposeSecret::expose_secret).collect();
        SecretString::from(texts.join(","))
    }
}

impl KeyList {
    /// Returns the name of the variable that holds the list.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::SigningKeys => "SIGNING_KEYS",
            Self::ServerSecrets => "SERVER_SECRETS",
        }
    }

    /// Returns how long a new key must be published before it is used. Clients cache the published signing keys for
    /// five minutes.
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

    fn generate(self, entropy: &dyn Entropy) -> KeyEntry {
        let body = match self {
            Self::SigningKeys => SigningKeys::generate_one(entropy),
            Self::ServerSecrets => ServerSecrets::generate_one(entropy),
        };
        KeyEntry { body, mark: None }
    }
}

/// Performs the next step on the list of the configuration. `good_for` is the lifetime of what the keys create: the
/// lifetime of an access token, or the maximum age of a session.
pub fn next_rotation_step(
    list: KeyList,
    current: &[SecretString],
    good_for: Duration,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<RotationStep, KeyListError> {
    let mut entries = KeyEntry::parse_all(current)?;
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
    let after = entries.iter().map(KeyEntry::write).collect();
    Ok(RotationStep { action, list: after, advice: advice(list, action, good_for) })
}

/// Performs the step: `first` creates, `rest` only verifies.
fn step(
    list: KeyList,
    first: KeyEntry,
    mut rest: Vec<KeyEntry>,
    good_for: Duration,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> (RotationAction, Vec<KeyEntry>) {
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

/// Finds the first key that waits to become the first of the list, and the time since which it waits.
fn next_of(rest: &[KeyEntry]) -> Option<(usize, Timestamp)> {
    rest.iter().enumerate().find_map(|(at, entry)| match entry.mark {
        Some(Mark::Next(since)) => Some((at, since)),
        _ => None,
    })
}

/// Drops keys whose time is over; if there is none, returns when the first one may be dropped.
fn drop_old(rest: &mut Vec<KeyEntry>, good_for: Duration, now: Timestamp) -> RotationAction {
    let over = |entry: &KeyEntry| match entry.mark {
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
        RotationAction::Made => format!("A first key was created. {deploy}"),
        RotationAction::Added => {
            let wait = match spoken(list.until_known()) {
                None => "as soon as the last of them has started".to_owned(),
                Some(wait) => format!("{wait} after the last of them has started"),
            };
            format!("Step 1 of 3: a new key was added behind the first. {deploy} Run this again {wait}.")
        }
        RotationAction::Moved => format!(
            "Step 2 of 3: the new key moved to the front. {deploy} Run this again {} after the last of them has started: \
             by then everything that the old key made has expired.",
            spoken(good_for).unwrap_or_else(|| "a moment".to_owned()),
        ),
        RotationAction::Dropped => format!("Step 3 of 3: the old key was dropped. {deploy} The rotation is done."),
        RotationAction::Marked => format!(
            "A key behind the first carried no mark, so it counts as old from now on. {deploy} Run this again in {}.",
            spoken(good_for).unwrap_or_else(|| "a moment".to_owned()),
        ),
        RotationAction::Waiting(until) => format!(
            "It is too early for the next step of {variable}; nothing was changed. Run this again after {until}."
        ),
    }
}

/// Writes the duration in its largest whole unit; `None` for zero.
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
