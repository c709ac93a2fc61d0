//! Slow senders: a body has a deadline, and a connection whose body was left unread is closed.

use actix_web::{
    dev::{Extensions, Payload},
    error::PayloadError,
    rt::net::TcpStream,
};
use bytes::Bytes;
use futures::Stream;
use std::{
    any::Any,
    cell::Cell,
    net::Shutdown,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Sleep;

/// How long a JSON body may take to arrive.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(15);

/// How long a peer has to read an answer before a connection with an unread body is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The socket beneath a request. actix-http reads an unread chunked body to its end without any deadline, so a
/// sender who never ends it would keep the connection for ever.
#[derive(Clone)]
pub(crate) struct Socket(Arc<std::net::TcpStream>);

/// Keeps a handle on each accepted connection; it costs a file descriptor.
pub fn keep_connection(io: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = io.downcast_ref::<TcpStream>()
        && let Ok(descriptor) = stream.as_fd().try_clone_to_owned()
    {
        extensions.insert(Socket(Arc::new(descriptor.into())));
    }
}

impl Socket {
    /// Closes the connection once the answer has had time to leave.
    pub(crate) fn close_soon(self) {
        actix_web::rt::spawn(async move {
            tokio::time::sleep(FAREWELL).await;
            if let Err(error) = self.0.shutdown(Shutdown::Both) {
                tracing::trace!(%error, "the connection was closed already");
            }
        });
    }
}

/// A body that must have arrived by a deadline.
pub(crate) struct TimedBody {
    inner: Payload,
    sleep: Pin<Box<Sleep>>,
    is_late: bool,
    ended: Rc<Cell<bool>>,
}

impl TimedBody {
    /// Puts a deadline on the body, and returns what will tell whether it was read to its end.
    pub(crate) fn wrap(inner: Payload, deadline: Duration) -> (Payload, Rc<Cell<bool>>) {
        let ended = Rc::new(Cell::new(false));
        let sleep = Box::pin(tokio::time::sleep(deadline));
        let timed = Self { inner, sleep, is_late: false, ended: ended.clone() };
        let boxed: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(timed);
        (Payload::from(boxed), ended)
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_late {
            return Poll::Ready(None);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            self.is_late = true;
            return Poll::Ready(Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into()))));
        }
        let next = Pin::new(&mut self.inner).poll_next(context);
        if matches!(next, Poll::Ready(None)) {
            self.ended.set(true);
        }
        next
    }
}
