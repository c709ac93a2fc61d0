//! Settings of keys, tokens, passwords and limits.

use secrecy::SecretString;
use std::{num::NonZeroU32, time::Duration};
use tenantry_limits::{PlanQuotas, Policies};

use super::{
    super::{
        section::{FromSettings, Section, settings},
        setting::{Declaration, Layers, Setting},
        values::{self, DAY, Limit, MINUTE, seconds},
    },
    general::is_production,
};

const MAKE_SIGNING_KEY: &str = "openssl genpkey -algorithm ed25519 -outform DER | base64 -w0";
const MAKE_SERVER_SECRET: &str = "openssl rand -base64 32";
/// The minimum that OWASP's Password Storage Cheat Sheet accepts for Argon2id: 7 MiB, and the work of five passes over
/// it.
const LEAST_ARGON2_MEMORY_KIB: u32 = 7_168;
const LEAST_ARGON2_WORK_KIB: u32 = 5 * LEAST_ARGON2_MEMORY_KIB;

/// Keys in their configured form; the crypto adapter parses them.
type Secrets = Vec<SecretString>;

settings! {
    /// Keys that sign tokens and seals, in their configured form; the crypto adapter parses them.
    #[derive(Debug, Clone)]
    pub struct KeyConfig titled "Keys" checked by check_keys {
        /// Keys that sign access tokens: the first signs, all verify. `tenantry admin rotate-keys` prints the next value.
        /// Keep it in the environment rather than in a file.
        SIGNING_KEYS => signing_keys: Option<Secrets> {
            takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas",
            unset: "created on first start; production needs them",
            parse: values::secrets
        }
        /// Secrets from which refresh tokens, links and cursors are derived: the first derives new ones, all verify.
        /// `tenantry admin rotate-keys` prints the next value. Keep it in the environment rather than in a file.
        SERVER_SECRETS => server_secrets: Option<Secrets> {
            takes: "secrets of at least 32 bytes, each BASE64 or ID:BASE64, separated by commas",
            unset: "created on first start; production needs them",
            parse: values::secrets
        }
        /// Keys that sign the seals of the audit log: the first signs, all are trusted. Keep a key as long as any entry that
        /// it has sealed. Keep it in the environment rather than in a file.
        SEAL_KEYS => seal_keys: Option<Secrets> {
            takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas",
            unset: "created on first start; production needs them",
            parse: values::secrets
        }
        /// The `aud` claim of access tokens.
        TOKEN_AUDIENCE => token_audience: Option<String> {
            takes: "1 to 255 visible ASCII characters",
            example: "https://api.example.com",
            unset: "the public URL",
            parse: |text| values::visible_ascii(text, 1..=255)
        }
    }

    /// Lifetimes of tokens and sessions.
    #[derive(Debug, Clone)]
    pub struct TokenConfig titled "Tokens and sessions" checked by check_tokens {
        /// Lifetime of an access token.
        ACCESS_TTL => access_ttl: Duration {
            takes: "whole seconds from 1s to 24h",
            default: "15m",
            parse: |text| values::duration(text, seconds(1..=DAY)).filter(|ttl| ttl.subsec_nanos() == 0)
        }
        /// Time in which a used refresh token is accepted again, for parallel tabs and lost responses.
        REFRESH_GRACE => refresh_grace: Duration {
            takes: "a time from 0s to 60s",
            default: "10s",
            parse: |text| values::duration(text, seconds(0..=MINUTE))
        }
        /// Time without a refresh after which a session ends.
        REFRESH_IDLE => refresh_idle: Duration {
            takes: "a time from 1s to 3650d, at least ACCESS_TTL",
            default: "14d",
            parse: |text| values::duration(text, seconds(1..=3650 * DAY))
        }
        /// Time after which a session ends however much it is used.
        REFRESH_MAX => refresh_max: Duration {
            takes: "a time from 1s to 3650d",
            default: "90d",
            parse: |text| values::duration(text, seconds(1..=3650 * DAY))
        }
    }

    /// The cost of a password hash.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Argon2Config titled "Password hashes" checked by check_argon2 {
        /// Memory of one password hash (Argon2id), in KiB.
        ARGON2_MEMORY_KIB => memory_kib: u32 {
            takes: "a number from 8 to 4194304",
            default: "19456",
            parse: |text| values::number(text, 8..=4_194_304)
        }
        /// Number of passes of one password hash over its memory.
        ARGON2_ITERATIONS => iterations: u32 {
            takes: "a number from 1 to 1000",
            default: "2",
            parse: |text| values::number(text, 1..=1000)
        }
    }

    /// Limits on requests.
    #[derive(Debug, Clone)]
    pub struct RateLimitConfig titled "Rate limits" checked by check_rate_limits {
        /// With `off`, every limit is off, including those on guessing. That is for tests and benchmarks; production refuses
        /// it.
        RATE_LIMITS => enabled: bool {
            takes: "on or off",
            default: "on",
            parse: values::switch
        }
        /// Requests per minute from one address (IPv6: one /64) without sign-in, and of a user without a tenant. Sign-ins
        /// of an office behind one address count together.
        RATE_LIMIT_PER_MINUTE => without_plan: NonZeroU32 {
            takes: "a number from 1 to 1000000",
            default: "300",
            parse: values::attempts
        }
        /// Requests per minute on the plan `starter`: of each member, and of all members of a tenant together.
        RATE_LIMIT_PLANS_STARTER => starter: PlanQuotas {
            takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000",
            default: "caller=100,tenant=1000",
            parse: values::plan_quotas
        }
        /// Requests per minute on the plan `pro`: of each member, and of all members of a tenant together.
        RATE_LIMIT_PLANS_PRO => pro: PlanQuotas {
            takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000",
            default: "caller=300,tenant=10000",
            parse: values::plan_quotas
        }
        /// Requests per minute on the plan `enterprise`: of each member, and of all members of a tenant together.
        RATE_LIMIT_PLANS_ENTERPRISE => enterprise: PlanQuotas {
            takes: "caller=NUMBER,tenant=NUMBER, each from 1 to 1000000",
            default: "caller=1000,tenant=100000",
            parse: values::plan_quotas
        }
    }

    /// Limits on guesses and registrations.
    #[derive(Debug, Clone)]
    pub struct GuessingLimits titled "Limits on guessing and on email" {
        /// Wrong passwords for one account from one address.
        GUESS_PER_ACCOUNT_AND_ADDRESS => per_account_and_address: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "10/15m",
            parse: values::limit
        }
        /// Wrong passwords from one address (IPv6: one /64) for all accounts together.
        GUESS_PER_ADDRESS => per_address: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "100/15m",
            parse: values::limit
        }
        /// Wrong passwords for one account from all addresses together. Beyond this limit only addresses from which the
        /// account was used in the last 30 days may try.
        GUESS_PER_ACCOUNT => per_account: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "100/1h",
            parse: values::limit
        }
        /// Registrations from one address.
        REGISTRATIONS_PER_ADDRESS => registrations_per_address: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "20/1h",
            parse: values::limit
        }
        /// Emails to one mailbox that other users can cause: password resets, links sent again, invitations, and
        /// registrations to confirm.
        MAILS_PER_RECIPIENT => mails_per_recipient: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "5/1h",
            parse: values::limit
        }
        /// Requests from one address for password resets and for links to be sent again.
        MAIL_REQUESTS_PER_ADDRESS => mail_requests_per_address: Limit {
            takes: "a number and a time, NUMBER/TIME",
            default: "30/1h",
            parse: values::limit
        }
    }
}

