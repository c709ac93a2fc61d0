//! Traces across processes (W3C Trace Context), and our request ids within them.

use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    str::FromStr,
};
use uuid::Uuid;

use crate::RequestId;

/// The text is not a trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a trace")]
pub struct TraceError;

/// The `trace-id` of W3C Trace Context: 16 bytes that are not all zero, in text 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// Returns the trace of a request that starts one: the bytes of the request's id.
    pub fn of(request: RequestId) -> Self {
        Self(NonZeroU128::new(request.uuid().as_u128()).unwrap_or(NonZeroU128::MIN))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let number = u128::from_be_bytes(bytes_of(text)?);
        NonZeroU128::new(number).map(Self).ok_or(TraceError)
    }
}

/// A request and the trace that it belongs to. Everything that the request causes, also later, carries it.
///
/// The text form is a `traceparent` of W3C Trace Context, a slash, and the request's id. The `parent-id` is the last
/// half of the request's id, so that the request is the parent span of everything it causes. A bare request id is
/// parsed as the start of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The request id in the response, the journal and the log.
    pub request: RequestId,
    /// The trace, for the log and for called services.
    pub trace: TraceId,
    /// Whether the caller records the trace.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Creates the context of a request that starts a trace.
    pub fn new(request: RequestId) -> Self {
        Self { request, trace: TraceId::of(request), is_sampled: false }
    }

    /// Creates the context of a request within the trace of a `traceparent` header (W3C Trace Context, section 3.2).
    pub fn within(request: RequestId, traceparent: &str) -> Result<Self, TraceError> {
        let (trace, is_sampled) = read_traceparent(traceparent)?;
        Ok(Self { request, trace, is_sampled })
    }

    fn span(self) -> NonZeroU64 {
        let (first, last) = self.request.uuid().as_u64_pair();
        NonZeroU64::new(last).or(NonZeroU64::new(first)).unwrap_or(NonZeroU64::MIN)
    }
}

impl From<RequestId> for TraceContext {
    fn from(request: RequestId) -> Self {
        Self::new(request)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, trace, is_sampled } = self;
        write!(f, "00-{trace}-{:016x}-{:02x}/{request}", self.span(), u8::from(*is_sampled))
    }
}

impl FromStr for TraceContext {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        match text.split_once('/') {
            Some((traceparent, request)) => Self::within(request_of(request)?, traceparent),
            None => request_of(text).map(Self::new),
        }
    }
}

/// Parses a request id. A trusted proxy's id may be any UUID, unlike our own.
fn request_of(text: &str) -> Result<RequestId, TraceError> {
    Uuid::try_parse(text).map(RequestId::from_uuid).map_err(|_| TraceError)
}

/// Parses the trace id and the sampled flag. Later versions may append fields after another hyphen.
fn read_traceparent(text: &str) -> Result<(TraceId, bool), TraceError> {
    let mut parts = text.split('-');
    let mut part = || parts.next().ok_or(TraceError);
    let ([version], trace, parent, [flags]) = (bytes_of(part()?)?, part()?, bytes_of(part()?)?, bytes_of(part()?)?);
    let says_more = parts.next().is_some();
    if version == 0xff || (version == 0 && says_more) || u64::from_be_bytes(parent) == 0 {
        return Err(TraceError);
    }
    Ok((trace.parse()?, flags & 1 == 1))
}

/// Decodes exactly `2 * N` lower-case hexadecimal digits.
fn bytes_of<const N: usize>(text: &str) -> Result<[u8; N], TraceError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceError),
    };
    if text.len() != 2 * N {
        return Err(TraceError);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn request() -> RequestId {
        REQUEST.parse().expect("an id")
    }

    #[test]
    fn a_trace_reads_back_as_it_was_written() {
        let begun = TraceContext::new(request());
        let text = format!("00-0192f0c123457abc8def0123456789ab-8def0123456789ab-00/{REQUEST}");
        assert_eq!(begun.to_string(), text);
        assert_eq!(text.parse(), Ok(begun));
        let within = TraceContext::within(request(), PARENT).expect("a trace");
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-8def0123456789ab-01/{REQUEST}");
        assert_eq!(within.to_string(), text);
        assert_eq!(text.parse(), Ok(within));
    }

    #[test]
    fn the_bare_id_of_a_request_begins_a_trace() {
        assert_eq!(REQUEST.parse(), Ok(TraceContext::new(request())));
        let foreign =
            "11111111-2222-4333-8444-555555555555".parse::<TraceContext>().map(|trace| trace.trace.to_string());
        assert_eq!(foreign.as_deref(), Ok("11111111222243338444555555555555"));
        assert_eq!("".parse::<TraceContext>(), Err(TraceError));
    }

    #[test]
    fn no_request_makes_a_trace_or_a_span_of_zeros() {
        for id in ["00000000-0000-0000-0000-000000000000", "11111111-2222-4333-0000-000000000000"] {
            let trace = TraceContext::new(RequestId::from_uuid(id.parse().expect("a UUID")));
            assert_eq!(trace.to_string().parse(), Ok(trace), "{id}");
        }
    }

    #[test]
    fn only_a_well_formed_traceparent_is_taken() {
        let read =
            |text: &str| TraceContext::within(request(), text).map(|trace| (trace.trace.to_string(), trace.is_sampled));
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        assert_eq!(read(PARENT), Ok((trace.clone(), true)));
        assert_eq!(read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02"), Ok((trace.clone(), false)));
        assert_eq!(read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-else"), Ok((trace, true)));
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(bad), Err(TraceError), "{bad}");
        }
    }
}
