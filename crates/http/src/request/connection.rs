//! Slow senders: every body must arrive at the pace of its operation, and a connection with an unread body is closed.

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{Extensions, Payload},
    error::PayloadError,
    http::header::{self, HeaderMap},
    rt::net::TcpStream,
};
use bytes::Bytes;
use futures::Stream;
use std::{
    any::Any,
    cell::Cell,
    collections::VecDeque,
    net::Shutdown,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

use super::operation::{BodyPace, operation_of};

/// Time that a peer has to read a response before a connection with an unread body is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The socket of a request's connection. actix-http reads an unread chunked body to its end without any deadline, so a
/// sender that never ends its body would hold the connection forever.
#[derive(Clone)]
pub(crate) struct Socket(Arc<std::net::TcpStream>);

/// Stores a handle on each accepted connection, at the cost of one file descriptor.
pub fn keep_connection(io: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = io.downcast_ref::<TcpStream>()
        && let Ok(descriptor) = stream.as_fd().try_clone_to_owned()
    {
        extensions.insert(Socket(Arc::new(descriptor.into())));
    }
}

impl Socket {
    /// Closes the connection after the response has had time to leave.
    pub(crate) fn close_soon(self) {
        actix_web::rt::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            if let Err(error) = self.0.shutdown(Shutdown::Both) {
                tracing::trace!(%error, "the connection was closed already");
            }
        });
    }
}

/// Whether the body of a request was read to its end. Stored in the request's extensions.
struct BodyEnded(Rc<Cell<bool>>);

/// Returns whether a request has a body.
pub(super) fn has_body(headers: &HeaderMap) -> bool {
    let has_length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    has_length || headers.contains_key(header::TRANSFER_ENCODING) || asks_for_websocket(headers)
}

/// Returns whether a request asks for WebSocket. actix-http takes all further bytes of its connection for its body,
/// whatever its length says.
pub(super) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(header::UPGRADE).any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Takes the body of a request and enforces the pace of the request's operation.
pub(crate) fn take_body(request: &HttpRequest, payload: &mut Payload) -> Payload {
    let body = payload.take();
    if !has_body(request.headers()) {
        return body;
    }
    let pace = match operation_of(request).map(|operation| operation.pace) {
        Some(BodyPace::Upload) => Pace::upload(),
        Some(BodyPace::Json) | None => Pace::json(),
    };
    let (body, ended) = TimedBody::wrap(body, pace);
    request.extensions_mut().insert(BodyEnded(ended));
    body
}

/// Returns whether the body of a request was taken and read to its end.
pub(super) fn was_read(request: &HttpRequest) -> bool {
    request.extensions().get::<BodyEnded>().is_some_and(|BodyEnded(ended)| ended.get())
}

/// Required pace of a body.
enum Pace {
    /// The whole body arrives by this deadline.
    Whole(Instant),
    /// The body arrives at a minimum rate.
    Steady(Steady),
}

impl Pace {
    /// Maximum time in which a JSON body arrives.
    const JSON: Duration = Duration::from_secs(15);

    /// Creates the pace of a JSON body that begins now.
    fn json() -> Self {
        Self::Whole(Instant::now() + Self::JSON)
    }

    /// Creates the pace of an upload that begins now.
    fn upload() -> Self {
        Self::Steady(Steady::new(Instant::now()))
    }

    /// Returns the time of the next check, or `None` when the body is too late.
    fn look(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Self::Whole(deadline) => (now < *deadline).then_some(*deadline),
            Self::Steady(steady) => steady.look(now),
        }
    }
}

/// A rate of at least [`Steady::LEAST_BYTES`] over any [`Steady::SECONDS`] seconds in which the server waited for the
/// sender. Time in which the server requests no bytes, because it still writes earlier ones, does not count.
struct Steady {
    until: Instant,
    waiting_since: Option<Instant>,
    /// Elapsed part of the current second.
    passed: Duration,
    /// Bytes received in each of the last seconds, the current second first.
    seconds: VecDeque<u64>,
    is_late: bool,
}

impl Steady {
    /// Minimum number of bytes per [`Steady::SECONDS`]: 16 KiB per second.
    const LEAST_BYTES: u64 = (Self::SECONDS as u64) * (16 << 10);
    const SECONDS: usize = 15;
    /// Maximum duration of an upload. The sweep deletes bytes that have had no record for a day as orphans.
    const LONGEST: Duration = Duration::from_secs(12 * 3600);
    const SECOND: Duration = Duration::from_secs(1);

