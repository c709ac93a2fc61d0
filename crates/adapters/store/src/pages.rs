//! Pages of lists, read by the key of the last row of the page before.

use sea_orm::{
    ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QueryTrait, Select, Value,
    sea_query::{Expr, ExprTrait},
};
use tenantry_kernel::{Direction, MAX_LIMIT, StoreError};

use crate::{Unit, failure::StatementError};

/// Keeps the rows that follow those values of the columns, in the order of the columns. The last column is unique within
/// the list, so that no row is repeated or skipped.
pub(crate) fn keyset<E: EntityTrait, const N: usize>(
    select: Select<E>,
    columns: [E::Column; N],
    direction: Direction,
    after: Option<[Value; N]>,
) -> Select<E> {
    let select = match after {
        None => select,
        Some(after) => {
            let row = Expr::tuple(columns.map(Expr::col));
            let last = Expr::tuple(after.map(Expr::value));
            select.filter(match direction {
                Direction::Ascending => row.gt(last),
                Direction::Descending => row.lt(last),
            })
        }
    };
    let order = match direction {
        Direction::Ascending => Order::Asc,
        Direction::Descending => Order::Desc,
    };
    columns.into_iter().fold(select, |select, column| select.order_by(column, order.clone()))
}

/// Returns a `LIMIT` of at least one row more than the page, which shows whether another page follows. The number is
/// part of the statement's text: with a bound limit both databases plan the statement at every execution. Few numbers
/// make few texts, so that pages of any length use the same prepared statements.
pub(crate) fn lookahead(limit: u32) -> String {
    const LENGTHS: [u32; 3] = [1, 20, MAX_LIMIT];
    let limit = LENGTHS.into_iter().find(|length| limit <= *length).unwrap_or(limit);
    format!("LIMIT {}", u64::from(limit) + 1)
}

/// Returns how many of the rows that [`lookahead`] allows are read: the page, and one row more.
pub(crate) fn rows_of_page(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1)
}

impl Unit {
    /// Returns the rows of a page, and one row more.
    pub(crate) async fn page_of<E: EntityTrait>(
        &self,
        select: Select<E>,
        limit: u32,
    ) -> Result<Vec<E::Model>, StoreError>
    where
        E::Model: Send,
    {
        self.page_as(select, limit).await
    }

    /// The same of the columns that a model of its own takes.
    pub(crate) async fn page_as<M: FromQueryResult + Send>(
        &self,
        select: Select<impl EntityTrait>,
        limit: u32,
    ) -> Result<Vec<M>, StoreError> {
        let mut statement = select.build(self.transaction.get_database_backend());
        statement.sql = format!("{} {}", statement.sql, lookahead(limit));
        let rows = self.run(self.transaction.query_all_raw(statement)).await?;
        let models = rows.iter().take(rows_of_page(limit)).map(|row| M::from_query_result(row, ""));
        Ok(models.collect::<Result<_, _>>().map_err(StatementError::from)?)
    }
}
