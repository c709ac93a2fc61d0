//! Formats log entries: one line each, with the context of the request.

use std::fmt::{self, Write};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Compact, Format, Writer},
        time::FormatTime,
    },
    registry::LookupSpan,
};

use tenantry_service::log_context;

use super::must_be_escaped;

/// Formats an entry as text for users, with the context of the request at its end.
pub(super) struct OneLineText<F>(pub(super) F);

impl<S, N, T> FormatEvent<S, N> for OneLineText<Format<Compact, T>>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    T: FormatTime + Clone,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // The wrapping writer does not know that the wrapped writer shows colours.
        let format = self.0.clone().with_ansi(writer.has_ansi_escapes());
        format.format_event(context, Writer::new(&mut WithoutEnd(&mut writer)), event)?;
        log_context::write_text(&mut writer)?;
        writer.write_char('\n')
    }
}

/// Omits line breaks. Only the one that ends the entry arrives here: all others are escaped before.
struct WithoutEnd<'a, 'w>(&'a mut Writer<'w>);

impl Write for WithoutEnd<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text.trim_end_matches('\n'))
    }
}

/// Formats an entry as JSON and also escapes characters that JSON allows in strings but that break lines elsewhere.
pub(super) struct OneLineJson<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for OneLineJson<F>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut writer = JsonEscaping { writer: &mut writer, has_begun: false };
        self.0.format_event(context, Writer::new(&mut writer), event)
    }
}

/// Writes the context of the request first. Only the line break that ends the entry arrives here: those in strings are
/// escaped before.
struct JsonEscaping<'a, 'w> {
    writer: &'a mut Writer<'w>,
    has_begun: bool,
}

impl Write for JsonEscaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut text = text;
        if !self.has_begun
            && let Some(members) = text.strip_prefix('{')
        {
            self.has_begun = true;
            self.writer.write_char('{')?;
            log_context::write_json(self.writer)?;
            text = members;
        }
        let special = |c: char| c != '\n' && must_be_escaped(c);
        for part in text.split_inclusive(special) {
            let plain = part.trim_end_matches(special);
            self.writer.write_str(plain)?;
            for c in part[plain.len()..].chars() {
                write!(self.writer, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }
}
