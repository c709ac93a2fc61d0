//! Verifies that a log equals what was sealed, and otherwise names the first entry that differs.
//!
//! The caller passes a log segment by segment, with the entries found for each, so that one segment bounds the memory.
//! The verification trusts the keys and, where given, a [`Head`] that was kept elsewhere. Without a head it cannot
//! detect that segments were cut off at the end, or that the owner of a key rewrote the whole log.

use std::{collections::HashMap, fmt, str::FromStr};
use tenantry_kernel::CanonicalError;
use uuid::Uuid;

use crate::{Chain, Digest, Evidence, Listed, Seal, SealKeys, Segment, Trust};

/// The end of a chain at some time, to be kept outside the log. Its text form is `CHAIN:NUMBER:DIGEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The log.
    pub chain: Chain,
    /// Number of the last segment.
    pub number: i64,
    /// Digest of that segment's seal.
    pub digest: Digest,
}

/// The text is not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be CHAIN:NUMBER:DIGEST, as `tenantry audit head` prints it")]
pub struct HeadError;

impl Head {
    /// Returns the head of a chain that ends with this seal.
    pub fn of(seal: &Seal) -> Result<Self, CanonicalError> {
        Ok(Self { chain: seal.chain, number: seal.number, digest: seal.digest()? })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.chain, self.number, self.digest)
    }
}

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(HeadError);
        let head = Self {
            chain: next()?.parse().map_err(|_| HeadError)?,
            number: next()?.parse().map_err(|_| HeadError)?,
            digest: next()?.parse().map_err(|_| HeadError)?,
        };
        if parts.next().is_some() { Err(HeadError) } else { Ok(head) }
    }
}

/// The first difference between the log and its seals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// An entry differs from what was sealed.
    #[error("entry {id} at position {position} was changed")]
    Changed {
        /// Position of the entry.
        position: i64,
        /// Id of the entry.
        id: Uuid,
    },
    /// The personal part of an entry differs from what was sealed.
    #[error("the personal part of entry {id} at position {position} was changed")]
    PersonalPartChanged {
        /// Position of the entry.
        position: i64,
        /// Id of the entry.
        id: Uuid,
    },
    /// An entry is missing and was not removed at the end of its retention.
    #[error("entry {id} at position {position} was dropped")]
    Dropped {
        /// Position of the entry.
        position: i64,
        /// Id of the entry.
        id: Uuid,
    },
    /// An entry exists that was not sealed there.
    #[error("entry {id} was added{}", at(.position))]
    Added {
        /// The position before which it was found; `None` in a database, whose rows have no order.
        position: Option<i64>,
        /// Id of the entry.
        id: Uuid,
    },
    /// An entry is at another position than when it was sealed.
    #[error("entry {id} was moved to position {position}")]
    Moved {
        /// Position where it was found.
        position: i64,
        /// Id of the entry.
        id: Uuid,
    },
    /// The list of a segment's entries is not the signed one, so none of its entries can be trusted.
    #[error("the list of segment {number}, entries {first} to {last}, was changed")]
    ListChanged {
        /// Number of the segment.
        number: i64,
        /// Its first position.
        first: i64,
        /// Its last position.
        last: i64,
    },
    /// A segment has no entries although an earlier one has.
    #[error("the entries of segment {number}, {first} to {last}, were dropped, and not by retention")]
    Emptied {
        /// Number of the segment.
        number: i64,
        /// Its first position.
        first: i64,
        /// Its last position.
        last: i64,
    },
    /// A seal differs from what its key signed.
    #[error("the seal of segment {number}, entries {first} to {last}, was changed or forged")]
    Forged {
        /// Number of the segment.
        number: i64,
        /// Its first position.
        first: i64,
        /// Its last position.
        last: i64,
    },
    /// A seal was signed by a key that is not trusted.
    #[error("the seal of segment {number} was made by key {key_id}, which is none of the trusted ones")]
    UnknownKey {
        /// Number of the segment.
        number: i64,
        /// Id of the key.
        key_id: String,
    },
    /// Segments are missing.
    #[error("segment {number}, from position {position} on, was dropped")]
    SegmentDropped {
        /// Number of the first missing segment.
        number: i64,
        /// Position of its first entry.
        position: i64,
    },
    /// A segment is at another place than when it was sealed, in another log, or there twice.
    #[error("segment {number} was moved or added: segment {expected} was expected")]
    SegmentMoved {
        /// Number of the segment found.
        number: i64,
        /// Number of the segment expected.
        expected: i64,
    },
    /// A segment is not linked to the previous one.
    #[error("segment {number} does not follow from the previous one")]
    Unlinked {
        /// Number of the segment.
        number: i64,
    },
    /// The log ends before the given head.
    #[error(
        "the log ends with segment {last}, before segment {head} of the head: it was truncated after position {position}"
    )]
    Truncated {
        /// Number of the last existing segment; 0 when there is none.
        last: i64,
        /// The last existing position.
        position: i64,
        /// Number of the head's segment.
        head: i64,
    },
    /// The segment of the head differs from the one for which the head was taken.
    #[error(
        "segment {number} is not the one of the head: the log was rewritten, from this segment or an earlier one on"
    )]
    Rewritten {
        /// Number of the segment.
        number: i64,
    },
}

