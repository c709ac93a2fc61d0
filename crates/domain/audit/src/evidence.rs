//! The export format that can be verified elsewhere: canonical JSON (RFC 8785), one object per line.
//!
//! The first line names the log. Then the segments follow in order: the entries of a segment in the order of their
//! positions, each with its personal part and the salt of its commitment, then the seal with the list of entries. A
//! segment whose entries were removed at the end of their retention consists of its seal alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenantry_kernel::canonical_json;

use crate::{Chain, Digest, Listed, Personal, Record, Seal, Segment, Signature};

/// An entry with everything that a check of its seal needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The sealed part.
    pub record: Record,
    /// The personal part; `None` after erasure.
    pub personal: Option<Personal>,
}

/// The first line, which names the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the format.
    pub version: u32,
    /// The log.
    pub chain: Chain,
}

impl Header {
    /// Version of the format that this release writes.
    pub const VERSION: u32 = 1;
}

/// A segment as written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentEvidence {
    seal: Seal,
    signature: Signature,
    digest: Digest,
    /// The list of entries in hexadecimal, 48 bytes per entry; `null` after its entries were removed.
    listed: Option<String>,
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceLine {
    /// The first line.
    Header(Header),
    /// An entry.
    Entry(Evidence),
    /// The end of a segment.
    Segment(Segment),
}

/// The line is not in the format of an export. The error does not repeat its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a line of an export with seals")]
pub struct EvidenceError;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<Record>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    personal: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentEvidence>,
}

impl Text {
    const EMPTY: Self = Self { journal: None, entry: None, personal: None, salt: None, segment: None };
}

impl EvidenceLine {
    /// Returns the line, without a line break.
    pub fn write(&self) -> Result<String, EvidenceError> {
        let text = match self {
            Self::Header(header) => Text { journal: Some(header.clone()), ..Text::EMPTY },
            Self::Entry(Evidence { record, personal }) => {
                let part = personal.as_ref().map(|personal| serde_json::from_str(&personal.part)).transpose();
                Text {
                    entry: Some(record.clone()),
                    personal: part.map_err(|_| EvidenceError)?,
                    salt: personal.as_ref().map(|personal| Digest(personal.salt)),
                    ..Text::EMPTY
                }
            }
            Self::Segment(segment) => Text {
                segment: Some(SegmentEvidence {
                    digest: segment.seal.digest().map_err(|_| EvidenceError)?,
                    seal: segment.seal.clone(),
                    signature: segment.signature,
                    listed: segment.listed.as_deref().map(|list| hex::encode(Listed::write_all(list))),
                }),
                ..Text::EMPTY
            },
        };
        canonical_json(&text).map_err(|_| EvidenceError)
    }

    /// Parses a line. It must be written exactly as [`EvidenceLine::write`] writes it: with a repeated name, for example,
    /// another reader could see a value that was not verified.
    pub fn read(line: &str) -> Result<Self, EvidenceError> {
        let read = Self::parse(line)?;
        if read.write()? == line { Ok(read) } else { Err(EvidenceError) }
    }

    fn parse(line: &str) -> Result<Self, EvidenceError> {
        let text: Text = serde_json::from_str(line).map_err(|_| EvidenceError)?;
        match text {
            Text { journal: Some(header), entry: None, personal: None, salt: None, segment: None } => {
                if header.version == Header::VERSION { Ok(Self::Header(header)) } else { Err(EvidenceError) }
            }
            Text { journal: None, entry: Some(record), personal, salt, segment: None } => {
                let personal = match (personal, salt) {
                    (Some(part), Some(salt)) => {
                        let part = canonical_json(&part).map_err(|_| EvidenceError)?;
                        Some(Personal { part, salt: salt.0 })
                    }
                    (None, None) => None,
                    _ => return Err(EvidenceError),
                };
                Ok(Self::Entry(Evidence { record, personal }))
            }
            Text { journal: None, entry: None, personal: None, salt: None, segment: Some(segment) } => {
                let read = |list: &String| {
                    hex::decode(list).ok().and_then(|bytes| Listed::read_all(&bytes)).ok_or(EvidenceError)
                };
                let listed = segment.listed.as_ref().map(read).transpose()?;
                Ok(Self::Segment(Segment { seal: segment.seal, signature: segment.signature, listed }))
            }
            _ => Err(EvidenceError),
        }
    }
}
