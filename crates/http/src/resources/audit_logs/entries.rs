//! Operations `GET /audit-logs` and `GET /audit-logs/{id}`.

use actix_web::web;
use serde::{Deserialize, Serialize};
use tenantry_audit::{ActionFilter, Entries, Entry, EntryFilter, ReadAuditLog};
use tenantry_kernel::{ChangeValue, Direction, ErrorCode, EventId, FieldChange, Outcome, Timestamp, Vocabulary};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Answer, App, Failure,
    request::{Authorized, FieldErrors, List, ListOf, ListQuery, ListRequest, Of, PageParameters, path_id},
};

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    #[schema(format = "uuid")]
    pub(super) id: String,
    #[schema(example = "role.created")]
    pub(super) action: String,
    /// Outcome of the action: `succeeded`, `denied` or `failed`.
    pub(super) outcome: &'static str,
    pub(super) actor: ActorView,
    #[schema(required = true)]
    pub(super) target: Option<TargetView>,
    pub(super) changes: Vec<ChangeView>,
    pub(super) context: ContextView,
    /// Number of refusals, for an entry that counts several.
    pub(super) count: i64,
    #[schema(format = "date-time")]
    pub(super) occurred_at: String,
}

/// The author of the action.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActorView {
    /// Kind of the actor: `user`, `system` or `operator`.
    pub(super) r#type: String,
    #[schema(format = "uuid", required = true)]
    pub(super) id: Option<String>,
    #[schema(required = true)]
    pub(super) name: Option<String>,
}

/// The object of the action.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetView {
    /// Kind of the target, as in the parameter `targetType`.
    pub(super) r#type: String,
    #[schema(format = "uuid")]
    pub(super) id: String,
    #[schema(required = true)]
    pub(super) name: Option<String>,
}

/// A changed field with its values. A secret field has no values.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeView {
    field: String,
    #[schema(value_type = Value, required = true)]
    from: Option<ChangeValue>,
    #[schema(value_type = Value, required = true)]
    to: Option<ChangeValue>,
}

impl From<FieldChange> for ChangeView {
    fn from(change: FieldChange) -> Self {
        Self { field: change.field, from: change.from, to: change.to }
    }
}

/// The origin of the request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContextView {
    #[schema(required = true)]
    pub(super) ip: Option<String>,
    #[schema(required = true)]
    pub(super) user_agent: Option<String>,
    #[schema(format = "uuid")]
    pub(super) request_id: String,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let personal = entry.personal;
        Self {
            id: entry.id.to_string(),
            action: entry.action,
            outcome: entry.outcome.name(),
            actor: ActorView {
                r#type: entry.actor_kind,
                id: entry.actor.map(|id| id.to_string()),
                name: personal.actor_name,
            },
            target: entry.target.map(|target| TargetView {
                r#type: target.kind,
                id: target.id.to_string(),
                name: personal.target_name,
            }),
            changes: entry.changes.into_iter().chain(personal.changes).map(ChangeView::from).collect(),
            context: ContextView {
                ip: personal.ip,
                user_agent: personal.user_agent,
                request_id: entry.request.to_string(),
            },
            count: entry.count,
            occurred_at: entry.occurred_at.to_string(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntryQuery {
    /// An action such as `role.created`, or a group of actions such as `role.*`.
    #[param(max_length = 80)]
    pub(super) action: Option<String>,
    /// Id of the actor.
    #[param(format = "uuid")]
    pub(super) actor_id: Option<String>,
    /// Kind of the target, such as `role`.
    #[param(max_length = 80)]
    pub(super) target_type: Option<String>,
    /// Id of the target.
    #[param(format = "uuid")]
    pub(super) target_id: Option<String>,
    /// Outcome of the action: `succeeded`, `denied` or `failed`.
    #[param(pattern = "^(succeeded|denied|failed)$")]
    pub(super) outcome: Option<String>,
    /// Earliest time, inclusive.
    #[param(format = "date-time")]
    pub(super) from: Option<String>,
    /// Latest time, exclusive.
    #[param(format = "date-time")]
    pub(super) to: Option<String>,
}

impl EntryQuery {
    /// Returns the filters that are set, by name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("action", &self.action),
            ("actorId", &self.actor_id),
            ("targetType", &self.target_type),
            ("targetId", &self.target_id),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    pub(super) fn filter(&self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> EntryFilter {
        let action = |text: &str| {
            ActionFilter::parse(text, vocabulary)
                .ok_or("must be an action such as role.created, or a group such as role.*")
        };
        let id = |text: &str| Uuid::try_parse(text).map_err(|_| "must be an id");
        let kind = |text: &str| vocabulary.target_kind(text).ok_or("must be a kind of target");
        let outcome = |text: &str| Outcome::from_name(text).ok_or("must be succeeded, denied or failed");
        EntryFilter {
            action: errors.take_if_any("action", self.action.as_deref().map(action)).flatten(),
            actor: errors
                .take_if_any("actorId", self.actor_id.as_deref().map(|t| t.parse().map_err(|_| "must be an id")))
                .flatten(),
            target_kind: errors.take_if_any("targetType", self.target_type.as_deref().map(kind)).flatten(),
            target: errors.take_if_any("targetId", self.target_id.as_deref().map(id)).flatten(),
            outcome: errors.take_if_any("outcome", self.outcome.as_deref().map(outcome)).flatten(),
            from: errors.take_if_any("from", self.from.as_deref().map(moment)).flatten(),
            to: errors.take_if_any("to", self.to.as_deref().map(moment)).flatten(),
        }
    }
}

impl ListQuery for EntryQuery {
    type Filter = EntryFilter;
    type Key = EventId;

    fn parse(self, vocabulary: &Vocabulary, errors: &mut FieldErrors) -> (EntryFilter, Direction) {
        (self.filter(vocabulary, errors), Direction::Descending)
    }
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    parsed.map(|at| Timestamp::new(at.to_utc())).map_err(|_| "must be an RFC 3339 date and time")
}

/// List entries of the audit log, newest first
#[utoipa::path(
    get,
    path = "/audit-logs",
    tag = "audit",
    params(PageParameters, EntryQuery),
    responses((status = 200, description = "A page of entries.", body = ListOf<EntryView>))
)]
pub(crate) async fn list_entries(
    app: App,
    caller: Authorized<ReadAuditLog>,
    request: ListRequest<EntryQuery>,
) -> Result<Answer, Failure> {
    let List { filter, page, cursors } = request.parse(&caller)?;
    // The index of each filter has the order of the list, so no filter needs another plan for another value.
    let mut unit = app.read_with_one_plan(caller.scope()).await?;
    let page = unit.page_entries(&filter, page).await?.map(EntryView::from);
    cursors.answer(&page)
}

/// Get an entry of the audit log
#[utoipa::path(
    get,
    path = "/audit-logs/{id}",
    tag = "audit",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The entry of the audit log.", body = Of<EntryView>))
)]
pub(crate) async fn get_entry(
    app: App,
    caller: Authorized<ReadAuditLog>,
    id: web::Path<String>,
) -> Result<Answer, Failure> {
    let id: EventId = path_id(&id)?;
    let mut unit = app.read_with_one_plan(caller.scope()).await?;
    let entry = unit.entry_by_id(id).await?.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    Answer::ok(&EntryView::from(entry))
}
