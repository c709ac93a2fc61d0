//! Values that a template receives: texts become single lines, times and durations become readable.

use chrono::DateTime;
use minijinja::Value;
use std::collections::BTreeMap;
use tenantry_mails::{Email, EmailTemplate};

use crate::TemplateError;

/// Maximum length of a value, in characters: longer than any name or address. Only a client's own description of itself
/// can be longer.
const MAX_VALUE_CHARS: usize = 300;

/// Returns the declared fields of the email by name, and `mail`, `link`, `link_purpose`, `link_lasts` and `product`. A
/// missing optional field is none.
pub(crate) fn values(
    template: &EmailTemplate,
    email: &Email,
    link: Option<&str>,
    product: &str,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    let mut values = BTreeMap::new();
    for field in template.fields {
        let value = email.payload.get(field.name).filter(|value| !value.is_null());
        if value.is_none() && field.is_required() {
            return Err(TemplateError::Incomplete { email: template.name, field: field.name });
        }
        let value = match (field.name, value.and_then(|value| value.as_str())) {
            ("at", Some(moment)) => readable_moment(moment).into(),
            (_, Some(word)) => one_line(word, MAX_VALUE_CHARS).into(),
            (_, None) => Value::from_serialize(value),
        };
        values.insert(field.name.to_owned(), value);
    }
    values.insert("mail".to_owned(), template.name.into());
    values.insert("link".to_owned(), link.into());
    values.insert("link_purpose".to_owned(), email.link.as_deref().into());
    values.insert("link_lasts".to_owned(), email.link_seconds.map(readable_span).into());
    values.insert("product".to_owned(), one_line(product, MAX_VALUE_CHARS).into());
    Ok(values)
}

/// Returns the text on one line of at most `max_chars` characters, without the marks that change the direction of the
/// text after them. The domain refuses such names already; here an email is safe without that.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let parts = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty());
    let line = parts.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !turns_direction(*c)).take(max_chars).collect()
}

/// Returns whether the character is an embedding, an override or an isolate of the bidirectional algorithm (UAX 9).
pub(crate) fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Formats a time for readers, in UTC.
fn readable_moment(moment: &str) -> String {
    match DateTime::parse_from_rfc3339(moment) {
        Ok(moment) => moment.to_utc().format("%-d %B %Y, %H:%M UTC").to_string(),
        Err(_) => one_line(moment, MAX_VALUE_CHARS),
    }
}

/// Formats a duration for readers. The link is slightly older than its email, so the seconds are rounded to the minute.
/// Larger units are rounded down, so that no link is said to be valid longer than it is.
fn readable_span(seconds: u64) -> String {
    let minutes = (seconds.saturating_add(30) / 60).max(1);
    let (number, unit) = match minutes {
        60 => (1, "hour"),
        ..60 | 61..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_as_people_say_it() {
        for (seconds, said) in [
            (0, "1 minute"),
            (60, "1 minute"),
            (1_799, "30 minutes"),
            (1_800, "30 minutes"),
            (3_600, "1 hour"),
            (5_400, "90 minutes"),
            (9_000, "2 hours"),
            (86_399, "24 hours"),
            (86_400, "24 hours"),
            (172_800, "2 days"),
            (259_199, "3 days"),
            (604_800, "7 days"),
        ] {
            assert_eq!(readable_span(seconds), said, "{seconds}");
        }
        assert!(readable_span(u64::MAX).ends_with(" days"));
    }

    #[test]
    fn a_moment_is_written_as_people_write_it() {
        assert_eq!(readable_moment("2026-11-04T03:05:37.123Z"), "4 November 2026, 03:05 UTC");
        assert_eq!(readable_moment("2026-11-04T03:05:37+02:00"), "4 November 2026, 01:05 UTC");
        assert_eq!(readable_moment("on\nMonday"), "on Monday");
    }

    #[test]
    fn re6_words_stay_on_their_line() {
        assert_eq!(one_line(" a\r\nb\u{2028}c\u{85}\td\u{0}e\u{1b}[31m ", 99), "a b c d e [31m");
        assert_eq!(one_line("a\u{202E}b\u{2066}c\u{2069}", 99), "abc");
        assert_eq!(one_line("\u{5d0}\u{200F}!", 99), "\u{5d0}\u{200F}!");
        assert_eq!(one_line("ééé", 2), "éé");
    }
}
