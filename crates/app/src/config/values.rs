//! The parsers of settings. `None` refuses a text; the declaration of the setting says which texts are accepted.

use secrecy::SecretString;
use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};
use tenantry_audit::MAX_RETENTION_DAYS;
use tenantry_limits::PlanQuotas;
use tenantry_redis::Redis;
use tenantry_service::QUEUES;
use tenantry_store::Database;
use tracing_subscriber::EnvFilter;
use url::Url;

/// The seconds of a minute.
pub(super) const MINUTE: u64 = 60;
/// The seconds of a day.
pub(super) const DAY: u64 = 24 * 60 * MINUTE;
const MOST_ATTEMPTS: u32 = 1_000_000;

/// A limit on the number of attempts in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The number of attempts; at least one.
    pub attempts: u32,
    /// The time in which they are counted.
    pub window: Duration,
}

/// Parses a whole number within bounds.
pub(super) fn number<T: FromStr + PartialOrd>(text: &str, bounds: RangeInclusive<T>) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| digits && bounds.contains(value))
}

/// Parses a time such as `15m`, `10s` or `250ms` within bounds, in whole milliseconds.
pub(super) fn duration(text: &str, bounds: RangeInclusive<Duration>) -> Option<Duration> {
    let duration = humantime::parse_duration(text).ok()?;
    let whole = duration.subsec_nanos().is_multiple_of(1_000_000);
    (whole && bounds.contains(&duration)).then_some(duration)
}

/// Parses a number of bytes within bounds: plain, or followed by `KiB`, `MiB`, `GiB` or `TiB`.
pub(super) fn bytes(text: &str, bounds: RangeInclusive<u64>) -> Option<u64> {
    const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];
    let (digits, shift) = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let count: u64 = number(digits.trim_end(), 0..=u64::MAX)?;
    let bytes = count.checked_mul(1 << shift)?;
    bounds.contains(&bytes).then_some(bytes)
}

/// Parses any number of bytes that fits a signed 64-bit column.
pub(super) fn any_bytes(text: &str) -> Option<u64> {
    bytes(text, 0..=i64::MAX as u64)
}

/// Returns a range of whole seconds, both ends included.
pub(super) fn seconds(bounds: RangeInclusive<u64>) -> RangeInclusive<Duration> {
    Duration::from_secs(*bounds.start())..=Duration::from_secs(*bounds.end())
}

/// Parses a number of whole days, at most a hundred years.
pub(super) fn days(text: &str) -> Option<u32> {
    let span = duration(text, seconds(DAY..=u64::from(MAX_RETENTION_DAYS) * DAY))?;
    let is_whole = span.as_secs().is_multiple_of(DAY) && span.subsec_nanos() == 0;
    u32::try_from(span.as_secs() / DAY).ok().filter(|_| is_whole)
}

/// Parses `on` or `off`, or a TOML boolean.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

/// Parses a number of attempts.
pub(super) fn attempts(text: &str) -> Option<NonZeroU32> {
    number(text, 1..=MOST_ATTEMPTS).and_then(NonZeroU32::new)
}

/// Parses a number of attempts in a time, `10/15m`.
pub(super) fn limit(text: &str) -> Option<Limit> {
    let (attempts, window) = text.split_once('/')?;
    let attempts = number(attempts.trim(), 1..=MOST_ATTEMPTS)?;
    let window = duration(window.trim(), seconds(1..=30 * DAY))?;
    Some(Limit { attempts, window })
}

/// Parses the requests per minute of a plan: `caller=100,tenant=1000`.
pub(super) fn plan_quotas(text: &str) -> Option<PlanQuotas> {
    let (mut caller, mut tenant) = (None, None);
    for item in items(text)? {
        let (name, limit) = item.split_once('=')?;
        let place = match name.trim() {
            "caller" => &mut caller,
            "tenant" => &mut tenant,
            _ => return None,
        };
        if place.replace(attempts(limit.trim())?).is_some() {
            return None;
        }
    }
    Some(PlanQuotas { caller: caller?, tenant: tenant? })
}

/// Parses queues, each with the number of its jobs that run at the same time: `mail=16,accounts=8`.
pub(super) fn queues(text: &str) -> Option<Vec<(&'static str, u32)>> {
    let mut queues: Vec<(&'static str, u32)> = Vec::new();
    for item in items(text)? {
        let (name, concurrency) = item.split_once('=')?;
        let name = QUEUES.iter().copied().find(|queue| *queue == name.trim())?;
        if queues.iter().any(|(queue, _)| *queue == name) {
            return None;
        }
        queues.push((name, number(concurrency.trim(), 1..=1_000)?));
    }
    Some(queues)
}

/// Parses a path of the file system.
pub(super) fn path(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text))
}

