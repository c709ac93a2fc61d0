//! Limits on guessing: each guess consumes quota before the password is hashed. A successful guess is refunded.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{net::IpAddr, time::Duration};
use tenantry_kernel::{Context, EmailAddress, StoreError, Timestamp};

/// A limit per time window, which starts with the first count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessQuota {
    /// Number of attempts allowed per window.
    pub limit: u32,
    /// Length of the window.
    pub window: Duration,
}

/// Time for which a source address stays known after a sign-in: 30 days.
pub const KNOWN_ADDRESS_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Limits on attempts.
#[derive(Debug, Clone, Copy)]
pub struct GuessPolicy {
    /// Passwords for one account from one source address.
    pub per_account_and_address: GuessQuota,
    /// Passwords from one source address, for any account. IPv6 addresses are counted by /64.
    pub per_address: GuessQuota,
    /// Passwords for one account. Beyond the limit, only source addresses with a success within
    /// [`GuessPolicy::known_address_for`] are allowed, so that an attacker cannot lock the owner out.
    pub per_account: GuessQuota,
    /// Time for which a source address stays known after a success.
    pub known_address_for: Duration,
    /// New accounts from one source address.
    pub registrations_per_address: GuessQuota,
    /// Emails to one mailbox that clients can cause.
    pub mails_per_recipient: GuessQuota,
    /// Requests for such emails from one source address.
    pub mail_requests_per_address: GuessQuota,
}

