//! Reads the journal.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    Select, Value, prelude::ChronoDateTimeUtc, sea_query::Expr,
};
use tenantry_audit::{ActionFilter, Entries, Entry, EntryFilter, EntryTarget};
use tenantry_kernel::{
    Action, Direction, EventId, Outcome, Page, PageRequest, PersonalPart, RequestId, StoreError, TenantId, Timestamp,
    UserId,
};
use uuid::Uuid;

use crate::{
    Unit,
    failure::StatementError,
    journal::row,
    pages::{keyset, lookahead, rows_of_page},
    unit::TenantTable,
};

impl TenantTable for row::Entity {
    const TENANT: row::Column = row::Column::TenantId;
}

#[async_trait]
impl Entries for Unit {
    async fn page_entries(
        &mut self,
        filter: &EntryFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<Entry, EventId>, StoreError> {
        let matching = filtered(self.tenant_rows::<row::Entity>()?, filter);
        let select = match &filter.action {
            None => Some(in_order(matching, &page)),
            Some(ActionFilter::Exact(name)) => {
                Some(in_order(matching.filter(row::Column::Action.eq(name.as_str())), &page))
            }
            Some(ActionFilter::Group(group)) => {
                let actions = self.actions_of_group(group).await?;
                in_group(self.transaction.get_database_backend(), &matching, &actions, &page)
            }
        };
        let Some(select) = select else { return Ok(Page { items: Vec::new(), next: None }) };
        let entries = self.with_parts(select, page.direction, page.limit).await?;
        Ok(Page::from_lookahead(entries, page.limit, |entry| entry.id))
    }

    async fn entry_by_id(&mut self, id: EventId) -> Result<Option<Entry>, StoreError> {
        let select = self.tenant_rows::<row::Entity>()?.filter(row::Column::Id.eq(id.uuid()));
        Ok(self.with_parts(select, Direction::Ascending, 1).await?.pop())
    }
}

/// A row of the journal with its personal part, which may have been erased.
#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
    version: i32,
    tenant_id: Option<Uuid>,
    occurred_at: ChronoDateTimeUtc,
    action: String,
    outcome: String,
    actor_type: String,
    actor_id: Option<Uuid>,
    on_behalf_of: Option<Uuid>,
    target_type: Option<String>,
    target_id: Option<Uuid>,
    changes: String,
    request_id: Uuid,
    count: i64,
    commitment: Vec<u8>,
    salt: Option<Vec<u8>>,
    part: Option<String>,
}

impl Unit {
    /// Returns the names of the actions of a group in the tenant's log, including those that a newer program wrote.
    /// Each name costs one step through the index of actions, however many entries it has. Malformed names are left
    /// out, because the names become part of a statement.
    async fn actions_of_group(&self, group: &str) -> Result<Vec<String>, StoreError> {
        if group.contains('.') {
            return Ok(Vec::new());
        }
        let of_tenant = if self.scope.tenant().is_some() { "tenant_id = $3 AND" } else { "" };
        let statement = format!(
            "WITH RECURSIVE found(action) AS (SELECT min(action) FROM journal WHERE {of_tenant} action > $1 AND action < $2 \
             UNION ALL SELECT (SELECT min(action) FROM journal WHERE {of_tenant} action > found.action AND action < $2) \
             FROM found WHERE found.action IS NOT NULL) SELECT action FROM found WHERE action IS NOT NULL"
        );
        // A slash is the character after a dot.
        let bounds = [format!("{group}.").into(), format!("{group}/").into()];
        let tenant = self.scope.tenant().map(|tenant| tenant.uuid().into());
        let statement = self.sql(&statement, bounds.into_iter().chain(tenant));
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let names = rows.iter().map(|row| row.try_get::<String>("", "action").map_err(StatementError::from));
        let names: Result<Vec<String>, StatementError> = names.collect();
        Ok(names?.into_iter().filter(|name| Action::is_name(name)).collect())
    }

    /// Returns a page of entries with their personal parts, and one entry more.
    async fn with_parts(
        &self,
        rows: Select<row::Entity>,
        direction: Direction,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut statement = rows.build(self.transaction.get_database_backend());
        let order = match direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        };
        // The subquery limits the join to one page. Otherwise a database might scan the parts of all tenants in their
        // order.
        statement.sql = format!(
            "SELECT entry.*, salt, part FROM ({} {}) AS entry LEFT JOIN journal_parts ON event_id = entry.id \
             ORDER BY entry.id {order}",
            statement.sql,
            lookahead(limit)
        );
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let rows = rows.iter().take(rows_of_page(limit));
        rows.map(|row| entry(Found::from_query_result(row, "").map_err(StatementError::from)?)).collect()
    }
}

