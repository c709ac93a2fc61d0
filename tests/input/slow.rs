use futures::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::support::{Kind, Server, Settings, Wire};

/// The limit of the contract, and the tolerance for a busy machine.
const DEADLINE: Duration = Duration::from_secs(15);
const LATE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// A slow sender: its headers, its first bytes, and the bytes that follow, if any.
struct Sender {
    headers: &'static [&'static str],
    begin: &'static [u8],
    drip: Option<&'static [u8]>,
}

const BY_LENGTH: &[&str] = &["Content-Type: application/json", "Content-Length: 100000"];
const IN_CHUNKS: &[&str] = &["Content-Type: application/json", "Transfer-Encoding: chunked"];

const SENDERS: [Sender; 5] = [
    Sender { headers: BY_LENGTH, begin: b"", drip: None },
    Sender { headers: BY_LENGTH, begin: b"{\"email\":", drip: None },
    Sender { headers: BY_LENGTH, begin: b"{", drip: Some(b" ") },
    Sender { headers: IN_CHUNKS, begin: b"1\r\n{\r\n", drip: None },
    Sender { headers: IN_CHUNKS, begin: b"1\r\n{\r\n", drip: Some(b"1\r\n \r\n") },
];

/// The result of an attack.
struct Ended {
    status: u16,
    code: Value,
    answered: Duration,
    closed: Duration,
}

async fn attack(server: &Server, path: &str, sender: &Sender) -> Ended {
    let began = Instant::now();
    let (mut listening, writer) = Wire::post(server, path, sender.headers, sender.begin).await.split();
    let drip = sender.drip;
    let sending = tokio::spawn(async move {
        match drip {
            Some(piece) => Wire::drip(writer, piece, PAUSE).await,
            None => {
                let _open = writer;
                std::future::pending::<()>().await;
            }
        }
    });
    let heard = listening.answer(DEADLINE + LATE).await;
    let answered = began.elapsed();
    listening.end(LATE).await;
    let closed = began.elapsed();
    sending.abort();
    Ended { status: heard.status, code: heard.body["error"]["code"].clone(), answered, closed }
}

#[test]
fn in2_slow_senders_are_answered_and_closed() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        let ended = join_all(SENDERS.iter().map(|sender| attack(&server, "/api/v1/auth/login", sender))).await;
        for (place, ended) in ended.iter().enumerate() {
            assert_eq!((ended.status, &ended.code), (408, &json!("timeout")), "sender {place}");
            assert!((DEADLINE..DEADLINE + LATE).contains(&ended.answered), "sender {place}: {:?}", ended.answered);
            assert!(ended.closed - ended.answered < LATE, "sender {place}: {:?}", ended.closed);
        }
        server.client().get("//livez").await;
    });
}

#[test]
fn in2_a_body_that_nobody_wants_is_not_waited_for() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        for (path, status) in [("/api/v1/roles", 401), ("/api/v1/nothing", 404), ("/livez", 405)] {
            let ended = join_all(SENDERS.iter().map(|sender| attack(&server, path, sender))).await;
            for (place, ended) in ended.iter().enumerate() {
                assert_eq!(ended.status, status, "{path}, sender {place}");
                assert!(ended.answered < LATE && ended.closed < LATE, "{path}, sender {place}: {:?}", ended.closed);
            }
        }
    });
}

#[test]
fn in2_a_request_for_websocket_is_refused_and_closed() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        let asks = "Host: test\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nContent-Type: application/json";
        for request in ["POST /api/v1/auth/login", "POST /api/v1/files/upload", "GET /livez", "GET /api/v1/nothing"] {
            for length in ["", "\r\nContent-Length: 0", "\r\nContent-Length: 100"] {
                let mut wire = Wire::to(&server).await;
                wire.send(format!("{request} HTTP/1.1\r\n{asks}{length}\r\n\r\n").as_bytes()).await;
                let heard = wire.answer_and_end(LATE).await;
                assert_eq!((heard.status, &heard.body["error"]["code"]), (400, &json!("malformed_body")), "{request}");
            }
        }
        server.client().get("//livez").await;
    });
}

#[test]
fn in2_a_head_that_does_not_end_is_not_waited_for() {
    Server::run(Kind::Sqlite, Settings::default(), |server| async move {
        let heads = ["", "POST /api/v1/auth/login HTTP/1.1\r\n", "GET /livez HTTP/1.1\r\nHost: test\r\nX-Slow: "];
        join_all(heads.map(async |head| {
            let mut wire = Wire::to(&server).await;
            wire.send(head.as_bytes()).await;
            let (mut listening, _writer) = wire.split();
            listening.end(DEADLINE).await;
            assert!(!listening.text().contains(" 200 "), "{}", listening.text());
        }))
        .await;
    });
}