/// The kind of an attempt.
#[derive(Debug, Clone, Copy)]
pub enum GuessKind<'a> {
    /// A password of this account, whether or not the account exists.
    Password(&'a EmailAddress),
    /// A new account, without an email.
    Registration,
    /// A new account that must be confirmed through this mailbox.
    RegistrationByMail(&'a EmailAddress),
    /// An email to this mailbox, requested by a client that claims to own it.
    MailRequest(&'a EmailAddress),
    /// An email to this mailbox, caused by an authenticated user.
    Email(&'a EmailAddress),
}

/// A counter to increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessCounter {
    /// Key of the counter: a digest, so that the table identifies no user.
    pub key: [u8; 32],
    /// The limit of the counter.
    pub quota: GuessQuota,
}

/// A counter after it was increased.
#[derive(Debug, Clone, Copy)]
pub struct GuessCount {
    /// Number of attempts in the window, including this one.
    pub count: u32,
    /// Time at which the next window starts.
    pub resets_at: Timestamp,
}

/// The quota that a guess has consumed, to be refunded when the guess succeeds.
#[derive(Debug, Clone)]
pub struct ConsumedQuota {
    counters: Vec<GuessCounter>,
    account_and_source: Option<([u8; 32], [u8; 32])>,
}

/// The attempt exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// Time to wait, in whole seconds, at least one.
    pub retry_after_seconds: u64,
}

/// Port: counts attempts. The counters survive a restart. Only for System units.
#[async_trait]
pub trait Attempts: Send {
    /// Increases each counter by one; a counter whose window is over starts again. Returns the counters in the order of
    /// the counters.
    async fn consume_attempts(
        &mut self,
        counters: &[GuessCounter],
        now: Timestamp,
    ) -> Result<Vec<GuessCount>, StoreError>;

    /// Decreases each counter that is above zero by one.
    async fn refund_attempts(&mut self, keys: &[[u8; 32]]) -> Result<(), StoreError>;

    /// Returns whether a user signed in to the account from the source at or after `since`.
    async fn is_known_source(
        &mut self,
        account: [u8; 32],
        source: [u8; 32],
        since: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Records a sign-in to the account from the source.
    async fn remember_source(&mut self, account: [u8; 32], source: [u8; 32], now: Timestamp) -> Result<(), StoreError>;
}

/// Consumes quota for a guess. Commit the unit in either case: a refused guess counts too, although it does not
/// lengthen the wait.
pub async fn consume(
    unit: &mut (impl Attempts + ?Sized),
    context: &Context,
    policy: &GuessPolicy,
    guess: GuessKind<'_>,
    ip: Option<IpAddr>,
) -> Result<Result<ConsumedQuota, TooManyAttempts>, StoreError> {
    let now = context.now();
    let source = address_key(ip);
    let registration =
        || GuessCounter { key: digest(&[b"registration", source.as_bytes()]), quota: policy.registrations_per_address };
    let mail_request =
        || GuessCounter { key: digest(&[b"mail request", source.as_bytes()]), quota: policy.mail_requests_per_address };
    let mail = |to: &EmailAddress| GuessCounter {
        key: digest(&[b"letter", to.as_str().as_bytes()]),
        quota: policy.mails_per_recipient,
    };
    let (counters, account_and_source) = match guess {
        GuessKind::Registration => (vec![registration()], None),
        GuessKind::RegistrationByMail(to) => (vec![registration(), mail(to)], None),
        GuessKind::MailRequest(to) => (vec![mail_request(), mail(to)], None),
        GuessKind::Email(to) => (vec![mail(to)], None),
        GuessKind::Password(email) => {
            let both = digest(&[b"account and source", email.as_str().as_bytes(), source.as_bytes()]);
            let (account_key, source_key) = account_and_source(email, &source);
            let counters = vec![
                GuessCounter { key: both, quota: policy.per_account_and_address },
                GuessCounter { key: source_key, quota: policy.per_address },
                GuessCounter { key: account_key, quota: policy.per_account },
            ];
            (counters, Some((account_key, source_key)))
        }
    };
    let counted = unit.consume_attempts(&counters, now).await?;
    let mut wait = None;
    for (counter, counted) in counters.iter().zip(&counted) {
        if counted.count <= counter.quota.limit {
            continue;
        }
        if let Some((account, source)) = account_and_source.filter(|(account, _)| *account == counter.key) {
            let since = now.minus(policy.known_address_for);
            if unit.is_known_source(account, source, since).await? {
                continue;
            }
        }
        wait = wait.max(Some(counted.resets_at.since(now)));
    }
    Ok(match wait {
        Some(wait) => Err(TooManyAttempts { retry_after_seconds: wait.as_millis().div_ceil(1_000).max(1) as u64 }),
        None => Ok(ConsumedQuota { counters, account_and_source }),
    })
}

/// Refunds a successful guess, and records its source address as known.
pub async fn refund(
    unit: &mut (impl Attempts + ?Sized),
    context: &Context,
    consumed: &ConsumedQuota,
) -> Result<(), StoreError> {
    let keys: Vec<[u8; 32]> = consumed.counters.iter().map(|counter| counter.key).collect();
    unit.refund_attempts(&keys).await?;
    if let Some((account, source)) = consumed.account_and_source {
        unit.remember_source(account, source, context.now()).await?;
    }
    Ok(())
}

/// Records that the owner of the account used a mailed link at this network address.
pub async fn note_seen(
    unit: &mut (impl Attempts + ?Sized),
    context: &Context,
    email: &EmailAddress,
    ip: Option<IpAddr>,
) -> Result<(), StoreError> {
    let (account, source) = account_and_source(email, &address_key(ip));
    unit.remember_source(account, source, context.now()).await
}

fn account_and_source(email: &EmailAddress, source: &str) -> ([u8; 32], [u8; 32]) {
    (digest(&[b"account", email.as_str().as_bytes()]), digest(&[b"source", source.as_bytes()]))
}

/// Returns the part of a source address that identifies one customer: an IPv4 address, or the /64 of an IPv6 address.
pub fn address_key(ip: Option<IpAddr>) -> String {
    match ip.map(|ip| ip.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Hashes the parts with their lengths, so that no text in one part can be mistaken for two parts.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ip: &str) -> String {
        address_key(ip.parse().ok())
    }

    #[test]
    fn si2_one_customers_ipv6_network_is_one_source() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn te5_no_text_can_pass_for_two_parts() {
        assert_ne!(digest(&[b"a", b"bc"]), digest(&[b"ab", b"c"]));
    }
}
