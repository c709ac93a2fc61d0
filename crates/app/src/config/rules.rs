//! Rules that involve several settings, and the rules of production. Each rule records its mistake and continues, so
//! that all mistakes are found at once. A refused setting breaks no rule.

use super::{
    keys::{
        ACCESS_TTL, APP_URL, ARGON2_ITERATIONS, ARGON2_MEMORY_KIB, AUDIT_SEALS, AWS_ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY, HEALTH_DISK_FAIL_PERCENT, HEALTH_DISK_WARN_PERCENT, HEALTH_QUEUE_AGE_FAIL,
        HEALTH_QUEUE_AGE_WARN, HOST, MAIL_FROM, MAIL_URL, PUBLIC_URL, RATE_LIMITS, REFRESH_IDLE, REFRESH_MAX,
        SEAL_KEYS, SERVER_SECRETS, SIGNING_KEYS, STOP_DELAY, STOP_GRACE, STORAGE_REDIRECT, STORAGE_URL, TENANTRY_ENV,
    },
    layers::Layers,
    setting::Setting,
    types::{Environment, MailTransport, StorageUrl},
};

const MAKE_SIGNING_KEY: &str = "openssl genpkey -algorithm ed25519 -outform DER | base64 -w0";
const MAKE_SERVER_SECRET: &str = "openssl rand -base64 32";
/// The minimum that OWASP's Password Storage Cheat Sheet accepts for Argon2id: 7 MiB, and the work of five passes over
/// it.
const LEAST_ARGON2_MEMORY_KIB: u32 = 7_168;
const LEAST_ARGON2_WORK_KIB: u32 = 5 * LEAST_ARGON2_MEMORY_KIB;

/// Returns whether the installation is for production.
pub(super) fn is_production(layers: &Layers) -> bool {
    layers.value(&TENANTRY_ENV).is_some_and(Environment::is_production)
}

pub(super) fn http(layers: &mut Layers) {
    let is_reachable = layers.value(&HOST).is_some_and(|host| !host.is_loopback());
    if is_reachable && !layers.is_set(&TENANTRY_ENV) {
        let demand = "must be set to production or to development, since HOST is not a loopback address";
        layers.refuse(&TENANTRY_ENV, demand);
    }
    if is_production(layers)
        && let Some(url) = layers.value(&PUBLIC_URL)
        && url.is_none_or(|url| url.scheme() != "https")
    {
        layers.refuse(
            &PUBLIC_URL,
            "must be an https address in production, for example PUBLIC_URL=https://api.example.com",
        );
    }
}

pub(super) fn health(layers: &mut Layers) {
    if is_below(layers, &HEALTH_QUEUE_AGE_FAIL, &HEALTH_QUEUE_AGE_WARN) {
        layers.refuse(&HEALTH_QUEUE_AGE_FAIL, "must not be shorter than HEALTH_QUEUE_AGE_WARN");
    }
    if is_below(layers, &HEALTH_DISK_WARN_PERCENT, &HEALTH_DISK_FAIL_PERCENT) {
        layers.refuse(&HEALTH_DISK_FAIL_PERCENT, "must not be more than HEALTH_DISK_WARN_PERCENT");
    }
}

pub(super) fn files(layers: &mut Layers) {
    let is_folder = matches!(layers.value(&STORAGE_URL), Some(StorageUrl::File(_)));
    if is_folder && layers.value(&STORAGE_REDIRECT) == Some(true) {
        layers.refuse(&STORAGE_REDIRECT, "must be off unless STORAGE_URL names a bucket of S3");
    }
}

pub(super) fn bucket(layers: &mut Layers) {
    match (layers.value(&AWS_ACCESS_KEY_ID), layers.value(&AWS_SECRET_ACCESS_KEY)) {
        (Some(None), Some(Some(_))) => {
            layers.refuse(&AWS_ACCESS_KEY_ID, "must be set where AWS_SECRET_ACCESS_KEY is");
        }
        (Some(Some(_)), Some(None)) => {
            layers.refuse(&AWS_SECRET_ACCESS_KEY, "must be set where AWS_ACCESS_KEY_ID is");
        }
        _ => {}
    }
}

pub(super) fn mail(layers: &mut Layers) {
    let transport = layers.value(&MAIL_URL);
    if let Some(MailTransport::Smtp(server)) = &transport
        && server.shows_password()
    {
        layers.refuse(&MAIL_URL, "must not send a password without TLS to another machine: remove `tls=none`");
    }
    if !is_production(layers) {
        return;
    }
    if matches!(transport, Some(MailTransport::Console)) {
        layers.refuse(
            &MAIL_URL,
            "must not be `console:` in production, where mails would only be printed; set MAIL_URL=smtps://USER:PASSWORD@HOST",
        );
    }
    if !layers.is_set(&MAIL_FROM) {
        layers.refuse(&MAIL_FROM, "must be set in production");
    }
    if let Some(Some(url)) = layers.value(&APP_URL)
        && url.scheme() != "https"
    {
        layers.refuse(&APP_URL, "must be an https address in production");
    }
}

pub(super) fn keys(layers: &mut Layers) {
    for (setting, maker) in
        [(&SIGNING_KEYS, MAKE_SIGNING_KEY), (&SERVER_SECRETS, MAKE_SERVER_SECRET), (&SEAL_KEYS, MAKE_SIGNING_KEY)]
    {
        if is_production(layers) && !layers.is_set(setting) {
            layers.refuse(setting, format!("must be set in production; `{maker}` makes a new one"));
        }
    }
}

pub(super) fn tokens(layers: &mut Layers) {
    if is_below(layers, &REFRESH_IDLE, &ACCESS_TTL) {
        let demand = "must not be shorter than ACCESS_TTL: an access token would outlast its session";
        layers.refuse(&REFRESH_IDLE, demand);
    }
    if is_below(layers, &REFRESH_MAX, &REFRESH_IDLE) {
        layers.refuse(&REFRESH_MAX, "must not be shorter than REFRESH_IDLE");
    }
}

pub(super) fn argon2(layers: &mut Layers) {
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

pub(super) fn rate_limits(layers: &mut Layers) {
    if is_production(layers) && layers.value(&RATE_LIMITS) == Some(false) {
        let demand = "must be on in production: set RATE_LIMITS=on, and raise single limits where they are too low";
        layers.refuse(&RATE_LIMITS, demand);
    }
}

pub(super) fn audit(layers: &mut Layers) {
    if is_production(layers) && layers.value(&AUDIT_SEALS) == Some(false) {
        let demand = "must be on in production: without seals a changed entry cannot be detected";
        layers.refuse(&AUDIT_SEALS, demand);
    }
}

pub(super) fn stop(layers: &mut Layers) {
    if let (Some(delay), Some(grace)) = (layers.value(&STOP_DELAY), layers.value(&STOP_GRACE))
        && delay >= grace
    {
        layers.refuse(&STOP_GRACE, "must be longer than STOP_DELAY");
    }
}

/// Returns whether both settings have a value and the first is the smaller.
fn is_below<T: PartialOrd>(layers: &Layers, small: &Setting<T>, large: &Setting<T>) -> bool {
    matches!((layers.value(small), layers.value(large)), (Some(small), Some(large)) if small < large)
}
