//! HTTP/1.1 load with persistent connections: closed loop for throughput, open loop for latency.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

/// Time limit of one request.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) type Call = Request<Full<Bytes>>;

/// A persistent connection.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

pub(crate) struct ReceivedReply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // the task ends with the sender; the caller that waits for a response receives its failure
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    pub(crate) async fn send(&mut self, mut call: Call) -> Result<ReceivedReply> {
        call.headers_mut().insert(header::HOST, self.address.to_string().parse()?);
        let answered = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(call).await?.into_parts();
            anyhow::Ok(ReceivedReply {
                status: head.status,
                headers: head.headers,
                body: body.collect().await?.to_bytes(),
            })
        };
        timeout(LIMIT, answered).await.context("no answer in time")?
    }

    /// Reads a response of any length to its end without keeping it. Returns its number of lines.
    pub(crate) async fn drain(&mut self, mut call: Call) -> Result<u64> {
        call.headers_mut().insert(header::HOST, self.address.to_string().parse()?);
        self.sender.ready().await?;
        let (head, mut body) = self.sender.send_request(call).await?.into_parts();
        if !head.status.is_success() {
            bail!("{}", head.status);
        }
        let mut lines = 0;
        while let Some(frame) = body.frame().await {
            let data = frame?.into_data().unwrap_or_default();
            lines += data.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        Ok(lines)
    }

    /// Sends a request that must succeed.
    pub(crate) async fn succeed(&mut self, call: Call) -> Result<ReceivedReply> {
        let reply = self.send(call).await?;
        if !reply.status.is_success() {
            bail!("{}: {}", reply.status, String::from_utf8_lossy(&reply.body));
        }
        Ok(reply)
    }
}

/// A client that sends one request after the other.
pub(crate) trait LoadClient {
    fn next_call(&mut self) -> Result<Call>;

    /// Reads a response that the next request depends on.
    fn read(&mut self, _: &ReceivedReply) -> Result<()> {
        Ok(())
    }
}

/// Each client sends its next request after the response to the last one, until the time is over. Returns the number
/// of responses and the elapsed time.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    clients: &mut [impl LoadClient],
    duration: Duration,
) -> Result<(u32, Duration)> {
    let connections = try_join_all(clients.iter().map(|_| Client::open(address))).await?;
    let began = Instant::now();
    let visits = clients.iter_mut().zip(connections).map(async |(client, mut connection)| {
        let mut count = 0;
        while began.elapsed() < duration {
            let reply = connection.succeed(client.next_call()?).await?;
            client.read(&reply)?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let count = try_join_all(visits).await?.iter().sum();
    Ok((count, began.elapsed()))
}

/// Sends `times` requests, each after the response to the last one. Returns the sorted latencies.
pub(crate) async fn one_by_one(
    address: SocketAddr,
    client: &mut impl LoadClient,
    times: usize,
) -> Result<Vec<Duration>> {
    let mut connection = Client::open(address).await?;
    let mut latencies = Vec::with_capacity(times);
    for _ in 0..times {
        let call = client.next_call()?;
        let began = Instant::now();
        connection.succeed(call).await?;
        latencies.push(began.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// Sends requests at a steady rate, however slow the responses are; the clients take turns. Returns the sorted
/// latencies, counted from the scheduled time of each request.
pub(crate) async fn open_loop(
    address: SocketAddr,
    clients: &mut [impl LoadClient],
    per_second: u32,
    duration: Duration,
) -> Result<Vec<Duration>> {
    let connections = try_join_all(clients.iter().map(|_| Client::open(address))).await?;
    let interval = Duration::from_secs(1) / per_second;
    let turns = u32::try_from(clients.len())?;
    let began = Instant::now() + interval;
    let visits = clients.iter_mut().zip(connections).zip(0..).map(async |((client, mut connection), turn)| {
        let mut latencies = Vec::new();
        let mut intended = began + interval * turn;
        while intended < began + duration {
            sleep_until(intended).await;
            connection.succeed(client.next_call()?).await?;
            latencies.push(intended.elapsed());
            intended += interval * turns;
        }
        anyhow::Ok(latencies)
    });
    let mut latencies = try_join_all(visits).await?.concat();
    latencies.sort_unstable();
    Ok(latencies)
}

/// Returns the latency that this part of the sorted latencies does not exceed.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}
