//! Any single manipulation of a sealed log is reported, with the entry that it concerns.

use hmac::{Hmac, Mac};
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, json};
use sha2::Sha256;
use tenantry_kernel::{Timestamp, canonical_json, commitment_to};

use super::*;
use crate::{EvidenceLine, Personal, Record, Signature};

/// A key for tests. Its "signature" is a MAC, which is as hard to forge without the key.
struct Key(u8);

impl Key {
    fn sign(&self, message: &[u8]) -> Signature {
        let half = |mark: u8| -> [u8; 32] {
            let mut mac = Hmac::<Sha256>::new(&[self.0 ^ mark; 64].into());
            mac.update(message);
            mac.finalize().into_bytes().into()
        };
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&half(0));
        signature[32..].copy_from_slice(&half(1));
        Signature(signature)
    }

    fn id(&self) -> String {
        format!("key-{}", self.0)
    }
}

/// Trusted keys.
struct Keys(Vec<Key>);

impl SealKeys for Keys {
    fn check(&self, key_id: &str, message: &[u8], signature: &Signature) -> Trust {
        match self.0.iter().find(|key| key.id() == key_id) {
            None => Trust::UnknownKey,
            Some(key) if key.sign(message) == *signature => Trust::Good,
            Some(_) => Trust::Bad,
        }
    }
}

#[derive(Clone)]
struct Log(Vec<(Segment, Vec<Evidence>)>);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis).unwrap()
}

fn evidence(number: u128) -> Evidence {
    let salt = [u8::try_from(number % 251).unwrap(); 32];
    let part = canonical_json(&json!({ "actorName": format!("Person {number}"), "ip": "127.0.0.1" })).unwrap();
    let record = Record {
        version: 1,
        id: Uuid::from_u128(number << 64 | 7 << 76 | number),
        tenant: None,
        occurred_at: at(1_700_000_000_000 + i64::try_from(number).unwrap()),
        action: "role.created".to_owned(),
        outcome: "succeeded".to_owned(),
        actor_type: "user".to_owned(),
        actor_id: Some(Uuid::from_u128(9)),
        on_behalf_of: None,
        target_type: Some("role".to_owned()),
        target_id: Some(Uuid::from_u128(number)),
        changes: json!([{ "field": "name", "to": format!("role {number}") }]),
        request_id: Uuid::from_u128(number + 1),
        count: 1,
        commitment: hex::encode(commitment_to(&part, &salt)),
        newer: Map::new(),
    };
    Evidence { record, personal: Some(Personal { part, salt }) }
}

impl Log {
    /// Creates a sealed log with segments of these sizes.
    fn sealed(sizes: &[u8], key: &Key) -> Self {
        let mut log = Vec::new();
        let (mut previous, mut position) = (None, 1);
        for (size, number) in sizes.iter().zip(1..) {
            let entries: Vec<Evidence> =
                (0..i64::from(*size)).map(|n| evidence(u128::try_from(position + n).unwrap())).collect();
            let list = |e: &Evidence| Listed { id: e.record.id, digest: e.record.digest().unwrap() };
            let listed: Vec<Listed> = entries.iter().map(list).collect();
            let seal = Seal {
                version: 1,
                chain: Chain(None),
                number,
                first_position: position,
                count: i64::from(*size),
                newest: entries.last().unwrap().record.occurred_at,
                previous,
                entries: Listed::digest_of(&listed),
                sealed_at: at(1_800_000_000_000),
                key_id: key.id(),
                newer: Map::new(),
            };
            previous = Some(seal.digest().unwrap());
            position += i64::from(*size);
            let signature = key.sign(seal.canonical().unwrap().as_bytes());
            log.push((Segment { seal, signature, listed: Some(listed) }, entries));
        }
        Self(log)
    }

    fn head(&self) -> Option<Head> {
        self.0.last().map(|(segment, _)| Head::of(&segment.seal).unwrap())
    }

    /// Verifies the log by way of its lines.
    fn verify(&self, keys: &Keys, head: Option<Head>) -> Result<Summary, Finding> {
        let mut verifier = Verifier::new(Chain(None), keys, head.as_slice());
        for (segment, entries) in &self.0 {
            let through_text = |line: EvidenceLine| EvidenceLine::read(&line.write().unwrap()).unwrap();
            let found = |entry: &Evidence| match through_text(EvidenceLine::Entry(entry.clone())) {
                EvidenceLine::Entry(entry) => Found::new(&entry).unwrap(),
                _ => unreachable!(),
            };
            let found: Vec<Found> = entries.iter().map(found).collect();
            match through_text(EvidenceLine::Segment(segment.clone())) {
                EvidenceLine::Segment(segment) => verifier.segment(&segment, &found)?,
                _ => unreachable!(),
            }
        }
        verifier.finish()
    }
}

/// A manipulation of a log, and the expected finding.
#[derive(Debug, Clone, Copy)]
enum Manipulation {
    Change,
    ChangePersonalPart,
    Drop,
    Add,
    Repeat,
    Swap,
    ChangeList,
    ChangeWithList,
    ChangeSeal,
    DropSegment,
    SwapSegments,
    Empty,
}

