//! Seals: committed entries are grouped into segments, each signed and linked to the previous one.
//!
//! A segment is a list of entries, each with the digest of its canonical form, in the order of their positions. Its
//! seal states their number, their positions, the digest of the list and the digest of the previous seal, and is
//! signed. Positions are assigned only here: a database sequence could leave a gap or be set back.

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};
use tenantry_kernel::{
    Actor, CanonicalError, Context, Event, Journal, Page, PageRequest, StoreError, TenantId, Timestamp, canonical_json,
    parse_own_id,
};
use uuid::Uuid;

use crate::{Evidence, Record, record::no_canonical_form, vocabulary::AUDIT_SEALED};

/// Maximum number of entries per segment. It bounds the memory of a verification and the writes of one sealing unit.
pub const MAX_SEGMENT_ENTRIES: u32 = 1_000;

/// Version of the canonical form of seals.
const SEAL_VERSION: u32 = 1;

/// A log with its own chain of seals: a tenant's, or the one of entries without a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain(pub Option<TenantId>);

impl Chain {
    const NO_TENANT: &'static str = "none";
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tenant) => tenant.fmt(f),
            None => f.write_str(Self::NO_TENANT),
        }
    }
}

impl FromStr for Chain {
    type Err = tenantry_kernel::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tenant = |text| parse_own_id(text).map(TenantId::from_uuid);
        if text == Self::NO_TENANT { Ok(Self(None)) } else { tenant(text).map(|tenant| Self(Some(tenant))) }
    }
}

/// Writes and parses a type as text in JSON.
macro_rules! as_text {
    ($name:ident, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|_| de::Error::custom(concat!("expected ", $what)))
            }
        }
    };
}

as_text!(Chain, "the id of a tenant, or none");

macro_rules! hexadecimal {
    ($(#[$doc:meta])* $name:ident $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        as_text!($name, "hexadecimal");
    };
}

hexadecimal!(
    /// A SHA-256 digest (FIPS 180-4).
    Digest 32
);
hexadecimal!(
    /// An Ed25519 signature (RFC 8032).
    Signature 64
);

/// The content of a seal; all of it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// Version of the format.
    pub version: u32,
    /// The log.
    pub chain: Chain,
    /// Number of the segment in the chain, counted from 1.
    pub number: i64,
    /// Position of the first entry in the whole log, counted from 1.
    pub first_position: i64,
    /// Number of entries, at least one.
    pub count: i64,
    /// Time of the newest entry.
    pub newest: Timestamp,
    /// [`Seal::digest`] of the previous segment; absent in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// SHA-256 of the ids and digests of the entries: [`Listed::digest_of`].
    pub entries: Digest,
    /// Time of sealing.
    pub sealed_at: Timestamp,
    /// Id of the signing key: the thumbprint of its public key (RFC 7638).
    pub key_id: String,
    /// The fields of a newer version, which this program does not know. They are signed too, and count for the link to
    /// the next seal.
    #[serde(flatten)]
    pub newer: Map<String, Value>,
}

impl Seal {
    /// Returns the signed bytes: canonical JSON (RFC 8785).
    pub fn canonical(&self) -> Result<String, CanonicalError> {
        canonical_json(self)
    }

    /// Returns the digest to which the next seal is linked, and which an auditor keeps elsewhere as the head of the
    /// chain.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest(Sha256::digest(self.canonical()?).into()))
    }

    /// Returns the position of the last entry.
    pub fn last_position(&self) -> i64 {
        self.first_position + self.count - 1
    }
}

/// An item of a segment's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Id of the entry.
    pub id: Uuid,
    /// SHA-256 of its canonical form.
    pub digest: Digest,
}

impl Listed {
    const BYTES: usize = 16 + 32;

    /// Encodes a list for storage: 48 bytes per entry.
    pub fn write_all(list: &[Self]) -> Vec<u8> {
        list.iter().flat_map(|listed| listed.id.into_bytes().into_iter().chain(listed.digest.0)).collect()
    }

    /// Decodes a list; `None` when the bytes are not a list.
    pub fn read_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let (entries, rest) = bytes.as_chunks::<{ Self::BYTES }>();
        if !rest.is_empty() {
            return None;
        }
        let entry = |bytes: &[u8; Self::BYTES]| {
            let (id, digest) = bytes.split_at(16);
            Some(Self { id: Uuid::from_slice(id).ok()?, digest: Digest(digest.try_into().ok()?) })
        };
        entries.iter().map(entry).collect()
    }

    /// Returns the SHA-256 of the list, in the order of positions.
    pub fn digest_of(list: &[Self]) -> Digest {
        Digest(Sha256::digest(Self::write_all(list)).into())
    }
}