impl RateLimitConfig {
    /// Returns the limits on requests; `None` while `RATE_LIMITS` is off.
    pub fn policies(&self) -> Option<Policies> {
        let plans = vec![("starter", self.starter), ("pro", self.pro), ("enterprise", self.enterprise)];
        self.enabled.then_some(Policies { without_plan: self.without_plan, plans })
    }
}

fn check_keys(layers: &mut Layers) {
    for (setting, maker) in
        [(&SIGNING_KEYS, MAKE_SIGNING_KEY), (&SERVER_SECRETS, MAKE_SERVER_SECRET), (&SEAL_KEYS, MAKE_SIGNING_KEY)]
    {
        if is_production(layers) && !layers.is_set(setting) {
            layers.refuse(setting, format!("must be set in production; `{maker}` makes a new one"));
        }
    }
}

fn check_tokens(layers: &mut Layers) {
    if layers.is_below(&REFRESH_IDLE, &ACCESS_TTL) {
        let demand = "must not be shorter than ACCESS_TTL: an access token would outlast its session";
        layers.refuse(&REFRESH_IDLE, demand);
    }
    if layers.is_below(&REFRESH_MAX, &REFRESH_IDLE) {
        layers.refuse(&REFRESH_MAX, "must not be shorter than REFRESH_IDLE");
    }
}

fn check_argon2(layers: &mut Layers) {
    let (Some(memory), Some(iterations)) = (layers.value(&ARGON2_MEMORY_KIB), layers.value(&ARGON2_ITERATIONS)) else {
        return;
    };
    let is_weak = memory < LEAST_ARGON2_MEMORY_KIB || memory.saturating_mul(iterations) < LEAST_ARGON2_WORK_KIB;
    if is_weak && is_production(layers) {
        let demand = format!(
            "must be at least {LEAST_ARGON2_MEMORY_KIB} in production, and with ARGON2_ITERATIONS multiplied at least {LEAST_ARGON2_WORK_KIB}"
        );
        layers.refuse(&ARGON2_MEMORY_KIB, demand);
    }
}

fn check_rate_limits(layers: &mut Layers) {
    if is_production(layers) && layers.value(&RATE_LIMITS) == Some(false) {
        let demand = "must be on in production: set RATE_LIMITS=on, and raise single limits where they are too low";
        layers.refuse(&RATE_LIMITS, demand);
    }
}
