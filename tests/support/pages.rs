//! Reads lists page by page.

use serde_json::Value;

use super::Client;

/// Returns every row of a list, read in pages of this size, and checks each page against its limit.
pub(crate) async fn joined(client: &Client, list: &str, limit: usize) -> Vec<Value> {
    let separator = if list.contains('?') { '&' } else { '?' };
    let first = format!("{list}{separator}limit={limit}");
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let path = cursor.map_or_else(|| first.clone(), |cursor| format!("{first}&cursor={cursor}"));
        let reply = client.get(&path).await;
        assert_eq!(reply.body["meta"]["limit"], limit, "{path}");
        let next = reply.body["meta"]["nextCursor"].as_str().map(str::to_owned);
        let page = reply.is(200).as_array().unwrap().clone();
        assert!(page.len() <= limit && (next.is_none() || page.len() == limit), "{path}: {} rows", page.len());
        rows.extend(page);
        match next {
            Some(next) => cursor = Some(next),
            None => return rows,
        }
    }
}

/// Checks that the joined pages equal the whole list for every page size.
pub(crate) async fn assert_pages_join(client: &Client, list: &str) -> Vec<Value> {
    let whole = joined(client, list, 100).await;
    for limit in [1, 2, 3, 7] {
        assert_eq!(joined(client, list, limit).await, whole, "{list} in pages of {limit}");
    }
    whole
}

/// Returns one field of every row.
pub(crate) fn field<'a>(rows: &'a [Value], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[name].as_str().unwrap()).collect()
}