const MANIPULATIONS: &[Manipulation] = &[
    Manipulation::Change,
    Manipulation::ChangePersonalPart,
    Manipulation::Drop,
    Manipulation::Add,
    Manipulation::Repeat,
    Manipulation::Swap,
    Manipulation::ChangeList,
    Manipulation::ChangeWithList,
    Manipulation::ChangeSeal,
    Manipulation::DropSegment,
    Manipulation::SwapSegments,
    Manipulation::Empty,
];

impl Manipulation {
    /// Applies the manipulation at some place; `None` when the log has no such place.
    fn done(self, log: &mut Log, place: Index, other: Index) -> Option<Finding> {
        let segments = log.0.len();
        let chosen = place.index(segments);
        let (segment, entries) = &mut log.0[chosen];
        let (number, first, last) = super::place(&segment.seal);
        let index = other.index(entries.len());
        let position = first + i64::try_from(index).unwrap();
        let id = entries[index].record.id;
        Some(match self {
            Self::Change => {
                let record = &mut entries[index].record;
                match index % 4 {
                    0 => record.count += 1,
                    1 => record.outcome = "denied".to_owned(),
                    2 => record.actor_id = None,
                    _ => record.changes = json!([]),
                }
                Finding::Changed { position, id }
            }
            Self::ChangePersonalPart => {
                entries[index].personal.as_mut()?.part = "{\"actorName\":\"Mallory\"}".to_owned();
                Finding::PersonalPartChanged { position, id }
            }
            Self::Drop => {
                entries.remove(index);
                Finding::Dropped { position, id }
            }
            Self::Add => {
                let added = evidence(1_000_000);
                let id = added.record.id;
                entries.insert(index, added);
                Finding::Added { position: Some(position), id }
            }
            Self::Repeat => {
                let repeated = entries[index].clone();
                entries.insert(index + 1, repeated);
                Finding::Added { position: Some(position + 1), id }
            }
            Self::Swap => {
                let with = place.index(entries.len());
                if with == index {
                    return None;
                }
                entries.swap(index, with);
                let first_moved = index.min(with);
                let position = first + i64::try_from(first_moved).unwrap();
                Finding::Moved { position, id: entries[first_moved].record.id }
            }
            Self::ChangeList => {
                segment.listed.as_mut()?[index].digest.0[0] ^= 1;
                Finding::ListChanged { number, first, last }
            }
            Self::ChangeWithList => {
                entries[index].record.count += 1;
                segment.listed.as_mut()?[index].digest = entries[index].record.digest().unwrap();
                Finding::ListChanged { number, first, last }
            }
            Self::ChangeSeal => {
                segment.seal.sealed_at = at(1);
                Finding::Forged { number, first, last }
            }
            Self::DropSegment if chosen + 1 < segments => {
                log.0.remove(chosen);
                Finding::SegmentDropped { number, position: first }
            }
            Self::SwapSegments if chosen + 1 < segments => {
                log.0.swap(chosen, chosen + 1);
                Finding::SegmentDropped { number, position: first }
            }
            Self::Empty if chosen > 0 => {
                (segment.listed, *entries) = (None, Vec::new());
                Finding::Emptied { number, first, last }
            }
            Self::DropSegment | Self::SwapSegments | Self::Empty => return None,
        })
    }
}

fn sizes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..12u8, 1..6)
}

