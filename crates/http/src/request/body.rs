//! Request bodies: JSON of bounded size, parsed strictly. Malformed and invalid bodies fail with different codes.

use actix_web::{
    FromRequest, HttpRequest,
    error::PayloadError,
    http::header::{self, HeaderMap},
};
use futures::StreamExt;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use std::fmt::Display;
use tenantry_kernel::{ErrorCode, FieldError};
use validator::{Validate, ValidationErrors};

use crate::Failure;

use super::{connection::take_body, idempotency::ReadBody};

/// Maximum size of a JSON body in bytes (1 MiB).
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A body that is read when the handler asks for it, so that a caller without permission is refused first.
pub(crate) struct Body {
    is_json: bool,
    is_compressed: bool,
    declared_bytes: Option<u64>,
    read: Option<ReadBody>,
    payload: actix_web::dev::Payload,
}

/// Turns a request body into the input of a use case.
pub(crate) trait IntoCommand: DeserializeOwned + Validate {
    type Output;

    /// Parses the fields. Returns `None` only after an error was added to `errors`.
    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output>;
}

/// Validation errors of a request, by field.
#[derive(Default)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FromRequest for Body {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let headers = request.headers();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        std::future::ready(Ok(Self {
            is_json: essence.eq_ignore_ascii_case("application/json"),
            is_compressed: is_compressed(headers),
            declared_bytes: length.and_then(|length| length.parse().ok()),
            read: ReadBody::of(request),
            payload: take_body(request, payload),
        }))
    }
}

impl Body {
    /// Receives the body and parses it.
    pub(crate) async fn parse<T: IntoCommand>(self) -> Result<T::Output, Failure> {
        self.parse_with(T::parse).await
    }