fn at(position: &Option<i64>) -> String {
    position.map(|position| format!(" before position {position}")).unwrap_or_default()
}

/// An entry as found, reduced to what the verification needs after its digest was computed.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    id: Uuid,
    digest: Digest,
    personal: PersonalPart,
    /// Whether the record may lack fields, because a newer program wrote its row.
    may_lack_fields: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PersonalPart {
    Fits,
    Changed,
    Erased,
}

impl Found {
    /// Reduces an entry as found in a database. Rows of a newer program may have columns that this program does not know.
    pub fn of_row(evidence: &Evidence) -> Result<Self, CanonicalError> {
        Ok(Self { may_lack_fields: evidence.record.is_newer(), ..Self::new(evidence)? })
    }

    /// Reduces an entry as found in an export, which has every field.
    pub fn new(evidence: &Evidence) -> Result<Self, CanonicalError> {
        let personal = match &evidence.personal {
            None => PersonalPart::Erased,
            Some(personal) if personal.fits(&evidence.record) => PersonalPart::Fits,
            Some(_) => PersonalPart::Changed,
        };
        Ok(Self { id: evidence.record.id, digest: evidence.record.digest()?, personal, may_lack_fields: false })
    }
}

/// Facts about an intact log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The log.
    pub chain: Chain,
    /// Number of segments, including those without entries.
    pub segments: i64,
    /// Number of verified entries.
    pub entries: u64,
    /// Number of entries that a newer program made, and whose digest this program cannot compute. They are not verified.
    pub newer: u64,
    /// Number of verified entries whose personal part was erased.
    pub erased: u64,
    /// Number of segments whose entries were removed at the end of their retention.
    pub removed_segments: u64,
    /// Number of entries in those segments.
    pub removed_entries: u64,
    /// The end of the chain, to be kept elsewhere.
    pub head: Option<Head>,
    /// Whether heads were given; all of them were found in the chain.
    pub is_anchored: bool,
}

/// Verifies one log, segment by segment.
pub struct Verifier<'k> {
    keys: &'k dyn SealKeys,
    expected: Vec<Head>,
    next_position: i64,
    summary: Summary,
}

impl<'k> Verifier<'k> {
    /// Starts the verification of a chain. Those of `heads` that belong to this chain must be found in it.
    pub fn new(chain: Chain, keys: &'k dyn SealKeys, heads: &[Head]) -> Self {
        let summary = Summary {
            chain,
            segments: 0,
            entries: 0,
            newer: 0,
            erased: 0,
            removed_segments: 0,
            removed_entries: 0,
            head: None,
            is_anchored: false,
        };
        let expected = heads.iter().filter(|head| head.chain == chain).copied().collect();
        Self { keys, expected, next_position: 1, summary }
    }

    /// Returns the log that is verified.
    pub fn chain(&self) -> Chain {
        self.summary.chain
    }

    /// Verifies the next segment with its entries in the order in which they were found.
    pub fn segment(&mut self, segment: &Segment, found: &[Found]) -> Result<(), Finding> {
        let digest = self.seal(segment)?;
        let seal = &segment.seal;
        match &segment.listed {
            None if !found.is_empty() => {
                return Err(Finding::Added { position: Some(seal.first_position), id: found[0].id });
            }
            None if self.summary.entries + self.summary.newer > 0 => {
                let (number, first, last) = place(seal);
                return Err(Finding::Emptied { number, first, last });
            }
            None => {
                self.summary.removed_segments += 1;
                self.summary.removed_entries += u64::try_from(seal.count).unwrap_or(0);
            }
            Some(listed) => {
                let is_signed = Listed::digest_of(listed) == seal.entries
                    && i64::try_from(listed.len()).is_ok_and(|count| count == seal.count);
                if !is_signed {
                    let (number, first, last) = place(seal);
                    return Err(Finding::ListChanged { number, first, last });
                }
                self.entries(seal, listed, found)?;
            }
        }
        self.next_position = seal.last_position() + 1;
        self.summary.segments = seal.number;
        self.summary.head = Some(Head { chain: seal.chain, number: seal.number, digest });
        Ok(())
    }