    fn new(now: Instant) -> Self {
        Self {
            until: now + Self::LONGEST,
            waiting_since: None,
            passed: Duration::ZERO,
            seconds: VecDeque::from([0]),
            is_late: false,
        }
    }

    /// Counts received bytes and ends the waiting.
    fn came(&mut self, now: Instant, bytes: usize) {
        self.count_waiting(now);
        self.waiting_since = None;
        if let Some(second) = self.seconds.front_mut() {
            *second += bytes as u64;
        }
    }

    /// Starts or continues the waiting. Returns the time of the next check, or `None` when the sender is too late.
    fn look(&mut self, now: Instant) -> Option<Instant> {
        self.count_waiting(now);
        self.waiting_since = Some(now);
        (!self.is_late && now < self.until).then(|| now + (Self::SECOND - self.passed))
    }

    fn count_waiting(&mut self, now: Instant) {
        let Some(since) = self.waiting_since else { return };
        self.passed += now.saturating_duration_since(since);
        while self.passed >= Self::SECOND {
            self.passed -= Self::SECOND;
            if self.seconds.len() == Self::SECONDS {
                self.is_late |= self.seconds.iter().sum::<u64>() < Self::LEAST_BYTES;
                self.seconds.pop_back();
            }
            self.seconds.push_front(0);
        }
    }
}

/// A body with an enforced pace.
struct TimedBody {
    inner: Payload,
    pace: Pace,
    sleep: Pin<Box<Sleep>>,
    is_late: bool,
    ended: Rc<Cell<bool>>,
}

impl TimedBody {
    /// Enforces a pace on a body. The returned cell is set when the body was read to its end.
    fn wrap(inner: Payload, pace: Pace) -> (Payload, Rc<Cell<bool>>) {
        let ended = Rc::new(Cell::new(false));
        let sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        let timed = Self { inner, pace, sleep, is_late: false, ended: ended.clone() };
        let boxed: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(timed);
        (Payload::from(boxed), ended)
    }

    fn late(&mut self) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.is_late = true;
        Poll::Ready(Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into()))))
    }

    fn looks_late(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            let Some(look_again) = self.pace.look(Instant::now()) else { return true };
            self.sleep.as_mut().reset(look_again);
            if self.sleep.as_mut().poll(context).is_pending() {
                return false;
            }
        }
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_late {
            return Poll::Ready(None);
        }
        if let Pace::Whole(_) = self.pace
            && self.looks_late(context)
        {
            return self.late();
        }
        let next = Pin::new(&mut self.inner).poll_next(context);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => {
                if let Pace::Steady(steady) = &mut self.pace {
                    steady.came(Instant::now(), bytes.len());
                }
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.ended.set(true),
            Poll::Pending => {
                if self.looks_late(context) {
                    return self.late();
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the second in which a sender with these bytes per second is late, if the server waits for it all the
    /// time.
    fn late_after(bytes_a_second: impl Fn(u64) -> usize) -> Option<u64> {
        let begun = Instant::now();
        let mut steady = Steady::new(begun);
        (0..200).find(|second| {
            let now = begun + Duration::from_secs(*second);
            let is_late = steady.look(now).is_none();
            steady.came(now + Duration::from_millis(500), bytes_a_second(*second));
            steady.look(now + Duration::from_millis(500)).is_none() || is_late
        })
    }

    #[test]
    fn in2_an_upload_keeps_its_pace_over_any_fifteen_seconds() {
        assert_eq!(late_after(|_| 16 << 10), None);
        assert_eq!(late_after(|_| (16 << 10) - 1), Some(15));
        assert_eq!(late_after(|_| 0), Some(15));
        // a burst does not make up for a later silence
        assert_eq!(
            late_after(|second| if second == 20 {
                1 << 30
            } else if second < 20 {
                16 << 10
            } else {
                0
            }),
            Some(36)
        );
        assert_eq!(late_after(|second| if second % 15 == 0 { 15 * (16 << 10) } else { 0 }), None);
    }

    #[test]
    fn time_in_which_nobody_waits_is_not_the_senders() {
        let begun = Instant::now();
        let mut steady = Steady::new(begun);
        for minute in 0..60 {
            let now = begun + Duration::from_secs(60 * minute);
            assert!(steady.look(now).is_some());
            steady.came(now + Duration::from_millis(1), 1);
        }
        assert!(steady.look(begun + Duration::from_secs(13 * 3600)).is_none(), "nothing takes more than half a day");
    }
}
