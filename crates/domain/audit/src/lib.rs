//! The audit log: reading the journal, sealing it, verifying seals, and retention.
//!
//! [`Verifier`] needs no store and no network: a service that embeds this crate can verify an export with any Ed25519
//! library behind [`SealKeys`].

mod csv;
mod entries;
mod error;
mod evidence;
mod policy;
mod record;
mod seals;
mod verify;
pub mod vocabulary;

pub use csv::{harmless_cell, original_cell};
pub use entries::{
    ActionFilter, Entries, Entry, EntryFilter, EntryTarget, ExportAuditLog, ExportFormat, ReadAuditLog,
    export_audit_log,
};
pub use error::AuditError;
pub use evidence::{Evidence, EvidenceError, EvidenceLine, Header};
pub use policy::{
    AuditPolicies, AuditPolicy, ChangeAuditPolicy, EffectivePolicy, MAX_RETENTION_DAYS, Retention, change_audit_policy,
};
pub use record::{Personal, Record};
pub use seals::{
    Chain, Digest, Listed, MAX_SEGMENT_ENTRIES, Seal, SealKeys, SealSigner, Seals, Segment, Signature, Trust, Unsealed,
    remove_oldest_segment, seal_next_segment,
};
pub use verify::{Finding, Found, Head, Summary, Verifier};
