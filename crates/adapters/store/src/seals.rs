//! Segments of the journal and their seals, unsealed entries, and the removal of segments after their retention.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, Delete, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Value, prelude::Uuid,
};
use std::collections::{HashMap, HashSet};
use tenantry_audit::{Chain, Evidence, Listed, Personal, Record, Seal, Seals, Segment, Signature, Unsealed};
use tenantry_kernel::{Direction, EVENT_VERSION, Page, PageRequest, StoreError, TenantId, Timestamp};

use crate::{
    Unit,
    failure::{StatementError, UniqueKey},
    journal::{part, row as entry, unsealed},
    pages::keyset,
    table::Table,
    unit::hit_one,
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_segments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub chain: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub first_position: i64,
        pub count: i64,
        pub newest: ChronoDateTimeUtc,
        /// The signed text. The other columns serve queries and prove nothing.
        pub seal: String,
        pub signature: Vec<u8>,
        pub lowest_id: Uuid,
        pub highest_id: Uuid,
        pub listed: Option<Vec<u8>>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A segment without its list.
#[derive(FromQueryResult)]
struct Bare {
    seal: String,
    signature: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

const NUMBER: UniqueKey =
    UniqueKey { name: "journal_segments_number", columns: "journal_segments.chain, journal_segments.number" };

/// Number of ids that one statement names. Shorter lists are filled up, so that only one statement has to be prepared.
const IDS_AT_ONCE: usize = 100;

pub(crate) const TABLE: Table =
    Table { name: "journal_segments", of_tenant: Some("chain = $1"), of_person: None, expires: &[], personal: &[] };

impl TryFrom<Bare> for Segment {
    type Error = StoreError;

    fn try_from(row: Bare) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "journal_segments", column };
        let seal: Seal = serde_json::from_str(&row.seal).map_err(|_| inconsistent("seal"))?;
        let signature = Signature(row.signature.try_into().map_err(|_| inconsistent("signature"))?);
        Ok(Self { seal, signature, listed: None })
    }
}

impl TryFrom<row::Model> for Segment {
    type Error = StoreError;

    fn try_from(row: row::Model) -> Result<Self, StoreError> {
        let inconsistent = || StoreError::Inconsistent { table: "journal_segments", column: "listed" };
        let read = |bytes: Vec<u8>| Listed::read_all(&bytes).ok_or_else(inconsistent);
        let listed = row.listed.map(read).transpose()?;
        Ok(Self { listed, ..Bare { seal: row.seal, signature: row.signature }.try_into()? })
    }
}

/// Returns the sealed part of a row as stored. A row that cannot become an event has a record too.
fn record(row: entry::Model) -> Record {
    Record {
        version: row.version,
        id: row.id,
        tenant: row.tenant_id,
        occurred_at: Timestamp::new(row.occurred_at),
        action: row.action,
        outcome: row.outcome,
        actor_type: row.actor_type,
        actor_id: row.actor_id,
        on_behalf_of: row.on_behalf_of,
        target_type: row.target_type,
        target_id: row.target_id,
        changes: serde_json::from_str(&row.changes).unwrap_or(serde_json::Value::String(row.changes)),
        request_id: row.request_id,
        count: row.count,
        commitment: hex::encode(row.commitment),
        newer: serde_json::Map::new(),
    }
}

fn personal(row: part::Model) -> Personal {
    // A commitment never uses a salt of another length.
    Personal { part: row.part, salt: row.salt.try_into().unwrap_or([0; 32]) }
}

/// Returns the value of a chain in the columns named `chain`.
fn key(chain: Chain) -> Uuid {
    chain.0.map(TenantId::uuid).unwrap_or_default()
}

fn chain_of(key: Uuid) -> Chain {
    Chain((!key.is_nil()).then(|| TenantId::from_uuid(key)))
}

/// Returns the condition that an entry belongs to the chain.
fn in_chain(column: impl ColumnTrait, chain: Chain) -> Condition {
    Condition::all().add(match chain.0 {
        Some(tenant) => column.eq(tenant.uuid()),
        None => column.is_null(),
    })
}

