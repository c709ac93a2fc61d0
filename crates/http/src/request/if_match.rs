//! Conditional changes, which apply only to the version that the caller has seen (RFC 9110, 13.1.1).

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use std::convert::Infallible;

/// The version of the `If-Match` header; `None` without the header or for `*`.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl IfMatch {
    /// A version that no row has. A tag that this API did not issue matches nothing.
    const NO_VERSION: i64 = -1;
}

impl FromRequest for IfMatch {
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(header::IF_MATCH);
        let version = header.map(|value| value.to_str().unwrap_or_default().trim()).and_then(|tag| match tag {
            "*" => None,
            tag => Some(version_in(tag).unwrap_or(Self::NO_VERSION)),
        });
        std::future::ready(Ok(Self(version)))
    }
}

/// Returns the version that a tag names. The weak form counts too: a proxy that compresses responses weakens their tags,
/// and the version says exactly the same in both forms.
fn version_in(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let version: i64 = digits.parse().ok()?;
    (version.to_string() == digits).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_tags_name_a_version() {
        assert_eq!(version_in("\"7\""), Some(7));
        assert_eq!(version_in("W/\"7\""), Some(7));
        for other in
            ["7", "w/\"7\"", "W/7", "W/W/\"7\"", "W/ \"7\"", "\"W/7\"", "\"07\"", "\"\"", "\"7\", \"8\"", "\"x\""]
        {
            assert_eq!(version_in(other), None, "{other}");
        }
    }
}
