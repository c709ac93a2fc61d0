//! Tests of connections that serve several requests.

use serde_json::json;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::process::{Process, settings};
use crate::support::{Kind, Server, ServerData, Settings};

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

/// A load balancer may send its next request on a connection that it has kept.
#[test]
fn an_idle_connection_is_kept_for_the_configured_time() {
    super::run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("KEEP_ALIVE", "8s")).await;
        let mut idle = served(&server).await;
        tokio::time::sleep(Duration::from_millis(6_500)).await;
        request(&mut idle).await;
        let since = Instant::now();
        assert_eq!(timeout(Duration::from_secs(10), idle.read(&mut [0])).await.unwrap().unwrap(), 0, "it is closed");
        assert!(since.elapsed() > Duration::from_millis(7_000), "{:?}", since.elapsed());
    });
}

#[test]
fn an_idle_connection_does_not_lengthen_a_stop() {
    super::run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let mut server = Process::start(&place, &settings()).await;
        let mut idle = served(&server).await;
        server.signal(Signal::TERM);
        assert!(server.ended(Duration::from_secs(3)).await.success());
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    });
}

/// Opens a connection and sends a first request on it.
async fn served(server: &Process) -> TcpStream {
    let mut connection = TcpStream::connect(server.url().trim_start_matches("http://")).await.unwrap();
    request(&mut connection).await;
    connection
}

async fn request(connection: &mut TcpStream) {
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nok\n") {
        assert_ne!(connection.read_buf(&mut seen).await.unwrap(), 0, "the server closed the connection");
    }
    assert!(seen.starts_with(b"HTTP/1.1 200"));
}
