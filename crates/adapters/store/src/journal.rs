//! Writes the journal, in the unit of the change that an event reports.

use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use tenantry_kernel::{Event, Journal, StoreError, TenantId, UserId, canonical_json};

use crate::{
    Scope, Unit,
    table::{ColumnErasure, Expiry, PersonalColumn, Table},
};

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i32,
        pub tenant_id: Option<Uuid>,
        pub occurred_at: ChronoDateTimeUtc,
        pub action: String,
        pub action_group: String,
        pub outcome: String,
        pub actor_type: String,
        pub actor_id: Option<Uuid>,
        pub on_behalf_of: Option<Uuid>,
        pub target_type: Option<String>,
        pub target_id: Option<Uuid>,
        pub changes: String,
        pub request_id: Uuid,
        pub count: i64,
        pub commitment: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod part {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_parts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
        pub tenant_id: Option<Uuid>,
        pub actor_id: Option<Uuid>,
        pub salt: Vec<u8>,
        pub part: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Entries that wait to be sealed. Entries without a tenant have the nil id as `chain`, since a key needs a value.
pub(crate) mod unsealed {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "journal_unsealed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub chain: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) const TABLE: Table = Table {
    name: "journal",
    of_tenant: Some("tenant_id = $1"),
    of_person: None,
    expires: &[Expiry::By {
        function: "remove_oldest_segment",
        rows: "the oldest segment of a log, when its newest entry is past retention (target `journal_segments`)",
    }],
    personal: &[
        PersonalColumn::stays("actor_type", "the kind of actor"),
        PersonalColumn::stays("actor_id", "records of the person's actions keep their id"),
        PersonalColumn::stays("on_behalf_of", "records of the person's actions keep their id"),
        PersonalColumn::stays("target_id", "records of actions on the person keep their id"),
    ],
};

pub(crate) const PARTS_TABLE: Table = Table {
    name: "journal_parts",
    of_tenant: Some("tenant_id = $1"),
    of_person: None,
    expires: &[Expiry::By {
        function: "remove_oldest_segment",
        rows: "the oldest segment of a log, when its newest entry is past retention (target `journal_segments`)",
    }],
    personal: &[
        PersonalColumn::new(
            "part",
            ColumnErasure::By { function: "Erasure::delete_personal_parts", leaves: "nothing: the row is deleted" },
        ),
        PersonalColumn::new("actor_id", ColumnErasure::WithRow),
    ],
};

pub(crate) const UNSEALED_TABLE: Table = Table {
    name: "journal_unsealed",
    of_tenant: None,
    of_person: None,
    expires: &[Expiry::By { function: "seal_next_segment", rows: "an entry, when it is sealed" }],
    personal: &[],
};

#[async_trait]
impl Journal for Unit {
    async fn append_event(&mut self, event: Event) -> Result<(), StoreError> {
        self.require_own_log(&event)?;
        let failed = |error: tenantry_kernel::CanonicalError| StoreError::Failed(Box::new(error));
        let commitment = event.personal.commitment(&event.salt).map_err(failed)?;
        let row = row::Model {
            id: event.id.uuid(),
            version: event.version,
            tenant_id: event.tenant.map(TenantId::uuid),
            occurred_at: event.occurred_at.utc(),
            action: event.action.name().to_owned(),
            action_group: event.action.group().to_owned(),
            outcome: event.outcome.name().to_owned(),
            actor_type: event.actor_type.to_owned(),
            actor_id: event.actor_id.map(UserId::uuid),
            on_behalf_of: event.on_behalf_of.map(UserId::uuid),
            target_type: event.target.map(|target| target.kind.name().to_owned()),
            target_id: event.target.map(|target| target.id),
            changes: canonical_json(&event.changes).map_err(failed)?,
            request_id: event.request.uuid(),
            count: event.count,
            commitment: commitment.to_vec(),
        };
        let part = part::Model {
            event_id: row.id,
            tenant_id: row.tenant_id,
            actor_id: row.actor_id,
            salt: event.salt.to_vec(),
            part: canonical_json(&event.personal).map_err(failed)?,
        };
        let waiting = unsealed::Model { chain: row.tenant_id.unwrap_or_default(), event_id: row.id };
        if self.is_postgres() {
            return self.insert_together(row, part, waiting).await;
        }
        self.insert(row).await??;
        self.insert(part).await??;
        self.insert(waiting).await??;
        Ok(())
    }
}

/// Inserts the three rows of an entry in one round trip.
const INSERT_TOGETHER: &str = "\
    WITH entry AS (INSERT INTO journal \
        (id, version, tenant_id, occurred_at, action, action_group, outcome, actor_type, actor_id, on_behalf_of, \
         target_type, target_id, changes, request_id, count, commitment) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)), \
    part AS (INSERT INTO journal_parts (event_id, tenant_id, actor_id, salt, part) VALUES ($1, $3, $9, $17, $18)) \
    INSERT INTO journal_unsealed (chain, event_id) VALUES ($19, $1)";

impl Unit {
    async fn insert_together(
        &self,
        row: row::Model,
        part: part::Model,
        waiting: unsealed::Model,
    ) -> Result<(), StoreError> {
        let values = [
            row.id.into(),
            row.version.into(),
            row.tenant_id.into(),
            row.occurred_at.into(),
            row.action.into(),
            row.action_group.into(),
            row.outcome.into(),
            row.actor_type.into(),
            row.actor_id.into(),
            row.on_behalf_of.into(),
            row.target_type.into(),
            row.target_id.into(),
            row.changes.into(),
            row.request_id.into(),
            row.count.into(),
            row.commitment.into(),
            part.salt.into(),
            part.part.into(),
            waiting.chain.into(),
        ];
        self.run(self.transaction.execute_raw(self.sql(INSERT_TOGETHER, values))).await?;
        Ok(())
    }

    /// Fails unless the unit may write into the event's log: a tenant's unit into the log of its tenant, and a user's
    /// unit into the log outside every tenant if the user is the actor.
    fn require_own_log(&self, event: &Event) -> Result<(), StoreError> {
        let own = match (self.scope, event.tenant) {
            (Scope::System(_), _) => true,
            (Scope::Tenant { tenant, .. }, Some(log)) => log == tenant,
            (Scope::Person(_), Some(_)) => false,
            (Scope::Tenant { person, .. } | Scope::Person(person), None) => event.actor_id == Some(person),
        };
        if own { Ok(()) } else { Err(StoreError::Misuse("a unit cannot write to the log of another tenant")) }
    }
}
