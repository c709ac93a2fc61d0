//! Lists are read a page at a time, by the key of the last row seen, never by counting rows off.

/// The most rows of one page.
pub const MAX_LIMIT: u32 = 100;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Which page of a list is wanted: at most `limit` rows that come after `after`.
#[derive(Debug, Clone)]
pub struct PageRequest<K> {
    /// 1 to [`MAX_LIMIT`] rows.
    pub limit: u32,
    /// The key of the last row of the page before; `None` for the first page.
    pub after: Option<K>,
    /// Which way the list runs.
    pub direction: Direction,
}

/// One page, and the key to ask for the next one with.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The rows, at most as many as were asked for.
    pub items: Vec<T>,
    /// `None` when this page is the last.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// Makes a page of rows that were read with a limit one greater than asked for: the extra row only says that
    /// there is a next page.
    pub fn from_lookahead(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next }
    }

    /// The same page with each row turned into something else.
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
