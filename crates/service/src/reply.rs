use bytes::Bytes;
use std::borrow::Cow;

/// What a change is answered with. It is made before the commit, so that it can be stored with the change.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside those that every response has.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; JSON, or nothing.
    pub body: Bytes,
}