proptest! {
    #[test]
    fn a_sealed_log_is_whole(sizes in sizes()) {
        let log = Log::sealed(&sizes, &Key(1));
        let summary = log.verify(&Keys(vec![Key(2), Key(1)]), log.head()).unwrap();
        let entries: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
        prop_assert_eq!((summary.entries, summary.erased, summary.is_anchored), (entries, 0, true));
        prop_assert_eq!(summary.head, log.head());
    }

    #[test]
    fn one_manipulation_is_named_where_it_was_done(
        sizes in sizes(), manipulation in prop::sample::select(MANIPULATIONS), place: Index, other: Index,
    ) {
        let mut log = Log::sealed(&sizes, &Key(1));
        if let Some(finding) = manipulation.done(&mut log, place, other) {
            prop_assert_eq!(log.verify(&Keys(vec![Key(1)]), None), Err(finding));
        }
    }

    #[test]
    fn erased_persons_leave_seals_valid(sizes in sizes(), place: Index, other: Index) {
        let mut log = Log::sealed(&sizes, &Key(1));
        let segment = place.index(sizes.len());
        let entry = other.index(log.0[segment].1.len());
        log.0[segment].1[entry].personal = None;
        prop_assert_eq!(log.verify(&Keys(vec![Key(1)]), None).map(|summary| summary.erased), Ok(1));
    }

    #[test]
    fn removed_segments_leave_the_chain_valid(sizes in sizes(), place: Index) {
        let mut log = Log::sealed(&sizes, &Key(1));
        let removed = place.index(sizes.len() + 1);
        for (segment, entries) in &mut log.0[..removed] {
            (segment.listed, *entries) = (None, Vec::new());
        }
        let summary = log.verify(&Keys(vec![Key(1)]), log.head()).unwrap();
        prop_assert_eq!(summary.removed_segments, u64::try_from(removed).unwrap());
    }

    #[test]
    fn a_head_shows_what_was_cut_off(sizes in sizes(), place: Index) {
        let whole = Log::sealed(&sizes, &Key(1));
        let left = place.index(sizes.len());
        let cut = Log(whole.0[..left].to_vec());
        let keys = Keys(vec![Key(1)]);
        prop_assert!(cut.verify(&keys, None).is_ok());
        let last = i64::try_from(left).unwrap();
        let position = sizes[..left].iter().map(|size| i64::from(*size)).sum();
        let head = i64::try_from(sizes.len()).unwrap();
        prop_assert_eq!(cut.verify(&keys, whole.head()), Err(Finding::Truncated { last, position, head }));
    }

    #[test]
    fn a_head_shows_that_a_log_was_written_anew(sizes in sizes(), place: Index) {
        let before = Log::sealed(&sizes, &Key(1));
        let mut others = sizes.clone();
        let changed = place.index(sizes.len());
        others[changed] += 1;
        let anew = Log::sealed(&others, &Key(1));
        let keys = Keys(vec![Key(1)]);
        prop_assert!(anew.verify(&keys, None).is_ok());
        let number = i64::try_from(sizes.len()).unwrap();
        prop_assert_eq!(anew.verify(&keys, before.head()), Err(Finding::Rewritten { number }));
    }
}

#[test]
fn keys_that_are_not_trusted_prove_nothing() {
    let log = Log::sealed(&[2, 2], &Key(1));
    let unknown = Finding::UnknownKey { number: 1, key_id: "key-1".to_owned() };
    assert_eq!(log.verify(&Keys(vec![Key(2)]), None), Err(unknown));
    assert!(Log(Vec::new()).verify(&Keys(Vec::new()), None).is_ok());
}

#[test]
fn a_seal_of_another_log_is_no_seal_of_this() {
    let log = Log::sealed(&[1], &Key(1));
    let chain = Chain(Some("0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap()));
    let keys = Keys(vec![Key(1)]);
    let mut verifier = Verifier::new(chain, &keys, &[]);
    let moved = Finding::SegmentMoved { number: 1, expected: 1 };
    assert_eq!(verifier.segment(&log.0[0].0, &[]), Err(moved));
}

#[test]
fn a_head_survives_its_text() {
    let head = Log::sealed(&[3], &Key(1)).head().unwrap();
    assert_eq!(head.to_string().parse(), Ok(head));
    for bad in ["", "none:1", "none:x:00", &format!("{head}:1")] {
        assert_eq!(bad.parse::<Head>(), Err(HeadError), "{bad}");
    }
}

#[test]
fn entries_of_a_newer_program_are_verified_in_an_export_and_not_in_a_database() {
    let newer = |number| {
        let mut evidence = evidence(number);
        evidence.record.version = 2;
        evidence.record.newer.insert("device".to_owned(), json!({ "name": "watch" }));
        evidence
    };
    let entries = [evidence(1), newer(2), newer(3)];
    let listed: Vec<Listed> =
        entries.iter().map(|e| Listed { id: e.record.id, digest: e.record.digest().unwrap() }).collect();
    let Log(mut log) = Log::sealed(&[3], &Key(1));
    let (mut segment, _) = log.remove(0);
    segment.seal.entries = Listed::digest_of(&listed);
    segment.seal.newer.insert("witness".to_owned(), json!("w1"));
    segment.signature = Key(1).sign(segment.seal.canonical().unwrap().as_bytes());
    segment.listed = Some(listed);
    let keys = Keys(vec![Key(1)]);
    let verified = |log: &Log| log.verify(&keys, None).map(|summary| (summary.entries, summary.newer));
    let mut exported = Log(vec![(segment.clone(), entries.to_vec())]);
    assert_eq!(verified(&exported), Ok((3, 0)));
    exported.0[0].1[2].record.newer.clear();
    let id = entries[2].record.id;
    assert_eq!(verified(&exported), Err(Finding::Changed { position: 3, id }));

    let in_database = |entries: &[Evidence]| {
        let rows = entries.iter().cloned().map(|mut evidence| {
            evidence.record.newer.clear();
            Found::of_row(&evidence).unwrap()
        });
        let mut verifier = Verifier::new(Chain(None), &keys, &[]);
        verifier.segment(&segment, &rows.collect::<Vec<_>>())?;
        verifier.finish().map(|summary| (summary.entries, summary.newer))
    };
    assert_eq!(in_database(&entries), Ok((1, 2)));
    let mut tampered = entries.clone();
    tampered[0].record.count += 1;
    assert_eq!(in_database(&tampered), Err(Finding::Changed { position: 1, id: entries[0].record.id }));
}