/// Selects the rows after the previous page, in order.
fn in_order(select: Select<row::Entity>, page: &PageRequest<EventId>) -> Select<row::Entity> {
    keyset(select, [row::Column::Id], page.direction, page.after.map(|after| [after.uuid().into()]))
}

/// Selects the rows of a page whose actions belong to a group: the first rows of each action, by its index, merged. In
/// one query for all actions, a database would sort all matching rows or scan the whole log. Returns `None` when the
/// group has no actions.
fn in_group(
    backend: DbBackend,
    matching: &Select<row::Entity>,
    actions: &[String],
    page: &PageRequest<EventId>,
) -> Option<Select<row::Entity>> {
    let of_action = |(number, action): (usize, &String)| {
        let rows = matching.clone().filter(Expr::cust(format!("action = '{action}'")));
        let rows = in_order(rows, page).select_only().column(row::Column::Id).build(backend);
        let ids = format!("SELECT id FROM ({} {}) AS action_{number}", rows.sql, lookahead(page.limit));
        (ids, rows.values.map_or_else(Vec::new, |values| values.0))
    };
    let (ids, values): (Vec<String>, Vec<Vec<Value>>) = actions.iter().enumerate().map(of_action).unzip();
    if ids.is_empty() {
        return None;
    }
    // Every action binds the same values, so numbered placeholders may refer to those of the first.
    let is_among = Expr::cust_with_values(format!("id IN ({})", ids.join(" UNION ALL ")), values.concat());
    let select = row::Entity::find().filter(is_among);
    Some(in_order(select, &PageRequest { limit: page.limit, after: None, direction: page.direction }))
}

/// Applies every filter except the one by action.
fn filtered(select: Select<row::Entity>, filter: &EntryFilter) -> Select<row::Entity> {
    use row::Column;
    let mut select = select;
    if let Some(actor) = filter.actor {
        select = select.filter(Column::ActorId.eq(actor.uuid()));
    }
    if let Some(kind) = filter.target_kind {
        select = select.filter(Column::TargetType.eq(kind.name()));
    }
    if let Some(target) = filter.target {
        select = select.filter(Column::TargetId.eq(target));
    }
    if let Some(outcome) = filter.outcome {
        select = select.filter(Column::Outcome.eq(outcome.name()));
        if outcome != Outcome::Succeeded {
            // Repeats the condition of the partial index literally: no database derives it from a bound value.
            select = select.filter(Expr::cust("outcome <> 'succeeded'"));
        }
    }
    if let Some(from) = filter.from {
        select = select.filter(Column::Id.gte(first_id_at(from)));
    }
    if let Some(to) = filter.to {
        select = select.filter(Column::Id.lt(first_id_at(to)));
    }
    select
}

/// Returns the lowest id at this time. Ids contain the millisecond of their event, so a range of times is a range of
/// ids and needs no index of its own.
fn first_id_at(moment: Timestamp) -> Uuid {
    let millis = u64::try_from(moment.unix_millis()).unwrap_or(0).min((1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

fn entry(row: Found) -> Result<Entry, StoreError> {
    let inconsistent = |column| StoreError::Inconsistent { table: "journal", column };
    let broken_part = |column| StoreError::Inconsistent { table: "journal_parts", column };
    let (personal, salt) = match (row.part, row.salt) {
        (Some(part), Some(salt)) => (
            serde_json::from_str(&part).map_err(|_| broken_part("part"))?,
            salt.try_into().map_err(|_| broken_part("salt"))?,
        ),
        _ => (PersonalPart::default(), [0; 32]),
    };
    Ok(Entry {
        id: EventId::from_uuid(row.id),
        version: row.version,
        tenant: row.tenant_id.map(TenantId::from_uuid),
        occurred_at: Timestamp::new(row.occurred_at),
        action: row.action,
        outcome: Outcome::from_stored(&row.outcome),
        actor_kind: row.actor_type,
        actor: row.actor_id.map(UserId::from_uuid),
        on_behalf_of: row.on_behalf_of.map(UserId::from_uuid),
        target: row.target_type.zip(row.target_id).map(|(kind, id)| EntryTarget { kind, id }),
        changes: serde_json::from_str(&row.changes).map_err(|_| inconsistent("changes"))?,
        request: RequestId::from_uuid(row.request_id),
        count: row.count,
        personal,
        salt,
        commitment: row.commitment.try_into().map_err(|_| inconsistent("commitment"))?,
    })
}
