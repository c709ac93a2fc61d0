//! The shared language of the domain crates: typed ids, time and randomness as arguments, actors and their authority,
//! permissions, and the vocabulary of the crates' public names. Also email addresses, pages, the journal and the table
//! of error codes.
//!
//! This crate does no I/O, reads no clock and draws no random numbers. An item belongs here only when three domain
//! crates need it.

mod action;
mod actor;
mod authority;
mod authorization;
mod canonical;
mod context;
mod default_role;
mod email;
mod error;
mod event;
mod ids;
mod names;
mod page;
mod permission;
mod text;
mod trace;
mod vocabulary;

pub use action::{Action, Target, TargetKind};
pub use actor::{Actor, ActorKind, Origin};
pub use authority::{
    Assurance, Authorities, Authority, HeldRole, Principal, SessionPrincipal, TenantAuthority, TenantStatus,
};
pub use authorization::{Command, Refusal, Requirement, authorize};
pub use canonical::{CanonicalError, canonical_json};
pub use context::{Clock, Context, Entropy, Timestamp};
pub use default_role::DefaultRole;
pub use email::{EmailAddress, EmailError};
pub use error::{Coded, ErrorCode, ErrorKind, FieldError, StoreError, missing_permissions};
pub use event::{ChangeValue, EVENT_VERSION, Event, FieldChange, Journal, Outcome, PersonalPart, commitment_to};
#[doc(hidden)]
pub use ids::macros;
pub use ids::{EventId, IdError, RequestId, RoleId, SessionId, SignInId, TenantId, UserId, parse_own_id};
pub use page::{Direction, MAX_LIMIT, Page, PageRequest};
pub use permission::{Permission, PermissionInfo, PermissionSet};
pub use text::{
    Name, TextError, bounded_line, fold, ignorable_ranges, is_word_char, stored_line, upper_bound, visible_line,
};
pub use trace::{TraceContext, TraceError, TraceId};
pub use vocabulary::{CrateVocabulary, DuplicateName, VOCABULARY, Vocabulary};
