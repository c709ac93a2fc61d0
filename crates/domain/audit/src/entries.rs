//! Reads a tenant's audit log.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Command, Context, Event, EventId, FieldChange, Journal, Outcome, Page, PageRequest, PersonalPart,
    RequestId, Requirement, StoreError, TargetKind, TenantId, Timestamp, UserId, Vocabulary,
};
use uuid::Uuid;

use crate::vocabulary::{AUDIT_EXPORT, AUDIT_EXPORTED, AUDIT_READ};

/// An event as stored in the journal. Names are shown as stored: a newer program may have written names that this
/// program does not declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id of the event.
    pub id: EventId,
    /// Version of the canonical form.
    pub version: i32,
    /// The tenant whose log holds the event; `None` for the log of the installation.
    pub tenant: Option<TenantId>,
    /// Time of the event.
    pub occurred_at: Timestamp,
    /// Name of the action that was done or attempted.
    pub action: String,
    /// The outcome.
    pub outcome: Outcome,
    /// Name of the kind of actor.
    pub actor_kind: String,
    /// The user who acted.
    pub actor: Option<UserId>,
    /// The user on whose behalf the actor acted.
    pub on_behalf_of: Option<UserId>,
    /// The object of the action.
    pub target: Option<EntryTarget>,
    /// The changes, without personal data.
    pub changes: Vec<FieldChange>,
    /// The request that caused the event.
    pub request: RequestId,
    /// Number of occurrences.
    pub count: i64,
    /// The personal data; empty after erasure.
    pub personal: PersonalPart,
    /// The key of the commitment; zeros after erasure.
    pub salt: [u8; 32],
    /// The commitment to the personal data, which is kept after their erasure.
    pub commitment: [u8; 32],
}

/// The object of an action, as stored in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryTarget {
    /// Name of the kind of object.
    pub kind: String,
    /// Id of the object.
    pub id: Uuid,
}

/// Filter by action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionFilter {
    /// The action with exactly this name.
    Exact(String),
    /// Every action whose part before the first dot is this text.
    Group(String),
}

impl ActionFilter {
    /// Parses a filter: `role.created` is exact, `role.*` is a group. Returns `None` for a name that no crate declares:
    /// a misspelled name would find nothing, as if nothing had been done.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Option<Self> {
        let mut actions = vocabulary.actions().iter();
        match text.strip_suffix(".*") {
            Some(group) => actions.any(|action| action.group() == group).then(|| Self::Group(group.to_owned())),
            None => actions.any(|action| action.name() == text).then(|| Self::Exact(text.to_owned())),
        }
    }
}

/// Filters of the audit log; `None` means no filter.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// The action.
    pub action: Option<ActionFilter>,
    /// The user who acted.
    pub actor: Option<UserId>,
    /// The kind of the target.
    pub target_kind: Option<TargetKind>,
    /// The id of the target.
    pub target: Option<Uuid>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// At or after this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// Port: reads the journal. Every method sees the unit's tenant only.
#[async_trait]
pub trait Entries: Send {
    /// Returns a page of entries by id, which is the order of time.
    async fn page_entries(
        &mut self,
        filter: &EntryFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<Entry, EventId>, StoreError>;

    /// Returns one entry.
    async fn entry_by_id(&mut self, id: EventId) -> Result<Option<Entry>, StoreError>;
}

/// Read the audit log.
#[derive(Debug, Clone, Copy)]
pub struct ReadAuditLog;

impl Command for ReadAuditLog {
    const REQUIRES: Requirement = Requirement::All(&[AUDIT_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object per line, in the format of the API.
    Ndjson,
    /// A CSV table.
    Csv,
    /// One JSON object per line, with everything that a verification of the seals needs.
    Evidence,
}

impl ExportFormat {
    /// Returns the name in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Evidence => "evidence",
        }
    }
}

/// Export the audit log.
#[derive(Debug, Clone)]
pub struct ExportAuditLog {
    /// The format.
    pub format: ExportFormat,
    /// The filters as the caller wrote them: `action=role.*`.
    pub filters: Vec<String>,
}

/// Records that the acting tenant's log is exported. Commit this before sending any entry.
pub async fn export_audit_log(
    unit: &mut (impl Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    tenant: TenantId,
    command: ExportAuditLog,
) -> Result<(), StoreError> {
    let mut event = Event::new(context, actor, AUDIT_EXPORTED)
        .within(Some(tenant))
        .target(tenant, None)
        .set("format", command.format.name());
    if !command.filters.is_empty() {
        event = event.set("filters", command.filters);
    }
    unit.append_event(event).await
}

impl Command for ExportAuditLog {
    const REQUIRES: Requirement = Requirement::All(&[AUDIT_EXPORT]);
    const EVENTS: &'static [Action] = &[AUDIT_EXPORTED];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_action_or_a_group_of_actions() {
        let vocabulary = Vocabulary::compose(&[&crate::vocabulary::VOCABULARY]).expect("one crate");
        let parse = |text| ActionFilter::parse(text, &vocabulary);
        assert_eq!(parse("audit.*"), Some(ActionFilter::Group("audit".into())));
        assert_eq!(parse("audit.exported"), Some(ActionFilter::Exact("audit.exported".into())));
        for none in
            ["", "*", ".*", "audit", "audit.", "audit*", "audit.*.*", "audit.exported.*", "audit.imported", "role.*"]
        {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
