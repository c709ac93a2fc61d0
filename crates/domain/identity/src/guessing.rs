//! Limits on guessing. A guess of a password is in flight while the password is checked, and counts as failed once the
//! password was wrong. It begins only while the failed guesses and those in flight are together below each limit, so
//! that a parallel flood gets no further than a sequential one, and a right password uses up nothing.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{net::IpAddr, time::Duration};
use tenantry_kernel::{Context, EmailAddress, StoreError, Timestamp};

use crate::GuessId;

/// A limit per time window, which starts with the first attempt, counted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessQuota {
    /// Number of attempts allowed per window.
    pub limit: u32,
    /// Length of the window.
    pub window: Duration,
}

/// Time for which a source address stays known after a sign-in: 30 days.
pub const KNOWN_ADDRESS_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Time after which a guess in flight stops counting, so that a killed process leaves none behind.
pub const IN_FLIGHT_FOR: Duration = Duration::from_secs(30);

/// Time for which a source address need not be recorded again: a day, which is short against [`KNOWN_ADDRESS_FOR`].
pub const ADDRESS_NOTED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

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

/// The kind of an attempt that consumes quota whatever its result is.
#[derive(Debug, Clone, Copy)]
pub enum QuotaKind<'a> {
    /// A new account, without an email.
    Registration,
    /// A new account that must be confirmed through this mailbox.
    RegistrationByMail(&'a EmailAddress),
    /// An email to this mailbox, requested by a client that claims to own it.
    MailRequest(&'a EmailAddress),
    /// An email to this mailbox, caused by an authenticated user.
    Email(&'a EmailAddress),
}

/// A counter of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessCounter {
    /// Key of the counter: a digest, so that the table identifies no user.
    pub key: [u8; 32],
    /// The limit of the counter.
    pub quota: GuessQuota,
}

/// The state of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessCount {
    /// Number of counted attempts in the window.
    pub count: u32,
    /// Time at which the next window starts.
    pub resets_at: Timestamp,
}

/// A guess in flight. It ends by [`Guess::succeed`], [`Guess::fail`] or [`Guess::release`], or after
/// [`IN_FLIGHT_FOR`].
#[derive(Debug, Clone)]
pub struct Guess {
    id: GuessId,
    /// In the order in which the limits are asked.
    counters: [GuessCounter; 3],
    account: [u8; 32],
    source: [u8; 32],
}

/// The attempt exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// Time to wait, in whole seconds, at least one.
    pub retry_after_seconds: u64,
}

/// The reason why a guess may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuessRefusal {
    /// Failed guesses have used up a limit.
    LimitReached(TooManyAttempts),
    /// Guesses in flight fill the rest of a limit. Some of them may prove right soon.
    InFlight {
        /// Key of the counter.
        counter: [u8; 32],
    },
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

    /// Locks each counter until the unit ends, and returns what it has counted, in the order of the counters. A counter
    /// whose window is over starts again at zero.
    async fn lock_attempts(&mut self, counters: &[GuessCounter], now: Timestamp)
    -> Result<Vec<GuessCount>, StoreError>;

    /// Returns how many guesses are in flight at each counter, in the order of the keys. The number is exact while the
    /// counters are locked.
    async fn guesses_in_flight(&mut self, keys: &[[u8; 32]], now: Timestamp) -> Result<Vec<u32>, StoreError>;

    /// Records a guess in flight at each counter until `ends_at`.
    async fn begin_guess(&mut self, keys: &[[u8; 32]], guess: GuessId, ends_at: Timestamp) -> Result<(), StoreError>;

    /// Ends a guess in flight at each counter.
    async fn end_guess(&mut self, keys: &[[u8; 32]], guess: GuessId) -> Result<(), StoreError>;

    /// Returns whether the account was used from the source at or after `since`.
    async fn is_known_source(
        &mut self,
        account: [u8; 32],
        source: [u8; 32],
        since: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Records a use of the account from the source.
    async fn remember_source(&mut self, account: [u8; 32], source: [u8; 32], now: Timestamp) -> Result<(), StoreError>;

    /// Forgets every source from which the account was used.
    async fn forget_sources(&mut self, account: [u8; 32]) -> Result<(), StoreError>;
}

/// Consumes quota for an attempt. Drop the unit of a refused attempt, which then consumes nothing.
pub async fn consume(
    unit: &mut (impl Attempts + ?Sized),
    context: &Context,
    policy: &GuessPolicy,
    attempt: QuotaKind<'_>,
    ip: Option<IpAddr>,
) -> Result<Result<(), TooManyAttempts>, StoreError> {
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
    let counters = match attempt {
        QuotaKind::Registration => vec![registration()],
        QuotaKind::RegistrationByMail(to) => vec![registration(), mail(to)],
        QuotaKind::MailRequest(to) => vec![mail_request(), mail(to)],
        QuotaKind::Email(to) => vec![mail(to)],
    };
    let counted = unit.consume_attempts(&counters, now).await?;
    let exceeded = counters.iter().zip(&counted).filter(|(counter, counted)| counted.count > counter.quota.limit);
    let resets_at = exceeded.map(|(_, counted)| counted.resets_at).max();
    Ok(resets_at.map_or(Ok(()), |resets_at| Err(TooManyAttempts::until(resets_at, now))))
}