/// Parses an address to listen on.
pub(super) fn host(text: &str) -> Option<IpAddr> {
    if text == "localhost" {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// Parses an http or https URL without path, query, user or fragment.
pub(super) fn origin_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let scheme = matches!(url.scheme(), "http" | "https");
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let one_host = url.host_str().is_some_and(|host| !host.contains('*'));
    (scheme && bare && one_host && url.path() == "/" && !text.ends_with('/')).then_some(url)
}

/// Parses a list of web origins, each as a browser sends it.
pub(super) fn origins(text: &str) -> Option<Vec<String>> {
    items(text)?.into_iter().map(|item| origin_url(item).map(|url| url.origin().ascii_serialization())).collect()
}

/// Parses the URL of a database.
pub(super) fn database(text: &str) -> Option<Database> {
    if let Some(rest) = text.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let is_file = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
        return is_file.then(|| Database::Sqlite(PathBuf::from(path)));
    }
    let (scheme, rest) = text.split_once("://")?;
    let names_one = matches!(scheme, "postgres" | "postgresql") && !rest.trim_matches('/').is_empty();
    Database::postgres(text.into()).ok().filter(|_| names_one)
}

/// Parses the URL of a Redis.
pub(super) fn redis(text: &str) -> Option<SecretString> {
    let url = SecretString::from(text);
    Redis::check_url(&url).is_ok().then_some(url)
}

/// Parses a list of secrets.
pub(super) fn secrets(text: &str) -> Option<Vec<SecretString>> {
    Some(items(text)?.into_iter().map(SecretString::from).collect())
}

/// Parses a secret of visible ASCII characters, as many as the bounds allow.
pub(super) fn visible_secret(text: &str, chars: RangeInclusive<usize>) -> Option<SecretString> {
    visible_ascii(text, chars).map(SecretString::from)
}

/// Parses visible ASCII characters, as many as the bounds allow.
pub(super) fn visible_ascii(text: &str, chars: RangeInclusive<usize>) -> Option<String> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (visible && chars.contains(&text.len())).then(|| text.to_owned())
}

/// Parses a level of the log, or a list of levels by target.
pub(super) fn log_level(text: &str) -> Option<String> {
    log_filter(text).map(|_| text.to_owned())
}

/// Parses `LOG_LEVEL`; `None` if the text is invalid. A bare word must be a level. `tracing-subscriber` would also
/// accept it as a target, and a mistyped level would then silence everything else.
pub(super) fn log_filter(directives: &str) -> Option<EnvFilter> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let directives: Vec<&str> = directives.split(',').map(str::trim).collect();
    let understood = directives.iter().all(|directive| {
        directive.contains(['=', '[']) || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive))
    });
    // Libraries whose `info` entries do not help an operator. A directive in `LOG_LEVEL` comes later and wins.
    const QUIETER: &str = "actix_server=warn,sea_orm_migration=warn,";
    EnvFilter::builder().parse(format!("{QUIETER}{}", directives.join(","))).ok().filter(|_| understood)
}

