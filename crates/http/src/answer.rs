use bytes::Bytes;
use serde::Serialize;
use std::fmt::Display;
use tenantry_service::{CommitMode, Reply};

use crate::Failure;

/// The response to a request: a [`Reply`] whose JSON has the envelope of the API.
#[derive(Debug, Clone)]
pub struct Answer(Reply);

#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

/// The end of a page of a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) limit: u32,
    pub(crate) next_cursor: Option<String>,
}

impl Answer {
    /// Creates a 200 response with data.
    pub fn ok(data: &impl Serialize) -> Result<Self, Failure> {
        Self::with(200, data, None)
    }

    /// Creates a 201 response with data and the location of the new resource.
    pub fn created(location: impl Display, data: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::with(201, data, None)?.header("Location", format!("/api/v1/{location}")))
    }

    /// Creates a 202 response without data: the request is carried out later.
    pub fn accepted() -> Result<Self, Failure> {
        #[derive(Serialize)]
        struct Nothing {}
        Self::with(202, &Nothing {}, None)
    }

    /// Creates a 202 response with data that lets the client follow the request.
    pub fn accepted_with(data: &impl Serialize) -> Result<Self, Failure> {
        Self::with(202, data, None)
    }

    /// Creates a 204 response.
    pub fn no_content() -> Self {
        Self(Reply { status: 204, headers: Vec::new(), body: Bytes::new() })
    }

    /// Creates a 200 response with one page of a list.
    pub(crate) fn page(data: &impl Serialize, meta: Meta) -> Result<Self, Failure> {
        Self::with(200, data, Some(meta))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the version of the returned row as the `ETag` (RFC 9110, 8.8.3).
    #[must_use]
    pub fn etag(self, version: i64) -> Self {
        self.header("ETag", format!("\"{version}\""))
    }

    fn with(status: u16, data: &impl Serialize, meta: Option<Meta>) -> Result<Self, Failure> {
        let body = serde_json::to_vec(&Success { success: true, data, meta }).map_err(Failure::internal)?;
        Ok(Self(Reply { status, headers: Vec::new(), body: body.into() }))
    }
}

impl Answer {
    /// Returns the reply in the type of the services.
    pub(crate) fn into_inner(self) -> Reply {
        self.0
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self(reply)
    }
}

impl From<Answer> for CommitMode {
    fn from(answer: Answer) -> Self {
        Self::Done(answer.0)
    }
}
