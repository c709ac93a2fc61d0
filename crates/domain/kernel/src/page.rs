//! Keyset pagination: a page begins after the key of the last row of the previous page, never at a row number.

/// Maximum number of rows per page.
pub const MAX_LIMIT: u32 = 100;

/// Direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// A request for a page: at most `limit` rows after the key `after`.
#[derive(Debug, Clone)]
pub struct PageRequest<K> {
    /// Number of rows, from 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Key of the last row of the previous page; `None` for the first page.
    pub after: Option<K>,
    /// Direction of the list.
    pub direction: Direction,
}

/// A page of rows, and the key that requests the next one.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The rows, at most `limit`.
    pub items: Vec<T>,
    /// Key of the last row; `None` on the last page.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// Creates a page from rows that were read with a limit of `limit + 1`: the additional row only shows that there is
    /// a next page.
    pub fn from_lookahead(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next }
    }

    /// Converts each row.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U, K> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_row_only_tells_that_there_is_more() {
        let page = Page::from_lookahead(vec![5, 4, 3], 2, |row| *row);
        assert_eq!((page.items, page.next), (vec![5, 4], Some(4)));
        let last = Page::from_lookahead(vec![2, 1], 2, |row| *row);
        assert_eq!((last.items, last.next), (vec![2, 1], None));
    }
}
