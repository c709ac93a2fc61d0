//! Settings of emails, keys, tokens, passwords and limits.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};
use tenantry_limits::PlanQuotas;
use url::Url;

use super::{
    super::{
        layers::Layers,
        rules,
        setting::{Declaration, FromSettings, Section, Setting, settings},
        types::{Limit, MailTransport, Secrets},
        values::{self, seconds},
    },
    DAY, MINUTE,
};

settings! {
    /// Sender, transport and links of emails.
    #[derive(Debug, Clone)]
    pub struct MailConfig titled "Mail" checked by rules::mail {
        /// Name of the product in mails.
        PRODUCT_NAME => product: String {
            takes: "1 to 80 characters on one line",
            example: "Acme Cloud",
            default: "Tenantry",
            parse: values::product_name
        }
        /// Where mails go: to an SMTP server (`smtp:` with STARTTLS, port 587; `smtps:` with TLS from the start, port 465),
        /// into a folder as one .eml file each, or to standard output (`console:`). Production refuses `console:`. Keep a
        /// password in the environment rather than in a file.
        MAIL_URL => transport: MailTransport {
            takes: "smtp://USER:PASSWORD@HOST:PORT?tls=required (or opportunistic, or none), smtps://USER:PASSWORD@HOST:PORT, file:FOLDER or console:; with special characters of user and password percent-encoded, and both and the port only where they are needed",
            example: "file:./data/mail",
            default: "console:",
            parse: values::mail_transport
        }
        /// Certificate authorities to trust for the SMTP server, beside those of the operating system.
        MAIL_CA_FILE => authorities: Option<PathBuf> {
            takes: "a file of certificates in PEM",
            example: "./mail-ca.pem",
            unset: "the authorities of the operating system",
            parse: values::path
        }
        /// Sender of mails. Production needs an address of its own.
        MAIL_FROM => from: String {
            takes: "an e-mail address, with or without a name",
            example: "Acme <no-reply@acme.example>",
            default: "Tenantry <no-reply@localhost.localdomain>",
            parse: values::sender
        }
        /// Folder of templates that replace the built-in mail templates of the same file name.
        MAIL_TEMPLATES => templates: Option<PathBuf> {
            takes: "a folder",
            example: "./mail-templates",
            unset: "the built-in ones",
            parse: values::path
        }
        /// Address of the web application that mailed links open. Production needs https. Without it the links open small
        /// pages of the server.
        APP_URL => app_url: Option<Url> {
            takes: "an http or https address without path, query or trailing slash",
            example: "https://app.example.com",
            unset: "the public URL",
            parse: values::origin_url
        }
        with {
            /// The pages of emailed links.
            link_paths: LinkPaths,
        }
    }

    /// The path of each emailed link, with `{token}` in the place of the token.
    #[derive(Debug, Clone)]
    pub struct LinkPaths titled "Links in mails" {
        /// Page behind `APP_URL` that confirms a registration. A token behind `#` never reaches a server.
        LINK_PATH_CONFIRM => confirm: String {
            takes: "a path with {token} in it",
            default: "/links/confirm#{token}",
            parse: values::link_path
        }
        /// Page behind `APP_URL` that verifies an email address.
        LINK_PATH_VERIFY => verify: String {
            takes: "a path with {token} in it",
            default: "/links/verify#{token}",
            parse: values::link_path
        }
        /// Page behind `APP_URL` that sets a new password.
        LINK_PATH_RESET => reset: String {
            takes: "a path with {token} in it",
            default: "/links/reset#{token}",
            parse: values::link_path
        }
        /// Page behind `APP_URL` that accepts an invitation.
        LINK_PATH_INVITE => invite: String {
            takes: "a path with {token} in it",
            default: "/links/invite#{token}",
            parse: values::link_path
        }
    }

    /// Keys that sign tokens and seals, in their configured form; the crypto adapter parses them.
    #[derive(Debug, Clone)]
    pub struct KeyConfig titled "Keys" checked by rules::keys {
        /// Keys that sign access tokens: the first signs, all verify. `tenantry admin rotate-keys` prints the next value.
        /// Keep it in the environment rather than in a file.
        SIGNING_KEYS => signing_keys: Option<Secrets> {
            takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas",
            unset: "made on first start; production needs them",
            parse: values::secrets
        }
        /// Secrets from which refresh tokens, links and cursors are derived: the first makes new ones, all verify.
        /// `tenantry admin rotate-keys` prints the next value. Keep it in the environment rather than in a file.
        SERVER_SECRETS => server_secrets: Option<Secrets> {
            takes: "secrets of at least 32 bytes, each BASE64 or ID:BASE64, separated by commas",
            unset: "made on first start; production needs them",
            parse: values::secrets
        }
        /// Keys that sign the seals of the audit log: the first signs, all are trusted. Keep a key as long as any entry that
        /// it has sealed. Keep it in the environment rather than in a file.
        SEAL_KEYS => seal_keys: Option<Secrets> {
            takes: "Ed25519 private keys (PKCS#8 DER in base64), separated by commas",
            unset: "made on first start; production needs them",
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
    pub struct TokenConfig titled "Tokens and sessions" checked by rules::tokens {
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
    pub struct Argon2Config titled "Password hashes" checked by rules::argon2 {
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
    pub struct RateLimitConfig titled "Rate limits" checked by rules::rate_limits {
        /// With `off`, every limit is off, including those on guessing. That is for tests and benchmarks; production refuses
        /// it.
        RATE_LIMITS => enabled: bool {
            takes: "on or off",
            default: "on",
            parse: values::switch
        }
        /// Requests per minute from one address (IPv6: one /64) that is not signed in, and of a person who is in no tenant.
        RATE_LIMIT_PER_MINUTE => without_plan: NonZeroU32 {
            takes: "a number from 1 to 1000000",
            default: "100",
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
    pub struct GuessingLimits titled "Limits on guessing and on mail" {
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
        /// account has signed in before may try.
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
        /// Mails to one mailbox that other people can cause: password resets, links sent again, invitations, and
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
