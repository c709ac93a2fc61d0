//! The log, on standard error: pretty on a terminal, JSON lines elsewhere. Messages are fixed texts; data goes into
//! fields.
//!
//! Every entry is one line, whatever its data contains (HARDENING IN5). `tracing-subscriber` alone does not ensure
//! this: its compact format keeps line breaks of messages and of `%value` fields, and both formats keep U+2028 and
//! similar characters.

mod entries;
mod peers;

use std::{
    fmt::{self, Write},
    io::{self, IsTerminal},
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer as _,
    field::RecordFields,
    fmt::{FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::config::{LogConfig, LogFormat};
use entries::{OneLineJson, OneLineText};
use peers::PeerErrors;

/// The reason why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is neither a level nor a list of `target=level`.
    #[error("LOG_LEVEL must be a level or a list of TARGET=LEVEL, separated by commas")]
    Level,
    /// This process has set up a log already.
    #[error("the log of this process is already set up")]
    Twice(#[from] TryInitError),
}

/// Sends the log of this process to standard error.
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let subscriber = subscriber(config, io::stderr().is_terminal(), io::stderr)?;
    Ok(subscriber.try_init()?)
}

/// Creates a log that goes to `writer`. `terminal` says whether the writer is a terminal; it then gets colours unless
/// `NO_COLOR` is set.
pub fn subscriber<W>(
    config: &LogConfig,
    terminal: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LoggingError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = config.filter().ok_or(LoggingError::Level)?;
    let pretty = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    // The library would report write errors of the log to standard error too, and panic when that is closed.
    let base = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let layer = if pretty {
        let layer = base.compact().fmt_fields(OneLineFields).map_event_format(OneLineText);
        if terminal { layer.boxed() } else { layer.with_ansi(false).boxed() }
    } else {
        base.json().with_current_span(false).map_event_format(OneLineJson).boxed()
    };
    Ok(tracing_subscriber::registry().with(layer).with(filter).with(PeerErrors))
}

/// Returns whether a character breaks or reorders lines, or controls a terminal.
fn must_be_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A writer that escapes such characters like `char::escape_default`.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(must_be_escaped) {
            let plain = part.trim_end_matches(must_be_escaped);
            self.0.write_str(plain)?;
            for c in part[plain.len()..].chars() {
                write!(self.0, "{}", c.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Formats fields as `name=value` after the message, separated by spaces.
struct OneLineFields;

impl<'writer> FormatFields<'writer> for OneLineFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = OneLineVisitor { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct OneLineVisitor<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl OneLineVisitor<'_> {
    fn write(&mut self, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
        if !self.is_first {
            self.writer.write_char(' ')?;
        }
        self.is_first = false;
        match field.name() {
            "message" => {}
            name if self.writer.has_ansi_escapes() => write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m=")?,
            name => write!(self.writer, "{name}=")?,
        }
        write!(Escaping(&mut self.writer), "{value:?}")
    }
}

impl Visit for OneLineVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `log.…` fields hold the origin of an entry of the `log` crate, which the head of the entry shows already.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.write(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::{info, info_span, subscriber::with_default};

    const NASTY: &str = "a\nb\r\nc\u{1b}[31md\u{2028}e\u{2029}f\u{85}g\u{7f}h\u{0}i\u{202E}j\tk\u{9b}l\"m\\n";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the sink").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: LogFormat, terminal: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = LogConfig { level: level.into(), format };
        let subscriber = subscriber(&config, terminal, move || writer.clone()).expect("a subscriber");
        with_default(subscriber, log);
        let bytes = sink.0.lock().expect("the sink").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn log_nasty_things() {
        let error = io::Error::other(NASTY);
        let span = info_span!("request", path = NASTY, shown = %NASTY, late = tracing::field::Empty);
        let _entered = span.enter();
        span.record("late", NASTY);
        info!(text = NASTY, shown = %NASTY, debug = ?NASTY, lines = ?format_args!("{NASTY}"), error = &error as &dyn std::error::Error, "{NASTY}");
    }

    fn assert_one_plain_line(entry: &str) {
        let line = entry.strip_suffix('\n').expect("an end");
        assert!(!line.contains(must_be_escaped), "{line:?}");
    }

    #[test]
    fn in5_an_entry_for_people_is_one_line_whatever_is_in_it() {
        let entry = logged("info", LogFormat::Pretty, false, log_nasty_things);
        assert_one_plain_line(&entry);
        assert!(entry.contains("a\\nb\\r\\nc\\u{1b}[31md\\u{2028}e"), "{entry}");
    }

    #[test]
    fn in5_an_entry_for_programs_is_one_line_and_loses_nothing() {
        let entry = logged("info", LogFormat::Json, false, log_nasty_things);
        assert_one_plain_line(&entry);
        let json: serde_json::Value = serde_json::from_str(&entry).expect("JSON");
        for name in ["message", "text", "shown", "lines", "error"] {
            assert_eq!(json["fields"][name], NASTY, "{name}");
        }
        for name in ["path", "shown", "late"] {
            assert_eq!(json["spans"][0][name], NASTY, "{name}");
        }
    }

    #[test]
    fn an_entry_of_a_request_carries_its_context() {
        const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
        let log = || {
            let trace = ID.parse().expect("a trace");
            futures::executor::block_on(
                tenantry_service::log_context::LogContext::new(trace).around(async { info!(port = 3000, "told") }),
            );
            info!("logged outside");
        };
        let text = logged("info", LogFormat::Pretty, false, log);
        let context = format!(" port=3000 request_id={ID} trace_id=0192f0c123457abc8def0123456789ab\n");
        assert!(text.contains(&context) && text.ends_with("logged outside\n"), "{text}");
        let coloured = logged("info", LogFormat::Pretty, true, log);
        assert!(coloured.contains("\u{1b}[") && coloured.contains(&format!("request_id={ID}")), "{coloured}");
        let text = logged("info", LogFormat::Json, false, log);
        let entries: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((&entries[0]["request_id"], &entries[0]["fields"]["port"]), (&ID.into(), &3000.into()));
        assert!(entries[1]["request_id"].is_null(), "{text}");
    }

    #[test]
    fn only_our_own_colours_reach_a_terminal() {
        let entry = logged("info", LogFormat::Auto, true, log_nasty_things);
        assert_eq!(entry.matches('\n').count(), 1);
        assert!(!entry.contains("\u{1b}[31md") && !entry.contains('\u{2028}'), "{entry:?}");
    }

    #[test]
    fn the_format_follows_the_terminal_unless_it_is_set() {
        let log = || info!(port = 3000, "listening");
        assert!(logged("info", LogFormat::Auto, false, log).starts_with('{'));
        assert!(logged("info", LogFormat::Json, true, log).starts_with('{'));
        let entry = logged("info", LogFormat::Pretty, false, log);
        assert!(entry.ends_with(" INFO tenantry_app::logging::tests: listening port=3000\n"), "{entry}");
        assert!(logged("info", LogFormat::Auto, true, log).contains("listening"));
    }

    #[test]
    fn the_level_lets_through_what_it_says() {
        let log = || {
            tracing::debug!(target: "sqlx::query", "a statement");
            tracing::debug!("a detail");
        };
        assert_eq!(logged("info", LogFormat::Pretty, false, log), "");
        let entry = logged("info,sqlx=debug", LogFormat::Pretty, false, log);
        assert!(entry.contains("a statement") && !entry.contains("a detail"), "{entry}");
    }
}
