//! Pages of lists.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryTrait, Select, prelude::Uuid};
use tenantry_kernel::{Direction, StoreError};

use crate::Unit;

/// The rows after that one, in the order of their ids.
pub(crate) fn by_id<E: EntityTrait>(
    select: Select<E>,
    id: E::Column,
    direction: Direction,
    after: Option<Uuid>,
) -> Select<E> {
    match (direction, after) {
        (Direction::Ascending, None) => select.order_by_asc(id),
        (Direction::Ascending, Some(after)) => select.filter(id.gt(after)).order_by_asc(id),
        (Direction::Descending, None) => select.order_by_desc(id),
        (Direction::Descending, Some(after)) => select.filter(id.lt(after)).order_by_desc(id),
    }
}

/// How many rows are asked for, so that one sees whether there is a page after this one. The number stands in the
/// statement itself: a limit that is bound makes both databases plan the statement anew whenever it is executed.
pub(crate) fn lookahead(limit: u32) -> String {
    format!("LIMIT {}", u64::from(limit) + 1)
}

impl Unit {
    /// The rows of a page, and one more.
    pub(crate) async fn page_of<E: EntityTrait>(
        &self,
        select: Select<E>,
        limit: u32,
    ) -> Result<Vec<E::Model>, StoreError>
    where
        E::Model: Send,
    {
        let mut statement = select.build(self.transaction.get_database_backend());
        statement.sql = format!("{} {}", statement.sql, lookahead(limit));
        self.run(E::find().from_raw_sql(statement).all(&self.transaction)).await
    }
}
