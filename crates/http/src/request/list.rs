//! Lists: one extractor for filters, sort order, limit and cursor. A cursor is valid only for the list that issued it.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use std::{convert::Infallible, marker::PhantomData};
use tenantry_crypto::Purpose;
use tenantry_kernel::{Command, Direction, ErrorCode, MAX_LIMIT, Page, PageRequest, Vocabulary};
use url::form_urlencoded;

use crate::{Answer, Failure, answer::Meta};

use super::{
    app::app_of,
    body::{FieldErrors, misfit},
    caller::Authorized,
    query::parse_query_string,
};

const DEFAULT_LIMIT: u32 = 20;
const MAC_BYTES: usize = 16;
/// Maximum length of a cursor in characters. The API issues only shorter ones.
const MAX_CURSOR_CHARS: usize = 2_000;

/// Query parameters of a list beside `limit` and `cursor`: its filters and its order. Types deny unknown fields and
/// take every value as text.
pub(crate) trait ListQuery: DeserializeOwned {
    /// Filter that the store takes beside the page.
    type Filter;
    /// Key of a row, which a cursor carries.
    type Key: Serialize + DeserializeOwned;

    /// Parses the values, which may contain names of the vocabulary. Returns the filter and the direction of the list.
    fn parse(self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> (Self::Filter, Direction);
}

/// Query of a list without filters, from the newest row to the oldest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub(crate) struct NewestFirst<K> {
    #[serde(skip)]
    key: PhantomData<K>,
}

impl<K: Serialize + DeserializeOwned> ListQuery for NewestFirst<K> {
    type Filter = ();
    type Key = K;

    fn parse(self, _: &Vocabulary, _: &mut FieldErrors) -> ((), Direction) {
        ((), Direction::Descending)
    }
}

/// An unparsed request of a list. The handler parses it, so that a caller without permission is refused first.
pub(crate) struct ListRequest<Q> {
    request: HttpRequest,
    query: PhantomData<Q>,
}

impl<Q> FromRequest for ListRequest<Q> {
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self { request: request.clone(), query: PhantomData }))
    }
}

/// A parsed request of a list.
pub(crate) struct List<Q: ListQuery> {
    pub(crate) filter: Q::Filter,
    pub(crate) page: PageRequest<Q::Key>,
    pub(crate) cursors: Cursors,
}

impl<Q: ListQuery> ListRequest<Q> {
    /// Parses the query for this caller.
    ///
    /// Fails with `invalid_cursor` when the cursor belongs to another caller's tenant, another path or other
    /// parameters. Fails with `validation_failed` when a parameter is unknown, given twice or invalid.
    pub(crate) fn parse<C: Command>(self, caller: &Authorized<C>) -> Result<List<Q>, Failure> {
        let Parameters { limit, cursor, others } = Parameters::of(self.request.query_string())?;
        let query: Q = parse_query_string(&others)?;
        let mut errors = FieldErrors::default();
        let (filter, direction) = query.parse(&app_of(&self.request).vocabulary, &mut errors);
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => {
                let limit =
                    text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit) && limit.to_string() == text);
                errors.take("limit", limit.ok_or("must be a whole number from 1 to 100")).unwrap_or(DEFAULT_LIMIT)
            }
        };
        let identity = (self.request.match_info().as_str(), caller.authority().tenant_id(), &others);
        let identity = serde_json::to_vec(&identity).map_err(Failure::internal)?;
        let cursors = Cursors { request: self.request, identity, limit };
        let after = cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
        errors.finish()?;
        Ok(List { filter, page: PageRequest { limit, after, direction }, cursors })
    }
}

/// Parameters of a query, split into those that choose a page and all others.
struct Parameters {
    limit: Option<String>,
    cursor: Option<String>,
    /// Sorted by name and encoded uniformly, so that equal parameters are equal texts.
    others: String,
}

impl Parameters {
    fn of(query: &str) -> Result<Self, Failure> {
        let (mut limit, mut cursor, mut others) = (None, None, Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let known = match &*name {
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                _ => {
                    others.push((name, value));
                    continue;
                }
            };
            if known.replace(value.into_owned()).is_some() {
                return Err(Failure::invalid(vec![misfit("", &format!("duplicate field `{name}`"))]));
            }
        }
        others.sort_by(|one, other| one.0.cmp(&other.0));
        let others = form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
        Ok(Self { limit, cursor, others })
    }
}

/// Issues and verifies the cursors of one list. A list is identified by the path, the caller's tenant and every
/// parameter except `limit` and `cursor`, so that no filter can be omitted by mistake.
pub(crate) struct Cursors {
    request: HttpRequest,
    identity: Vec<u8>,
    limit: u32,
}

impl Cursors {
    /// Creates the response with a page and the cursor of the next one.
    pub(crate) fn answer<T: Serialize, K: Serialize>(&self, page: &Page<T, K>) -> Result<Answer, Failure> {
        let next_cursor = page.next.as_ref().map(|key| self.seal(key)).transpose()?;
        Answer::page(&page.items, Meta { limit: self.limit, next_cursor })
    }

    fn seal(&self, key: &impl Serialize) -> Result<String, Failure> {
        let payload = serde_json::to_vec(key).map_err(Failure::internal)?;
        let mac = self.mac(&payload).finalize().into_bytes();
        Ok(URL_SAFE_NO_PAD.encode([&mac[..MAC_BYTES], &payload].concat()))
    }

    fn open<K: DeserializeOwned>(&self, cursor: &str) -> Result<K, Failure> {
        let key = self.genuine(cursor).and_then(|payload| serde_json::from_slice(&payload).ok());
        key.ok_or_else(|| Failure::new(ErrorCode::INVALID_CURSOR))
    }

    fn genuine(&self, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() > MAX_CURSOR_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (mac, payload) = bytes.split_at_checked(MAC_BYTES)?;
        self.mac(payload).verify_truncated_left(mac).ok()?;
        Some(payload.to_vec())
    }

    fn mac(&self, payload: &[u8]) -> Hmac<Sha256> {
        let (_, secret) = app_of(&self.request).secrets.current(Purpose::Cursors);
        let mut block = [0; 64];
        block[..secret.len()].copy_from_slice(secret);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&(self.identity.len() as u64).to_be_bytes());
        mac.update(&self.identity);
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(query: &str) -> String {
        Parameters::of(query).map(|parameters| parameters.others).unwrap_or_default()
    }

    #[test]
    fn the_same_parameters_are_the_same_text_in_any_order_and_spelling() {
        assert_eq!(others("limit=3&status=active&q=a%62&cursor=x"), "q=ab&status=active");
        assert_eq!(others("q=%61b&status=active"), "q=ab&status=active");
        assert_eq!(others("limit=3&cursor=x"), "");
    }

    #[test]
    fn a_parameter_cannot_pass_for_two() {
        assert_ne!(others("q=a%26status%3Dactive"), others("q=a&status=active"));
        assert_ne!(others("q=&kind=mail"), others("kind=mail"));
        assert!(Parameters::of("limit=1&q=a&limit=2").is_err() && Parameters::of("cursor=&cursor=").is_err());
    }
}