impl TooManyAttempts {
    fn until(resets_at: Timestamp, now: Timestamp) -> Self {
        Self { retry_after_seconds: resets_at.since(now).as_millis().div_ceil(1_000).max(1) as u64 }
    }
}

impl Guess {
    fn new(context: &Context, policy: &GuessPolicy, email: &EmailAddress, ip: Option<IpAddr>) -> Self {
        let at = address_key(ip);
        let both = digest(&[b"account and source", email.as_str().as_bytes(), at.as_bytes()]);
        let (account, source) = account_and_source(email, &at);
        let counters = [
            GuessCounter { key: both, quota: policy.per_account_and_address },
            GuessCounter { key: source, quota: policy.per_address },
            GuessCounter { key: account, quota: policy.per_account },
        ];
        Self { id: GuessId::new(context), counters, account, source }
    }

    /// Begins a guess of the password of this account, whether or not the account exists. Commit the unit of a guess
    /// that has begun before the password is checked; drop the unit of a refused one.
    pub async fn begin(
        unit: &mut (impl Attempts + ?Sized),
        context: &Context,
        policy: &GuessPolicy,
        email: &EmailAddress,
        ip: Option<IpAddr>,
    ) -> Result<Result<Self, GuessRefusal>, StoreError> {
        let now = context.now();
        let guess = Self::new(context, policy, email, ip);
        let keys = guess.keys();
        let failed = unit.lock_attempts(&guess.counters, now).await?;
        let in_flight = unit.guesses_in_flight(&keys, now).await?;
        for (GuessCounter { key, quota }, (failed, in_flight)) in
            guess.counters.iter().zip(failed.iter().zip(in_flight))
        {
            if failed.count.saturating_add(in_flight) < quota.limit {
                continue;
            }
            let since = now.minus(policy.known_address_for);
            if *key == guess.account && unit.is_known_source(guess.account, guess.source, since).await? {
                continue;
            }
            return Ok(Err(if failed.count < quota.limit {
                GuessRefusal::InFlight { counter: *key }
            } else {
                GuessRefusal::LimitReached(TooManyAttempts::until(failed.resets_at, now))
            }));
        }
        unit.begin_guess(&keys, guess.id, now.plus(IN_FLIGHT_FOR)).await?;
        Ok(Ok(guess))
    }

    /// Ends a right guess, and records its source address as known.
    pub async fn succeed(&self, unit: &mut (impl Attempts + ?Sized), context: &Context) -> Result<(), StoreError> {
        self.release(unit).await?;
        unit.remember_source(self.account, self.source, context.now()).await
    }

    /// Ends a wrong guess and counts it as failed. Commit the unit before the client learns that the password is wrong.
    pub async fn fail(&self, unit: &mut (impl Attempts + ?Sized), context: &Context) -> Result<(), StoreError> {
        unit.consume_attempts(&self.counters, context.now()).await?;
        self.release(unit).await
    }

    /// Ends a guess that told its client nothing about the password.
    pub async fn release(&self, unit: &mut (impl Attempts + ?Sized)) -> Result<(), StoreError> {
        unit.end_guess(&self.keys(), self.id).await
    }

    fn keys(&self) -> [[u8; 32]; 3] {
        self.counters.map(|counter| counter.key)
    }
}

/// Records that the owner of the account was at this network address, which the use of a mailed link, the start of a
/// session or a refresh shows.
pub async fn note_seen(
    unit: &mut (impl Attempts + ?Sized),
    context: &Context,
    email: &EmailAddress,
    ip: Option<IpAddr>,
) -> Result<(), StoreError> {
    let (account, source) = account_and_source(email, &address_key(ip));
    unit.remember_source(account, source, context.now()).await
}

/// Forgets the network addresses of an account whose owner may not have been the one who used it: a stranger's addresses
/// must not stay exempt from the limit of the account.
pub(crate) async fn forget_addresses(
    unit: &mut (impl Attempts + ?Sized),
    email: &EmailAddress,
) -> Result<(), StoreError> {
    unit.forget_sources(account_key(email)).await
}

fn account_and_source(email: &EmailAddress, source: &str) -> ([u8; 32], [u8; 32]) {
    (account_key(email), digest(&[b"source", source.as_bytes()]))
}

fn account_key(email: &EmailAddress) -> [u8; 32] {
    digest(&[b"account", email.as_str().as_bytes()])
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
