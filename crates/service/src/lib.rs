//! The services between the domain and its clients. They carry out requests and commands and do not depend on HTTP.
//!
//! [`Changes`] runs use cases and commits them. Only [`Transactions`] opens units for writing; the other services are
//! built on it. No service knows the whole application or its configuration.

mod authority;
mod authority_cache;
mod cached;
mod changes;
mod clean_up;
mod committed;
mod error;
mod idempotency;
mod issuer;
mod jobs;
mod limits;
mod link_pages;
pub mod log_context;
mod noted_addresses;
mod proof;
mod reader;
mod refusals;
mod reply;
mod retention;
mod sealing;
mod transactions;
mod usage;

pub use authority::Authenticator;
pub use authority_cache::{AuthorityCache, AuthorityReader, CachedAuthority};
pub use cached::AssignmentCounts;
pub use changes::{ChangeRequest, Changes, CommitMode, Work};
pub use clean_up::{Cleaner, RetentionCounts};
pub use committed::{Publisher, listen_invalidations};
pub use error::{ServiceError, chain};
pub use idempotency::IdempotentRequest;
pub use issuer::{SessionTokens, TokenIssuer};
pub use jobs::{Accounts, BlobKeeper, CleanUps, EmailSender, QUEUES, SealsJournal};
pub use limits::{RequestLimits, ServingProcesses};
pub use link_pages::LinkPages;
pub use noted_addresses::NotedAddresses;
pub use proof::{LoginAttempt, Proofs};
pub use reader::Reader;
pub use refusals::{Refusals, Refused};
pub use reply::Reply;
pub use retention::JournalRetention;
pub use sealing::{JournalSealer, SealJournal, Sealed};
pub use tenantry_store::{Scope, SystemReason, Unit};
pub use transactions::Transactions;
pub use usage::Usage;