/// A seal with its signature and the list of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The signed content.
    pub seal: Seal,
    /// The signature of [`Seal::canonical`].
    pub signature: Signature,
    /// The list of entries; `None` after the entries were removed at the end of their retention.
    pub listed: Option<Vec<Listed>>,
}

/// Numbers of entries of a chain that are in no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsealed {
    /// All of them.
    pub entries: u64,
    /// Those that a newer program made, and has to seal.
    pub newer: u64,
}

/// Port: signs new seals.
pub trait SealSigner: Send + Sync {
    /// Returns the id of the key.
    fn key_id(&self) -> &str;

    /// Returns the Ed25519 signature of the message.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// Result of a signature check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The signature was made by this trusted key.
    Good,
    /// The signature was not made by this key.
    Bad,
    /// The key is not trusted.
    UnknownKey,
}

/// Port: the trusted keys. They must not come from the data that is verified.
pub trait SealKeys: Send + Sync {
    /// Checks whether the key with this id made the signature of the message.
    fn check(&self, key_id: &str, message: &[u8], signature: &Signature) -> Trust;
}

/// Port: stores seals and the unsealed entries. Needs System units, except for reading a tenant's own seals.
#[async_trait]
pub trait Seals: Send {
    /// Returns the first chain after `after`, in the order of chains, that has unsealed entries.
    async fn next_unsealed_chain(&mut self, after: Option<Chain>) -> Result<Option<Chain>, StoreError>;

    /// Returns the first chain after `after`, in the order of chains, that has a seal.
    async fn next_sealed_chain(&mut self, after: Option<Chain>) -> Result<Option<Chain>, StoreError>;

    /// Locks a chain against other units that seal or remove, until this unit ends.
    async fn lock_chain(&mut self, chain: Chain) -> Result<(), StoreError>;

    /// Returns the last segment of the chain, without its list.
    async fn last_segment(&mut self, chain: Chain) -> Result<Option<Segment>, StoreError>;

