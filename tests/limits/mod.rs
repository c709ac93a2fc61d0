//! Tests of rate limits: how many requests are admitted, how they are counted, and which headers report them.

mod callers;
mod fields;
mod flood;

pub(crate) use fields::of_every_operation;

use reqwest::StatusCode;
use sfv::{BareItem, List, ListEntry, Parser};
use std::collections::BTreeMap;

use crate::support::{Client, Reply};

/// Returns a header as a generic parser of structured fields reads it: the parameters of each name.
fn parsed(reply: &Reply, field: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let text = reply.header(field);
    let list: List = Parser::new(text).parse().unwrap_or_else(|error| panic!("{field}: {text}: {error}"));
    let entries = list.into_iter().map(|entry| {
        let ListEntry::Item(item) = entry else { panic!("{field}: {text} has an inner list") };
        let BareItem::String(name) = item.bare_item else { panic!("{field}: {text} names by something else") };
        let parameters = item.params.into_iter().map(|(key, value)| {
            let BareItem::Integer(number) = value else { panic!("{field}: {text}: {key} is no whole number") };
            (key.to_string(), u64::try_from(i64::from(number)).unwrap())
        });
        (name.to_string(), parameters.collect())
    });
    entries.collect()
}

/// Returns one parameter of a header.
fn told(reply: &Reply, field: &str, policy: &str, parameter: &str) -> u64 {
    parsed(reply, field)[policy][parameter]
}

/// Sends this number of requests in a row and returns how many were not refused by the rate limit.
async fn admitted(client: &Client, requests: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..requests {
        let reply = client.get("/auth/me").await;
        admitted += u32::from(reply.status != StatusCode::TOO_MANY_REQUESTS);
    }
    admitted
}
