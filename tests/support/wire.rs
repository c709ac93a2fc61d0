//! A raw connection on which a test writes any bytes.

use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::Server;

/// One connection to a server.
pub(crate) struct Wire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

/// The response, as far as it arrived.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Wire {
    pub(crate) async fn to(server: &Server) -> Self {
        let (reader, writer) = TcpStream::connect(server.address).await.unwrap().into_split();
        Self { reader, writer }
    }

    /// Sends a `POST` with these header lines, and the body.
    pub(crate) async fn post(server: &Server, path: &str, headers: &[&str], body: &[u8]) -> Self {
        let mut wire = Self::to(server).await;
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        wire.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\n{lines}\r\n").as_bytes()).await;
        wire.send(body).await;
        wire
    }

    /// Sends bytes; a connection closed by the other side is no error here.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.writer.write_all(bytes).await.is_ok()
    }

    /// Sends the piece again and again, with a pause in between, until the other side accepts no more.
    pub(crate) async fn drip(mut writer: OwnedWriteHalf, piece: &[u8], pause: Duration) {
        while writer.write_all(piece).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        self.reader.reunite(self.writer).unwrap().set_zero_linger().unwrap();
    }

    pub(crate) fn split(self) -> (Listening, OwnedWriteHalf) {
        (Listening { reader: self.reader, seen: Vec::new() }, self.writer)
    }

    /// Continues to read, and keeps the connection open.
    pub(crate) async fn answer(self, limit: Duration) -> Heard {
        let (mut listening, _writer) = self.split();
        listening.answer(limit).await
    }

    /// Returns the response, and checks that the other side closes the connection after it.
    pub(crate) async fn answer_and_end(self, limit: Duration) -> Heard {
        let (mut listening, _writer) = self.split();
        let heard = listening.answer(limit).await;
        listening.end(limit).await;
        heard
    }
}

/// The reading side of a connection.
pub(crate) struct Listening {
    reader: OwnedReadHalf,
    seen: Vec<u8>,
}

impl Listening {
    /// Returns the whole response.
    pub(crate) async fn answer(&mut self, limit: Duration) -> Heard {
        let until = Instant::now() + limit;
        loop {
            if let Some(heard) = heard(&self.seen) {
                return heard;
            }
            assert!(self.more(until).await, "no whole answer, but {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Waits until the other side closes, by an end or by a reset.
    pub(crate) async fn end(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        while self.more(until).await {}
    }

    /// Returns everything that was read so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Waits until the text read so far ends like this.
    pub(crate) async fn until(&mut self, end: &str, limit: Duration) {
        let until = Instant::now() + limit;
        while !self.text().ends_with(end) {
            assert!(self.more(until).await, "closed after {:?}", self.text());
        }
    }

    /// Reads more; returns `false` at the end.
    async fn more(&mut self, until: Instant) -> bool {
        let mut buffer = [0; 4096];
        let left = until.saturating_duration_since(Instant::now());
        let read = timeout(left, self.reader.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("still open, after {:?}", String::from_utf8_lossy(&self.seen))) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.seen.extend_from_slice(&buffer[..n]);
                true
            }
        }
    }
}

fn heard(bytes: &[u8]) -> Option<Heard> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = &bytes[end + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Heard { status, head, body: serde_json::from_slice(body).unwrap_or_default() })
}