    /// Receives the body and parses it by a function that needs more than the body, such as the vocabulary.
    pub(crate) async fn parse_with<T: DeserializeOwned + Validate, O>(
        self,
        take: impl FnOnce(T, &mut FieldErrors) -> Option<O>,
    ) -> Result<O, Failure> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() {
            return Err(Failure::new(ErrorCode::MALFORMED_BODY));
        }
        parse(&bytes, take)
    }

    /// Receives and parses a body that may be omitted.
    pub(crate) async fn parse_if_any<T: IntoCommand>(self) -> Result<Option<T::Output>, Failure> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() { Ok(None) } else { parse(&bytes, T::parse).map(Some) }
    }

    async fn bytes(mut self) -> Result<Vec<u8>, Failure> {
        if self.is_compressed {
            return Err(Failure::new(ErrorCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if self.declared_bytes.is_some_and(|bytes| bytes > MAX_BYTES as u64) {
            return Err(Failure::new(ErrorCode::PAYLOAD_TOO_LARGE));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.payload.next().await {
            let chunk = chunk.map_err(payload_failure)?;
            if !self.is_json {
                return Err(Failure::new(ErrorCode::UNSUPPORTED_MEDIA_TYPE));
            }
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(Failure::new(ErrorCode::PAYLOAD_TOO_LARGE));
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() && !self.is_json && self.declared_bytes.is_some_and(|bytes| bytes > 0) {
            return Err(Failure::new(ErrorCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if let Some(read) = self.read {
            read.note(&bytes);
        }
        Ok(bytes)
    }
}

/// Returns whether a body is compressed. The server decompresses no body: a small one may expand to a huge one.
pub(crate) fn is_compressed(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity"))
}

pub(crate) fn payload_failure(error: PayloadError) -> Failure {
    match error {
        PayloadError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => Failure::new(ErrorCode::TIMEOUT),
        PayloadError::Overflow => Failure::new(ErrorCode::PAYLOAD_TOO_LARGE),
        _ => Failure::new(ErrorCode::MALFORMED_BODY),
    }
}

fn parse<T: DeserializeOwned + Validate, O>(
    bytes: &[u8],
    take: impl FnOnce(T, &mut FieldErrors) -> Option<O>,
) -> Result<O, Failure> {
    let malformed = || Failure::new(ErrorCode::MALFORMED_BODY);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    // Some clients write a byte order mark, which a reader may ignore (RFC 8259, 8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The whole text is checked first. Deserialization of fields stops at the first type error, and the rest may be no
    // JSON.
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| malformed())?;
    // serde would also fill the fields of a struct from an array, in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Failure::invalid(vec![misfit("", "invalid type")]));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let body: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        match error.inner().classify() {
            serde_json::error::Category::Data => Failure::invalid(vec![misfit(&path, &error.inner().to_string())]),
            _ => malformed(),
        }
    })?;
    let mut errors = FieldErrors::default();
    if let Err(rules) = body.validate() {
        errors.add_rules(&rules);
    }
    match take(body, &mut errors) {
        Some(output) if errors.0.is_empty() => Ok(output),
        _ => Err(Failure::invalid(errors.0)),
    }
}

/// Creates the error of a field with a wrong shape, without the value. serde's own message would repeat the value.
pub(crate) fn misfit(path: &str, said: &str) -> FieldError {
    const MAX_NAME_CHARS: usize = 64;
    let path = if path == "." { "" } else { path };
    let named = said.split('`').nth(1).unwrap_or_default();
    let name: String = named
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .take(MAX_NAME_CHARS)
        .collect();
    let beside = match path.rsplit_once('.') {
        _ if path.is_empty() || path == name => name.clone(),
        Some((parent, last)) if last == name => format!("{parent}.{name}"),
        _ => format!("{path}.{name}"),
    };
    let bounded: String = path.chars().take(4 * MAX_NAME_CHARS).collect();
    if said.starts_with("missing field") {
        FieldError::new(beside, "required", "This field is required.")
    } else if said.starts_with("unknown field") {
        FieldError::new(beside, "unknown", "This field does not exist.")
    } else if said.starts_with("duplicate field") {
        FieldError::new(beside, "duplicate", "This field may be given only once.")
    } else {
        FieldError::new(bounded, "invalid_type", "This value has the wrong type.")
    }
}

impl FieldErrors {
    /// Maximum number of errors that a response reports. A request of many wrong items would otherwise get a response
    /// larger than itself, and each error is compared with those before it.
    const MAX: usize = 100;

    /// Returns the value, or adds an error for the field.
    pub(crate) fn take<T, E: Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|error| {
                if self.0.len() < Self::MAX && self.0.iter().all(|known| known.field != field) {
                    self.0.push(FieldError::new(field, "invalid", sentence(&error.to_string())));
                }
            })
            .ok()
    }

    /// Returns the value of a field that may be omitted, or adds an error for the field.
    pub(crate) fn take_if_any<T, E: Display>(&mut self, field: &str, value: Option<Result<T, E>>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(value) => self.take(field, value).map(Some),
        }
    }

    /// Adds an error, unless [`Self::MAX`] are known.
    pub(crate) fn add(&mut self, error: FieldError) {
        if self.0.len() < Self::MAX {
            self.0.push(error);
        }
    }

    /// Fails with `validation_failed` when errors were added.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::invalid(self.0)) }
    }

    /// Adds the violated rules of the validator with their bounds only: the validator's message would repeat the
    /// refused value.
    fn add_rules(&mut self, errors: &ValidationErrors) {
        let mut broken: Vec<_> = errors.field_errors().into_iter().collect();
        broken.sort_by(|a, b| a.0.cmp(&b.0));
        for (field, rules) in broken {
            for rule in rules {
                let bound = |name: &str| rule.params.get(name).map(|bound| bound.to_string());
                let message = match (bound("min"), bound("max")) {
                    (Some(min), Some(max)) => format!("This must be {min} to {max} long."),
                    (None, Some(max)) => format!("This must be at most {max} long."),
                    (Some(min), None) => format!("This must be at least {min} long."),
                    (None, None) => "This is not valid.".to_owned(),
                };
                self.0.push(FieldError::new(camel_case(&field), "length", message));
            }
        }
    }
}

/// Deserializes a field of a `PATCH` that may be omitted but not cleared: `null` has the wrong type.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Deserializes a field of a `PATCH` that `null` clears.
pub(crate) fn clearable<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}

fn sentence(fragment: &str) -> String {
    format!("This {fragment}.")
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_and_never_repeated() {
        let field = |path, said| misfit(path, said).field;
        assert_eq!(field(".", "missing field `email` at line 1 column 2"), "email");
        assert_eq!(field("emial", "unknown field `emial`, expected one of `email`"), "emial");
        assert_eq!(field("name", "duplicate field `name`"), "name");
        assert_eq!(field("a.b", "missing field `c`"), "a.b.c");
        let wrong = misfit("name", "invalid type: string \"hunter2\", expected u32");
        assert!(!format!("{wrong:?}").contains("hunter2"));
        let long = misfit(".", &format!("unknown field `{}`", "x\n".repeat(5_000)));
        assert!(long.field.len() <= 64 && !long.field.contains('\n'));
    }

    #[test]
    fn fields_are_named_as_the_client_writes_them() {
        assert_eq!(camel_case("tenant_slug"), "tenantSlug");
        assert_eq!(camel_case("name"), "name");
    }
}
