use std::time::Duration;

use crate::support::{Kind, Server, Settings, Wire};

const LIMIT: Duration = Duration::from_secs(10);

/// A second request, hidden in the rest of the first.
const SMUGGLED: &str = "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// Headers that contradict each other about the end of the body, or that the server does not support.
const HEADS: [&[&str]; 16] = [
    &["Content-Length: 2", "Content-Length: 3"],
    &["Content-Length: 3", "Content-Length: 2"],
    &["Content-Length: 2", "Content-Length: 2"],
    &["Content-Length: 2, 2"],
    &["Content-Length: 2", "Transfer-Encoding: chunked"],
    &["Transfer-Encoding: chunked", "Content-Length: 2"],
    &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    &["Transfer-Encoding: gzip"],
    &["Transfer-Encoding: chunked, gzip"],
    &["Transfer-Encoding: xchunked"],
    &["Content-Length: +2"],
    &["Content-Length: -1"],
    &["Content-Length: 0x2"],
    &["Content-Length: 99999999999999999999999"],
    &["Content-Length : 2"],
];

/// Bodies with invalid chunks.
const CHUNKS: [&str; 8] = [
    "zz\r\n{}\r\n0\r\n\r\n",
    "-2\r\n{}\r\n0\r\n\r\n",
    "\r\n{}\r\n0\r\n\r\n",
    "0x2\r\n{}\r\n0\r\n\r\n",
    "2{}\r\n0\r\n\r\n",
    "2\r\n{}XX0\r\n\r\n",
    "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "2 2\r\n{}\r\n0\r\n\r\n",
];

/// Sends the request, and expects one refusal and the end of the connection.
async fn is_refused(server: &Server, headers: &[&str], body: &str) {
    let headers = [&["Content-Type: application/json"], headers].concat();
    let wire = Wire::post(server, "/api/v1/auth/login", &headers, format!("{body}{SMUGGLED}").as_bytes()).await;
    let (mut listening, _writer) = wire.split();
    let heard = listening.answer(LIMIT).await;
    assert_eq!(heard.status, 400, "{headers:?} {body:?}: {}", heard.head);
    listening.end(LIMIT).await;
    let text = listening.text();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{headers:?} {body:?}: {text}");
}

#[test]
fn in3_ambiguous_framing_is_refused_and_closed() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        for headers in HEADS {
            is_refused(&server, headers, "{}").await;
            is_refused(&server, headers, "2\r\n{}\r\n0\r\n\r\n").await;
        }
    });
}

#[test]
fn in3_broken_chunks_are_refused_and_closed() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        for body in CHUNKS {
            is_refused(&server, &["Transfer-Encoding: chunked"], body).await;
        }
    });
}

#[test]
fn in3_what_is_no_http_1_is_refused_and_closed() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        for bytes in [
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /livez HTTP/9.9\r\n\r\n",
            "GET /livez\r\n\r\n",
            "\u{0}\u{1}\u{2}\r\n\r\n",
            "GET /livez HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n",
            "GET /livez HTTP/1.1\r\nBad Header: x\r\n\r\n",
            "GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let mut wire = Wire::to(&server).await;
            wire.send(bytes.as_bytes()).await;
            let heard = wire.answer_and_end(LIMIT).await;
            assert_eq!(heard.status, 400, "{bytes:?}: {}", heard.head);
        }
    });
}

#[test]
fn in3_requests_that_follow_each_other_are_each_answered() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        let login = "2\r\n{}\r\n0\r\n\r\n";
        let headers = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
        let wire = Wire::post(&server, "/api/v1/auth/login", &headers, login.as_bytes()).await;
        let (mut listening, mut writer) = wire.split();
        assert_eq!(listening.answer(LIMIT).await.status, 422);
        tokio::io::AsyncWriteExt::write_all(&mut writer, SMUGGLED.as_bytes()).await.unwrap();
        listening.until("ok\n", LIMIT).await;
    });
}