    /// Verifies the entries after the last segment of an export, where every entry must belong to a segment.
    pub fn rest(&self, found: &[Found]) -> Result<(), Finding> {
        match found.first() {
            Some(found) => Err(Finding::Added { position: Some(self.next_position), id: found.id }),
            None => Ok(()),
        }
    }

    /// Ends the verification and returns the facts.
    pub fn finish(self) -> Result<Summary, Finding> {
        match self.expected.iter().find(|head| head.number > self.summary.segments) {
            Some(head) => Err(Finding::Truncated {
                last: self.summary.segments,
                position: self.next_position - 1,
                head: head.number,
            }),
            None => Ok(self.summary),
        }
    }

    fn seal(&mut self, segment: &Segment) -> Result<Digest, Finding> {
        let seal = &segment.seal;
        let (number, first, last) = place(seal);
        let forged = Finding::Forged { number, first, last };
        let expected = self.summary.segments + 1;
        let canonical = seal.canonical().map_err(|_| forged.clone())?;
        match self.keys.check(&seal.key_id, canonical.as_bytes(), &segment.signature) {
            Trust::Good => {}
            Trust::Bad => return Err(forged),
            Trust::UnknownKey => return Err(Finding::UnknownKey { number, key_id: seal.key_id.clone() }),
        }
        if seal.chain != self.summary.chain || number < expected {
            return Err(Finding::SegmentMoved { number, expected });
        }
        if number > expected {
            return Err(Finding::SegmentDropped { number: expected, position: self.next_position });
        }
        if seal.previous != self.summary.head.map(|head| head.digest) || first != self.next_position {
            return Err(Finding::Unlinked { number });
        }
        let digest = seal.digest().map_err(|_| forged)?;
        for head in self.expected.iter().filter(|head| head.number == number) {
            if head.digest != digest {
                return Err(Finding::Rewritten { number });
            }
            self.summary.is_anchored = true;
        }
        Ok(digest)
    }

    fn entries(&mut self, seal: &Seal, listed: &[Listed], found: &[Found]) -> Result<(), Finding> {
        let places: HashMap<Uuid, usize> =
            listed.iter().enumerate().map(|(place, listed)| (listed.id, place)).collect();
        let mut found_in_all: HashMap<Uuid, usize> = HashMap::with_capacity(found.len());
        for found in found {
            *found_in_all.entry(found.id).or_default() += 1;
        }
        for (index, position) in (0..listed.len().max(found.len())).zip(seal.first_position..) {
            match (listed.get(index), found.get(index)) {
                (Some(listed), Some(found)) if listed.id == found.id => self.entry(position, listed, found)?,
                (Some(listed), _) if !found_in_all.contains_key(&listed.id) => {
                    return Err(Finding::Dropped { position, id: listed.id });
                }
                (_, Some(found)) if places.contains_key(&found.id) && found_in_all.get(&found.id) == Some(&1) => {
                    return Err(Finding::Moved { position, id: found.id });
                }
                (_, Some(found)) => return Err(Finding::Added { position: Some(position), id: found.id }),
                (_, None) => {}
            }
        }
        Ok(())
    }

    fn entry(&mut self, position: i64, listed: &Listed, found: &Found) -> Result<(), Finding> {
        let id = found.id;
        if listed.digest != found.digest {
            if found.may_lack_fields {
                self.summary.newer += 1;
                return Ok(());
            }
            return Err(Finding::Changed { position, id });
        }
        match found.personal {
            PersonalPart::Changed => return Err(Finding::PersonalPartChanged { position, id }),
            PersonalPart::Erased => self.summary.erased += 1,
            PersonalPart::Fits => {}
        }
        self.summary.entries += 1;
        Ok(())
    }
}

/// Returns the number of a segment and the positions of its first and last entry.
fn place(seal: &Seal) -> (i64, i64, i64) {
    (seal.number, seal.first_position, seal.last_position())
}

#[cfg(test)]
mod tests;