    /// Returns at most `limit` committed entries that are in no segment, by id. Leaves out entries of a newer version
    /// ([`Record::is_newer`]): this program does not know all that their sealed form contains. A newer program seals
    /// them later; the order of positions is the order of sealing.
    async fn unsealed_records(&mut self, chain: Chain, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// Stores a new segment and marks its entries as sealed. Fails with [`StoreError::Collision`] when a segment with
    /// that number exists, and with [`StoreError::Inconsistent`] when one of the entries was already sealed.
    async fn insert_segment(&mut self, segment: &Segment) -> Result<(), StoreError>;

    /// Returns the number of the first segment at or after `number`, even if its stored data cannot be read as a
    /// segment.
    async fn segment_number_from(&mut self, chain: Chain, number: i64) -> Result<Option<i64>, StoreError>;

    /// Returns one segment.
    async fn segment_of(&mut self, chain: Chain, number: i64) -> Result<Option<Segment>, StoreError>;

    /// Returns a page of segments by number, without their lists. A tenant's unit may read its own chain.
    async fn page_segments(&mut self, chain: Chain, page: PageRequest<i64>) -> Result<Page<Segment, i64>, StoreError>;

    /// Returns the existing ones of these entries, with their personal parts if any, in the requested order. A tenant's
    /// unit may read its own chain.
    async fn evidence_of(&mut self, chain: Chain, ids: &[Uuid]) -> Result<Vec<Evidence>, StoreError>;

    /// Searches the next `limit` entries after an id for the first that is in the journal but neither in a segment nor
    /// marked as unsealed. Also returns the last id examined; `None` at the end of the log.
    async fn unaccounted_entry(
        &mut self,
        chain: Chain,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<(Option<Uuid>, Option<Uuid>), StoreError>;

    /// Counts unsealed entries.
    async fn count_unsealed(&mut self, chain: Chain) -> Result<Unsealed, StoreError>;

    /// Returns the first segment whose entries still exist.
    async fn oldest_kept_segment(&mut self, chain: Chain) -> Result<Option<Segment>, StoreError>;

    /// Counts the entries of removable segments: those before the first one whose newest entry is not older than
    /// `before`.
    async fn count_removable(&mut self, chain: Chain, before: Timestamp) -> Result<u64, StoreError>;

    /// Removes the entries of a segment, their personal parts, and its list; the seal stays.
    async fn remove_entries(&mut self, segment: &Segment) -> Result<(), StoreError>;
}

/// Seals the next segment of a chain, with at most [`MAX_SEGMENT_ENTRIES`] unsealed entries; returns `None` when there
/// are none.
///
/// The event of this sealing is the last entry of the segment itself. It is never unsealed, so that sealing a quiet log
/// comes to an end.
pub async fn seal_next_segment(
    unit: &mut (impl Seals + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    signer: &dyn SealSigner,
    chain: Chain,
) -> Result<Option<Segment>, StoreError> {
    unit.lock_chain(chain).await?;
    let mut records = unit.unsealed_records(chain, MAX_SEGMENT_ENTRIES - 1).await?;
    if records.is_empty() {
        return Ok(None);
    }
    let last = unit.last_segment(chain).await?;
    let number = last.as_ref().map_or(1, |last| last.seal.number + 1);
    let count = i64::try_from(records.len()).unwrap_or(i64::MAX) + 1;
    let mut event =
        Event::new(context, actor, AUDIT_SEALED).within(chain.0).set("segment", number).set("entries", count);
    if let Some(tenant) = chain.0 {
        event = event.target(tenant, None);
    }
    records.push(Record::of(&event).map_err(no_canonical_form)?);
    unit.append_event(event).await?;

    let sealed_at = context.now();
    let list = |record: &Record| Ok(Listed { id: record.id, digest: record.digest()? });
    let listed: Vec<Listed> = records.iter().map(list).collect::<Result<_, _>>().map_err(no_canonical_form)?;
    let previous = last.as_ref().map(|last| last.seal.digest()).transpose().map_err(no_canonical_form)?;
    let seal = Seal {
        version: SEAL_VERSION,
        chain,
        number,
        first_position: last.as_ref().map_or(1, |last| last.seal.last_position() + 1),
        count,
        newest: records.iter().map(|record| record.occurred_at).max().unwrap_or(sealed_at),
        previous,
        entries: Listed::digest_of(&listed),
        sealed_at,
        key_id: signer.key_id().to_owned(),
        newer: Map::new(),
    };
    let signature = signer.sign(seal.canonical().map_err(no_canonical_form)?.as_bytes());
    let segment = Segment { seal, signature, listed: Some(listed) };
    unit.insert_segment(&segment).await?;
    Ok(Some(segment))
}

/// Removes the entries of the oldest segment that still has them, if all of them are older than `before`, and returns
/// their number. Segments are removed only from the beginning of a chain, so a gap elsewhere was not caused by
/// retention.
pub async fn remove_oldest_segment(
    unit: &mut (impl Seals + ?Sized),
    chain: Chain,
    before: Timestamp,
) -> Result<Option<u64>, StoreError> {
    unit.lock_chain(chain).await?;
    match unit.oldest_kept_segment(chain).await? {
        Some(oldest) if oldest.seal.newest < before => {
            unit.remove_entries(&oldest).await?;
            Ok(Some(u64::try_from(oldest.seal.count).unwrap_or(0)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_its_bytes() {
        let list: Vec<Listed> =
            (0..3).map(|n| Listed { id: Uuid::from_u128(n), digest: Digest([u8::try_from(n).unwrap(); 32]) }).collect();
        let bytes = Listed::write_all(&list);
        assert_eq!(bytes.len(), 3 * 48);
        assert_eq!(Listed::read_all(&bytes), Some(list));
        assert_eq!(Listed::read_all(&bytes[1..]), None);
        assert_eq!(Listed::read_all(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_chain_is_a_tenant_or_none() {
        let tenant = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(tenant.parse::<Chain>().map(|chain| chain.to_string()), Ok(tenant.to_owned()));
        assert_eq!("none".parse(), Ok(Chain(None)));
        assert!("".parse::<Chain>().is_err());
    }

    #[test]
    fn the_canonical_form_of_a_seal_is_this() {
        let seal = Seal {
            version: 1,
            chain: Chain(None),
            number: 2,
            first_position: 8,
            count: 3,
            newest: Timestamp::from_unix_millis(1_700_000_000_000).unwrap(),
            previous: Some(Digest([0xab; 32])),
            entries: Digest([0xcd; 32]),
            sealed_at: Timestamp::from_unix_millis(1_700_000_060_000).unwrap(),
            key_id: "key".to_owned(),
            newer: Map::new(),
        };
        let (previous, entries) = ("ab".repeat(32), "cd".repeat(32));
        let expected = format!(
            "{{\"chain\":\"none\",\"count\":3,\"entries\":\"{entries}\",\"firstPosition\":8,\"keyId\":\"key\",\
             \"newest\":\"2023-11-14T22:13:20.000Z\",\"number\":2,\"previous\":\"{previous}\",\
             \"sealedAt\":\"2023-11-14T22:14:20.000Z\",\"version\":1}}"
        );
        assert_eq!(seal.canonical().unwrap(), expected);
        assert_eq!(serde_json::from_str::<Seal>(&expected).unwrap(), seal);

        let of_a_newer_program = expected.replace("\"version\":1", "\"version\":2,\"witness\":{\"at\":[1]}");
        let read: Seal = serde_json::from_str(&of_a_newer_program).unwrap();
        assert_eq!(read.canonical().unwrap(), of_a_newer_program, "signed, and linked to, as it is stored");
    }
}