/// Splits the ids into lists of one length. The last list is filled up with its own last id.
pub(crate) fn portions(ids: &[Uuid]) -> impl Iterator<Item = Vec<Uuid>> {
    ids.chunks(IDS_AT_ONCE).map(|portion| {
        let mut portion = portion.to_vec();
        let last = portion.last().copied().unwrap_or_default();
        portion.resize(IDS_AT_ONCE, last);
        portion
    })
}

impl Unit {
    /// Fails unless the unit may see the chain. A chain is visible to its tenant and to System units.
    fn require_chain(&self, chain: Chain) -> Result<(), StoreError> {
        match chain.0 {
            Some(tenant) => self.require_tenant(tenant),
            None => self.require_system(),
        }
    }

    async fn first_chain(&self, table: &str, after: Option<Chain>) -> Result<Option<Chain>, StoreError> {
        self.require_system()?;
        let (beyond, values) = match after {
            None => ("", vec![]),
            Some(chain) => ("WHERE chain > $1", vec![Value::from(key(chain))]),
        };
        let sql = format!("SELECT chain AS id FROM {table} {beyond} ORDER BY chain LIMIT 1");
        let row = self.run(self.transaction.query_one_raw(self.sql(&sql, values))).await?;
        let id = row.map(|row| Id::from_query_result(&row, "")).transpose().map_err(StatementError::from)?;
        Ok(id.map(|row| chain_of(row.id)))
    }

    async fn number_of(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let inconsistent = || StoreError::Inconsistent { table: "journal_segments", column: "(how many there are)" };
        let row = self.run(self.transaction.query_one_raw(self.sql(sql, values))).await?.ok_or_else(inconsistent)?;
        let Number { number } = Number::from_query_result(&row, "").map_err(StatementError::from)?;
        u64::try_from(number).map_err(|_| inconsistent())
    }

    /// Returns the column `id` of a query.
    pub(crate) async fn ids(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.run(self.transaction.query_all_raw(self.sql(sql, values))).await?;
        let ids: Result<Vec<Id>, _> = rows.iter().map(|row| Id::from_query_result(row, "")).collect();
        Ok(ids.map_err(StatementError::from)?.into_iter().map(|row| row.id).collect())
    }
}

#[async_trait]
impl Seals for Unit {
    async fn next_unsealed_chain(&mut self, after: Option<Chain>) -> Result<Option<Chain>, StoreError> {
        self.first_chain("journal_unsealed", after).await
    }

    async fn next_sealed_chain(&mut self, after: Option<Chain>) -> Result<Option<Chain>, StoreError> {
        self.first_chain("journal_segments", after).await
    }

    async fn lock_chain(&mut self, chain: Chain) -> Result<(), StoreError> {
        self.require_system()?;
        // On SQLite the single writer is the lock.
        if self.is_postgres() {
            let lock = self.sql(
                "SELECT pg_advisory_xact_lock(hashtextextended('journal chain ' || $1, 0))",
                [chain.to_string().into()],
            );
            self.run(self.transaction.query_one_raw(lock)).await?;
        }
        Ok(())
    }

    async fn last_segment(&mut self, chain: Chain) -> Result<Option<Segment>, StoreError> {
        let page = PageRequest { limit: 1, after: None, direction: Direction::Descending };
        Ok(self.page_segments(chain, page).await?.items.pop())
    }

    async fn unsealed_records(&mut self, chain: Chain, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.require_system()?;
        let waiting = self.sql(
            "SELECT journal.* FROM journal_unsealed JOIN journal ON journal.id = journal_unsealed.event_id \
             WHERE journal_unsealed.chain = $1 AND journal.version <= $3 ORDER BY journal_unsealed.event_id LIMIT $2",
            [key(chain).into(), i64::from(limit).into(), EVENT_VERSION.into()],
        );
        let rows = self.run(entry::Entity::find().from_raw_sql(waiting).all(&self.transaction)).await?;
        Ok(rows.into_iter().map(record).collect())
    }