fn items(text: &str) -> Option<Vec<&str>> {
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    items.iter().all(|item| !item.is_empty()).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn numbers_are_plain_digits_within_bounds() {
        assert_eq!(number("0", 0..=9_u8), Some(0));
        assert_eq!(number("9", 0..=9_u8), Some(9));
        for bad in ["10", "-1", "+1", "1.0", "0x1", " 1", "", "99999999999999999999", "٣"] {
            assert_eq!(number(bad, 0..=9_u8), None, "{bad:?}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_bounds() {
        let day = seconds(0..=86_400);
        assert_eq!(duration("15m", day.clone()), Some(Duration::from_secs(900)));
        assert_eq!(duration("250ms", day.clone()), Some(Duration::from_millis(250)));
        assert_eq!(duration("1d", day.clone()), Some(Duration::from_secs(DAY)));
        assert_eq!(duration("0s", day.clone()), Some(Duration::ZERO));
        for bad in ["15", "-1s", "1d 1s", "2d", "1us", "m", "1 fortnight", "99999999999999999999d", ""] {
            assert_eq!(duration(bad, day.clone()), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_with_binary_units() {
        assert_eq!(bytes("10MiB", 1..=u64::MAX), Some(10 << 20));
        assert_eq!(bytes("1 GiB", 1..=u64::MAX), Some(1 << 30));
        assert_eq!(bytes("4096", 1..=4096), Some(4096));
        for bad in ["", "MiB", "10MB", "10M", "-1", "1.5GiB", "0", "5KiB", "99999999999TiB", "10 mib"] {
            assert_eq!(bytes(bad, 1..=4096), None, "{bad:?}");
        }
    }

    #[test]
    fn limits_are_attempts_in_a_time() {
        assert_eq!(limit("10/15m"), Some(Limit { attempts: 10, window: Duration::from_secs(900) }));
        assert_eq!(limit("20 / 1h"), Some(Limit { attempts: 20, window: Duration::from_secs(3600) }));
        for bad in ["10", "0/1m", "10/0s", "10/31d", "10/15", "/1m", "ten/1m", "10/1m/1m", "1000001/1m"] {
            assert_eq!(limit(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_plan_says_how_many_for_a_caller_and_for_a_tenant() {
        let read = |text| plan_quotas(text).map(|quotas| (quotas.caller.get(), quotas.tenant.get()));
        assert_eq!(read("caller=100,tenant=1000"), Some((100, 1000)));
        assert_eq!(read("tenant = 7 , caller = 1"), Some((1, 7)));
        for bad in [
            "100",
            "caller=100",
            "tenant=100",
            "caller=0,tenant=1",
            "caller=1,tenant=1000001",
            "caller=1,caller=2",
            "caller=1,caller=2,tenant=3",
            "caller=1,tenant=2,plan=3",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_addresses() {
        assert_eq!(host("localhost"), host("127.0.0.1"));
        assert_eq!(host("[::1]"), host("::1"));
        assert!(host("0.0.0.0").is_some_and(|host| host.is_unspecified()));
        for bad in ["example.com", "127.0.0.1:80", "[::1", "127.1", ""] {
            assert_eq!(host(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_public_url_is_only_an_origin() {
        for good in ["http://localhost:3000", "https://api.example.com", "https://[::1]:8443"] {
            assert!(origin_url(good).is_some(), "{good}");
        }
        for bad in [
            "api.example.com",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://u:p@example.com",
            "https://example.com?a",
            "https://example.com#a",
            "ftp://example.com",
            "https://",
            "javascript:alert(1)",
            "*",
        ] {
            assert_eq!(origin_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn origins_read_as_browsers_send_them() {
        let read = origins("https://App.Example.com:443, http://localhost:5173");
        assert_eq!(read, Some(vec!["https://app.example.com".to_owned(), "http://localhost:5173".to_owned()]));
        for bad in ["*", "https://a.example,", "https://a.example,,https://b.example", "null", "https://*.example.com"]
        {
            assert_eq!(origins(bad), None, "{bad}");
        }
    }

    #[test]
    fn databases_are_files_or_postgresql() {
        let path = |text: &str| match database(text) {
            Some(Database::Sqlite(path)) => path.to_str().map(str::to_owned),
            _ => None,
        };
        assert_eq!(path("sqlite:a/b.db").as_deref(), Some("a/b.db"));
        assert_eq!(path("sqlite://b.db").as_deref(), Some("b.db"));
        assert_eq!(path("sqlite:///var/b.db").as_deref(), Some("/var/b.db"));
        for postgres in [
            "postgres://u:p@h/d",
            "postgresql://h:5432/d",
            "postgres://u:p@[::1]:5432/d",
            "postgres://u:p@/d?host=/run/postgresql",
            "postgres:///d",
            "postgres:///d?host=/run/postgresql",
            "postgres://u@%2Frun%2Fpostgresql/d",
        ] {
            assert!(matches!(database(postgres), Some(Database::Postgres(url)) if url.expose_secret() == postgres));
        }
        for bad in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite://b.db?mode=ro",
            "mysql://h/d",
            "postgres://",
            "h/d",
            "postgres:///",
            "postgres://u:p@h1,h2/d",
            "postgres://u:p#w@h:x/d",
        ] {
            assert!(database(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_redis_is_reached_by_its_own_scheme_only() {
        for good in ["redis://127.0.0.1", "redis://u:p%40@redis.example:6379/2"] {
            assert!(redis(good).is_some(), "{good}");
        }
        for bad in ["", "127.0.0.1:6379", "rediss://h", "unix:///run/redis.sock", "redis://", "redis://h/x"] {
            assert!(redis(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn lists_of_secrets_have_no_empty_items() {
        let read: Option<Vec<String>> =
            secrets("a, b ,c").map(|list| list.iter().map(|secret| secret.expose_secret().to_owned()).collect());
        assert_eq!(read, Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
        assert!(secrets("a,").is_none());
        assert!(secrets(",").is_none());
    }

    #[test]
    fn tokens_are_visible_and_long_enough() {
        assert!(visible_ascii("0123456789abcdef", 16..=16).is_some());
        assert!(visible_ascii("0123456789abcde", 16..=16).is_none());
        assert!(visible_ascii("0123456789 bcdef", 1..=16).is_none());
        assert!(visible_ascii("é", 1..=16).is_none());
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        for good in ["info", "OFF", "warn,tenantry_app=debug", "info, sqlx=warn", "info,[request]=trace"] {
            assert!(log_level(good).is_some(), "{good}");
        }
        for bad in ["", "inof", "info,", "sqlx", "sqlx=loud", "info;debug"] {
            assert!(log_level(bad).is_none(), "{bad}");
        }
    }
}
