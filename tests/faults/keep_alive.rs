//! Tests of connections that serve several requests.

use serde_json::json;
use std::time::{Duration, Instant};

use crate::support::{Kind, Server, Settings};

/// Longer than the server waits before it closes a connection whose body was not read.
const WATCHED: Duration = Duration::from_millis(2500);

#[test]
fn a_refused_request_does_not_cost_the_next_one_its_answer() {
    Server::run(Kind::Sqlite, Settings::default(), async |server| {
        let client = server.client();
        let began = Instant::now();
        while began.elapsed() < WATCHED {
            let refused = client.post("/roles", json!({ "name": "x", "permissions": [] })).await;
            assert_eq!(refused.header("connection"), "close", "its body was not read");
            refused.refused(401, "unauthenticated");
            client.get("//livez").await;
        }
    });
}