    async fn insert_segment(&mut self, segment: &Segment) -> Result<(), StoreError> {
        self.require_system()?;
        let Segment { seal, signature, listed } = segment;
        let (chain, listed) = (key(seal.chain), listed.as_deref().unwrap_or_default());
        let ids: Vec<Uuid> = listed.iter().map(|listed| listed.id).collect();
        let mut taken = 0;
        for portion in portions(&ids) {
            let delete = Delete::many(unsealed::Entity)
                .filter(unsealed::Column::Chain.eq(chain))
                .filter(unsealed::Column::EventId.is_in(portion));
            taken += self.run(delete.exec(&self.transaction)).await?.rows_affected;
        }
        if usize::try_from(taken) != Ok(ids.len()) {
            return Err(StoreError::Inconsistent { table: "journal_unsealed", column: "(the entries of a segment)" });
        }
        let row = row::Model {
            chain,
            number: seal.number,
            first_position: seal.first_position,
            count: seal.count,
            newest: seal.newest.utc(),
            seal: seal.canonical().map_err(|error| StoreError::Failed(Box::new(error)))?,
            signature: signature.0.to_vec(),
            lowest_id: ids.iter().min().copied().unwrap_or_default(),
            highest_id: ids.iter().max().copied().unwrap_or_default(),
            listed: Some(Listed::write_all(listed)),
        };
        match self.insert(row).await? {
            Err(failure) if failure.violates(&NUMBER) => {
                Err(StoreError::Collision("another worker has sealed the segment in the meantime".into()))
            }
            inserted => Ok(inserted?),
        }
    }

    async fn segment_number_from(&mut self, chain: Chain, number: i64) -> Result<Option<i64>, StoreError> {
        self.require_chain(chain)?;
        let select = row::Entity::find()
            .select_only()
            .column(row::Column::Number)
            .filter(row::Column::Chain.eq(key(chain)))
            .filter(row::Column::Number.gte(number))
            .order_by_asc(row::Column::Number)
            .limit(1);
        let found = self.run(select.into_model::<Number>().one(&self.transaction)).await?;
        Ok(found.map(|row| row.number))
    }

    async fn segment_of(&mut self, chain: Chain, number: i64) -> Result<Option<Segment>, StoreError> {
        self.require_chain(chain)?;
        self.one(row::Entity::find_by_id((key(chain), number))).await?.map(Segment::try_from).transpose()
    }

    async fn page_segments(&mut self, chain: Chain, page: PageRequest<i64>) -> Result<Page<Segment, i64>, StoreError> {
        self.require_chain(chain)?;
        let select = row::Entity::find()
            .select_only()
            .columns([row::Column::Seal, row::Column::Signature])
            .filter(row::Column::Chain.eq(key(chain)));
        let select = keyset(select, [row::Column::Number], page.direction, page.after.map(|after| [after.into()]));
        let rows: Vec<Bare> = self.page_as(select, page.limit).await?;
        let segments: Vec<Segment> = rows.into_iter().map(Segment::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_lookahead(segments, page.limit, |segment| segment.seal.number))
    }

    async fn evidence_of(&mut self, chain: Chain, ids: &[Uuid]) -> Result<Vec<Evidence>, StoreError> {
        self.require_chain(chain)?;
        let (mut records, mut parts) = (HashMap::with_capacity(ids.len()), HashMap::with_capacity(ids.len()));
        for portion in portions(ids) {
            let select = entry::Entity::find()
                .filter(in_chain(entry::Column::TenantId, chain))
                .filter(entry::Column::Id.is_in(portion.iter().copied()));
            records.extend(self.all(select).await?.into_iter().map(|row| (row.id, record(row))));
            let select = part::Entity::find()
                .filter(in_chain(part::Column::TenantId, chain))
                .filter(part::Column::EventId.is_in(portion));
            parts.extend(self.all(select).await?.into_iter().map(|row| (row.event_id, personal(row))));
        }
        let found = ids.iter().filter_map(|id| {
            let record = records.remove(id)?;
            Some(Evidence { record, personal: parts.remove(id) })
        });
        Ok(found.collect())
    }

