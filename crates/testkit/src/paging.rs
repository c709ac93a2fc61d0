//! Reads a whole list page by page.

use tenantry_kernel::{Direction, Page, PageRequest};

/// Both directions of a list.
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

/// Joins all pages of at most `limit` rows, and checks the guarantees of each page.
pub(crate) async fn all_pages<T, K: Clone>(
    limit: u32,
    direction: Direction,
    mut read: impl AsyncFnMut(PageRequest<K>) -> Page<T, K>,
) -> Vec<T> {
    let full = usize::try_from(limit).unwrap();
    let mut joined = Vec::new();
    let mut after = None;
    loop {
        let page = read(PageRequest { limit, after, direction }).await;
        match page.next {
            Some(next) => {
                assert_eq!(page.items.len(), full, "only the last page may be short");
                joined.extend(page.items);
                after = Some(next);
            }
            None => {
                assert!(page.items.len() <= full, "a page never holds more than was asked for");
                assert!(joined.is_empty() || !page.items.is_empty(), "no page leads to an empty one");
                joined.extend(page.items);
                return joined;
            }
        }
    }
}
