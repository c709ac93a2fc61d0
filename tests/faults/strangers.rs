//! Tests of peers that do not speak HTTP.

use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    process::{Process, settings},
    run,
};
use crate::support::{Kind, ServerData, fetch};

/// What scanners and misconfigured proxies send.
const PROBES: [(&str, &[u8]); 6] = [
    ("a connection request of RDP", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
    ("a TLS handshake", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("the PROXY protocol", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("half a head", b"GET /livez HTTP/1.1\r\nHo"),
    ("an invalid header", b"GET /livez HTTP/1.1\r\nHost: x\r\nA b\0: c\r\n\r\n"),
];

#[test]
fn a_stranger_writes_neither_errors_nor_warnings_into_the_log() {
    run(async {
        let place = ServerData::new(Kind::Sqlite).await;
        let server = Process::start(&place, &settings().set("METRICS_ADDR", "127.0.0.1:0")).await;
        let address = server.url().trim_start_matches("http://");
        for (what, bytes) in PROBES {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(bytes).await.unwrap();
            let ended = timeout(Duration::from_secs(10), connection.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok(), "{what}: the connection is still open");
        }
        // A head that does not end.
        let mut connection = TcpStream::connect(address).await.unwrap();
        while connection.write_all(&[b'a'; 8192]).await.is_ok() {}
        // A client that resets its connection in the middle of a request.
        let connection = TcpStream::connect(address).await.unwrap();
        connection.set_zero_linger().unwrap();
        drop(connection);

        let metrics = server.entry("serving metrics").unwrap()["address"].as_str().unwrap().to_owned();
        let metrics = fetch(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
        let failed = metrics.lines().find_map(|line| line.strip_prefix("tenantry_http_connections_failed_total "));
        assert!(failed.unwrap().parse::<u32>().unwrap() >= 4, "{failed:?}");
        let log = server.log();
        assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("\"level\":\"WARN\""), "{log}");
    });
}
