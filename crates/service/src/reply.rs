use bytes::Bytes;
use std::borrow::Cow;

/// The response to a change. It is created before the commit, so that it can be stored with the change.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers in addition to those that every response has.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body: JSON, or empty.
    pub body: Bytes,
}
