//! Pages of lists: limits, and cursors that only the list they came from takes back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use tenantry_crypto::Purpose;
use tenantry_kernel::{Direction, ErrorCode, MAX_LIMIT, Page, PageRequest};

use crate::{Answer, App, Failure, answer::Meta};

use super::body::Fields;

const DEFAULT_LIMIT: u32 = 20;
const MAC_BYTES: usize = 16;
/// No cursor of ours is longer.
const MAX_CURSOR_CHARS: usize = 2_000;

/// The query of a list that takes no filters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    pub(crate) limit: Option<String>,
    pub(crate) cursor: Option<String>,
}

/// What a cursor belongs to: the list, who reads it, and every filter. With anything else it is refused.
pub(crate) struct List<'a> {
    app: &'a App,
    identity: Vec<u8>,
}

impl<'a> List<'a> {
    /// A list of that name with everything that makes it this list and no other.
    pub(crate) fn new(app: &'a App, name: &str, identity: &impl Serialize) -> Result<Self, Failure> {
        let identity = serde_json::to_vec(&(name, identity)).map_err(Failure::internal)?;
        Ok(Self { app, identity })
    }

    /// The page asked for by `limit` and `cursor`.
    pub(crate) fn request<K: DeserializeOwned>(
        &self,
        limit: Option<&str>,
        cursor: Option<&str>,
        direction: Direction,
        fields: &mut Fields,
    ) -> Result<PageRequest<K>, Failure> {
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => {
                let limit =
                    text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit) && limit.to_string() == text);
                fields.take("limit", limit.ok_or("must be a whole number from 1 to 100")).unwrap_or(DEFAULT_LIMIT)
            }
        };
        let after = cursor.map(|cursor| self.open(cursor)).transpose()?;
        Ok(PageRequest { limit, after, direction })
    }

    /// The page as an answer, with the cursor of the next one.
    pub(crate) fn answer<T: Serialize, K: Serialize>(&self, page: &Page<T, K>, limit: u32) -> Result<Answer, Failure> {
        let next_cursor = page.next.as_ref().map(|key| self.seal(key)).transpose()?;
        Answer::page(&page.items, Meta { limit, next_cursor })
    }

    fn seal(&self, key: &impl Serialize) -> Result<String, Failure> {
        let payload = serde_json::to_vec(key).map_err(Failure::internal)?;
        let (_, secret) = self.app.secrets.current(Purpose::Cursors);
        let mac = self.mac(secret, &payload).finalize().into_bytes();
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
        let (_, secret) = self.app.secrets.current(Purpose::Cursors);
        self.mac(secret, payload).verify_truncated_left(mac).ok()?;
        Some(payload.to_vec())
    }

    fn mac(&self, secret: &[u8; 32], payload: &[u8]) -> Hmac<Sha256> {
        let mut block = [0; 64];
        block[..secret.len()].copy_from_slice(secret);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&(self.identity.len() as u64).to_be_bytes());
        mac.update(&self.identity);
        mac.update(payload);
        mac
    }
}
