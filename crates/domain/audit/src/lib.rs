//! Reading the journal: which entries of a tenant's audit log answer a question.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Command, Event, EventId, Outcome, Page, PageRequest, Permission, Requirement, StoreError, TargetKind,
    Timestamp, UserId,
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
