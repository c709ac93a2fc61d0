//! Which entries of a tenant's audit log answer a question.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Command, Event, EventId, Journal, Outcome, Page, PageRequest, Permission, Requirement, StoreError,
    TargetKind, TenantId, Timestamp, UserId, World,
};
use uuid::Uuid;

/// An event as it stands in the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event. Its salt and personal part are empty once they were erased.
    pub event: Event,
    /// The commitment to the personal part, which stays when the part goes.
    pub commitment: [u8; 32],
}

/// Which actions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionFilter {
    /// The action of exactly this name.
    Exact(String),
    /// Every action whose part before the first dot is this.
    Group(String),
}

impl ActionFilter {
    /// `role.created` is exact, `role.*` is the group.
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix(".*") {
            Some(group) => Self::Group(group.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }
}

/// Which entries are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// What was done.
    pub action: Option<ActionFilter>,
    /// Who did it.
    pub actor: Option<UserId>,
    /// What kind of thing it was done to.
    pub target_kind: Option<TargetKind>,
    /// The thing that it was done to.
    pub target: Option<Uuid>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

/// Where the journal is read. Every method sees the unit's tenant only.
#[async_trait]
pub trait Entries: Send {
    /// Entries by id, which is by time.
    async fn page_entries(
        &mut self,
        filter: &EntryFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<Entry, EventId>, StoreError>;

    /// One entry.
    async fn entry_by_id(&mut self, id: EventId) -> Result<Option<Entry>, StoreError>;
}

/// Read the audit log.
#[derive(Debug, Clone, Copy)]
pub struct ReadAuditLog;

impl Command for ReadAuditLog {
    const REQUIRES: Requirement = Requirement::All(&[Permission::AUDIT_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// In which form the log is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line, in the form of the API.
    Ndjson,
    /// A table.
    Csv,
    /// One JSON object a line, with everything that the seals need to be verified.
    Evidence,
}

impl ExportFormat {
    /// The name in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Evidence => "evidence",
        }
    }
}

/// Take the audit log away as a file.
#[derive(Debug, Clone)]
pub struct ExportAuditLog {
    /// In which form.
    pub format: ExportFormat,
    /// The filters that were set, as the caller wrote them: `action=role.*`.
    pub filters: Vec<String>,
}

/// Notes that the acting tenant's log is about to be taken away; to be committed before anything of it is given out.
pub async fn export_audit_log(
    unit: &mut (impl Journal + ?Sized),
    actor: &Actor,
    world: &World,
    tenant: TenantId,
    command: ExportAuditLog,
) -> Result<(), StoreError> {
    let mut event = Event::new(world, actor, Action::AuditExported)
        .within(Some(tenant))
        .target(tenant, None)
        .set("format", command.format.name());
    if !command.filters.is_empty() {
        event = event.set("filters", command.filters);
    }
    unit.append_event(event).await
}

impl Command for ExportAuditLog {
    const REQUIRES: Requirement = Requirement::All(&[Permission::AUDIT_EXPORT]);
    const EVENTS: &'static [Action] = &[Action::AuditExported];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_star_asks_for_the_group() {
        assert_eq!(ActionFilter::parse("role.*"), ActionFilter::Group("role".into()));
        assert_eq!(ActionFilter::parse("role.created"), ActionFilter::Exact("role.created".into()));
        assert_eq!(ActionFilter::parse("role*"), ActionFilter::Exact("role*".into()));
    }
}