    async fn unaccounted_entry(
        &mut self,
        chain: Chain,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<(Option<Uuid>, Option<Uuid>), StoreError> {
        self.require_system()?;
        let select = entry::Entity::find()
            .filter(in_chain(entry::Column::TenantId, chain))
            .filter(entry::Column::Id.gt(after.unwrap_or_default()))
            .select_only()
            .column(entry::Column::Id)
            .order_by_asc(entry::Column::Id)
            .limit(u64::from(limit));
        let ids: Vec<Id> = self.run(select.into_model::<Id>().all(&self.transaction)).await?;
        let (Some(Id { id: first }), Some(Id { id: last })) = (ids.first(), ids.last()) else {
            return Ok((None, None));
        };
        let values = || vec![Value::from(key(chain)), Value::from(*first), Value::from(*last)];
        // Reads unsealed entries before segments, so that an entry that is sealed meanwhile is found in one of both.
        let waiting =
            "SELECT event_id AS id FROM journal_unsealed WHERE chain = $1 AND event_id >= $2 AND event_id <= $3";
        let mut known: HashSet<Uuid> = self.ids(waiting, values()).await?.into_iter().collect();
        let select = row::Entity::find()
            .filter(row::Column::Chain.eq(key(chain)))
            .filter(row::Column::Listed.is_not_null())
            .filter(row::Column::HighestId.gte(*first))
            .filter(row::Column::LowestId.lte(*last));
        for row in self.all(select).await? {
            known
                .extend(row.listed.and_then(|bytes| Listed::read_all(&bytes)).unwrap_or_default().iter().map(|l| l.id));
        }
        for Id { id } in ids.iter().filter(|row| !known.contains(&row.id)) {
            // Retention may have removed the entry since it was read.
            if self.one(entry::Entity::find_by_id(*id)).await?.is_some() {
                return Ok((Some(*id), Some(*last)));
            }
        }
        Ok((None, Some(*last)))
    }

    async fn count_unsealed(&mut self, chain: Chain) -> Result<Unsealed, StoreError> {
        self.require_system()?;
        let all = "SELECT count(*) AS number FROM journal_unsealed WHERE chain = $1";
        let newer = "SELECT count(*) AS number FROM journal_unsealed JOIN journal ON journal.id = journal_unsealed.event_id \
             WHERE journal_unsealed.chain = $1 AND journal.version > $2";
        Ok(Unsealed {
            entries: self.number_of(all, vec![key(chain).into()]).await?,
            newer: self.number_of(newer, vec![key(chain).into(), EVENT_VERSION.into()]).await?,
        })
    }

    async fn oldest_kept_segment(&mut self, chain: Chain) -> Result<Option<Segment>, StoreError> {
        self.require_system()?;
        let select = row::Entity::find()
            .filter(row::Column::Chain.eq(key(chain)))
            .filter(row::Column::Listed.is_not_null())
            .order_by_asc(row::Column::Number);
        self.one(select).await?.map(Segment::try_from).transpose()
    }

    async fn count_removable(&mut self, chain: Chain, before: Timestamp) -> Result<u64, StoreError> {
        self.require_system()?;
        let sql = "SELECT CAST(coalesce(sum(count), 0) AS bigint) AS number FROM journal_segments AS s \
             WHERE chain = $1 AND listed IS NOT NULL AND NOT EXISTS (SELECT 1 FROM journal_segments AS kept \
             WHERE kept.chain = $1 AND kept.listed IS NOT NULL AND kept.newest >= $2 AND kept.number <= s.number)";
        self.number_of(sql, vec![key(chain).into(), before.utc().into()]).await
    }

    async fn remove_entries(&mut self, segment: &Segment) -> Result<(), StoreError> {
        self.require_system()?;
        let chain = segment.seal.chain;
        let ids: Vec<Uuid> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
        for portion in portions(&ids) {
            let delete = Delete::many(part::Entity)
                .filter(in_chain(part::Column::TenantId, chain))
                .filter(part::Column::EventId.is_in(portion.iter().copied()));
            self.run(delete.exec(&self.transaction)).await?;
            let delete = Delete::many(entry::Entity)
                .filter(in_chain(entry::Column::TenantId, chain))
                .filter(entry::Column::Id.is_in(portion));
            self.run(delete.exec(&self.transaction)).await?;
        }
        let empty = "UPDATE journal_segments SET listed = NULL WHERE chain = $1 AND number = $2 AND listed IS NOT NULL";
        let empty = self.sql(empty, [key(chain).into(), segment.seal.number.into()]);
        hit_one(self.run(self.transaction.execute_raw(empty)).await?.rows_affected(), "journal_segments")
    }
}
