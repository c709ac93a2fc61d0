//! Deletes personal data of a user.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, Delete, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value, prelude::Uuid,
};
use tenantry_identity::{Erasure, Person, Trace};
use tenantry_kernel::{EmailAddress, EventId, StoreError, TenantId, UserId};

use crate::{
    TABLES, Unit,
    journal::{part, row as entry},
    seals::portions,
    table::{ColumnErasure, Table},
};

/// Condition for the invitations of a tenant that a user accepted or that were sent to the user's address.
const INVITATIONS: &str = "tenant_id = $2 AND (email = $1 OR id IN (SELECT target_id FROM journal \
     WHERE journal.tenant_id = $2 AND journal.actor_id = $3 AND journal.action = 'invitation.accepted'))";

/// Assignments for an invitation to an erased user: replace the address, delete the token, revoke if open.
const WITHDRAWN: &str = "email = $1, token_hash = NULL, state = CASE state WHEN 'open' THEN 'revoked' ELSE state END";

/// Returns table and name of the columns with this kind of erasure, in the order of the tables.
fn columns(erasure: ColumnErasure) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of = move |table: &'static Table| {
        table.personal.iter().filter(move |column| column.erasure == erasure).map(|column| (table.name, column.name))
    };
    TABLES.iter().flat_map(of)
}

#[async_trait]
impl Erasure for Unit {
    async fn erase_account(&mut self, person: &Person, by: &EmailAddress) -> Result<(), StoreError> {
        self.require_system()?;
        let id = Value::from(person.id.uuid());
        let tenants = self.ids("SELECT tenant_id AS id FROM memberships WHERE user_id = $1", vec![id.clone()]).await?;
        self.role_assignment_changes.extend(tenants.into_iter().map(TenantId::from_uuid));
        let address = Value::from(person.email.as_str());
        // With its quotes: without them the address would match the end of a longer address.
        let in_json = Value::from(serde_json::Value::from(person.email.as_str()).to_string());
        for (erasure, value) in [
            (ColumnErasure::DeleteById, &id),
            (ColumnErasure::DeleteByAddress, &address),
            (ColumnErasure::DeleteByAddressInText, &in_json),
            (ColumnErasure::DeleteByAddressInBytes, &in_json),
        ] {
            for (table, column) in columns(erasure) {
                let condition = match (erasure, self.is_postgres()) {
                    (ColumnErasure::DeleteByAddressInText, true) => format!("strpos({column}, $1) > 0"),
                    (ColumnErasure::DeleteByAddressInBytes, true) => {
                        format!("position(convert_to($1, 'UTF8') IN {column}) > 0")
                    }
                    (ColumnErasure::DeleteByAddressInText | ColumnErasure::DeleteByAddressInBytes, false) => {
                        format!("instr({column}, $1) > 0")
                    }
                    _ => format!("{column} = $1"),
                };
                let delete = self.sql(&format!("DELETE FROM {table} WHERE {condition}"), [value.clone()]);
                self.run(self.transaction.execute_raw(delete)).await?;
            }
        }
        let by = Value::from(by.as_str());
        let rename = format!("UPDATE invitations SET {WITHDRAWN} WHERE email = $2");
        self.run(self.transaction.execute_raw(self.sql(&rename, [by, address]))).await?;
        Ok(())
    }

    async fn next_tenant(&mut self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError> {
        self.require_system()?;
        let after = after.map(TenantId::uuid).unwrap_or_default();
        let ids = self.ids("SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT 1", vec![after.into()]).await?;
        Ok(ids.first().copied().map(TenantId::from_uuid))
    }

    async fn erase_invitations(
        &mut self,
        tenant: TenantId,
        person: UserId,
        by: &EmailAddress,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.require_system()?;
        let values: Vec<Value> = vec![by.as_str().into(), tenant.uuid().into(), person.uuid().into()];
        let ids = self.ids(&format!("SELECT id FROM invitations WHERE {INVITATIONS}"), values.clone()).await?;
        let update = format!("UPDATE invitations SET {WITHDRAWN} WHERE {INVITATIONS}");
        self.run(self.transaction.execute_raw(self.sql(&update, values))).await?;
        Ok(ids)
    }

    async fn delete_personal_parts(
        &mut self,
        log: Option<TenantId>,
        trace: Trace,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<(u64, Option<EventId>), StoreError> {
        use entry::Column;
        self.require_system()?;
        let select = entry::Entity::find()
            .filter(match log {
                Some(tenant) => Column::TenantId.eq(tenant.uuid()),
                None => Column::TenantId.is_null(),
            })
            .filter(match trace {
                Trace::Actor(person) => Column::ActorId.eq(person.uuid()),
                Trace::Target(target) => Column::TargetId.eq(target),
            })
            .filter(Column::Id.gt(after.map(EventId::uuid).unwrap_or_default()))
            .order_by_asc(Column::Id)
            .limit(u64::from(limit));
        let ids: Vec<Uuid> = self.all(select).await?.into_iter().map(|row| row.id).collect();
        let mut erased = 0;
        for portion in portions(&ids) {
            let delete = Delete::many(part::Entity).filter(part::Column::EventId.is_in(portion));
            erased += self.run(delete.exec(&self.transaction)).await?.rows_affected;
        }
        Ok((erased, ids.last().copied().map(EventId::from_uuid)))
    }
}
