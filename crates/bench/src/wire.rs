//! A proxy between the server and PostgreSQL that records the statements, to compare them with the replayed ones.

use anyhow::{Context, Result};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

/// The statements sent since the last call, in order.
#[derive(Clone, Default)]
pub(crate) struct SentStatements(Arc<Mutex<Vec<String>>>);

impl SentStatements {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until no statement has been sent for a while, and discards the recorded ones.
    pub(crate) async fn wait_for_silence(&self) {
        const SILENCE: Duration = Duration::from_secs(1);
        while !self.take().is_empty() {
            sleep(SILENCE).await;
        }
    }

    fn note(&self, statement: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(statement.to_owned());
    }
}

/// Forwards each connection to a port of this process, without TLS, and records what clients send. Leaves out the
/// connection of the feed of authority changes, which serves no request.
pub(crate) async fn listen(server: SocketAddr) -> Result<(SocketAddr, SentStatements)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (address, heard) = (listener.local_addr()?, SentStatements::default());
    tokio::spawn({
        let heard = heard.clone();
        async move {
            while let Ok((client, _)) = listener.accept().await {
                let heard = heard.clone();
                // either end may close at any time; the caller that waits for a response receives the error
                tokio::spawn(async move { pass_on(client, server, heard).await });
            }
        }
    });
    Ok((address, heard))
}

async fn pass_on(client: TcpStream, server: SocketAddr, heard: SentStatements) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    note_statements(from_client, to_server, heard).await
}

/// Parses the messages of a client (PostgreSQL's documentation, 55.7).
async fn note_statements(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, heard: SentStatements) -> Result<()> {
    let start = pass_message(&mut client, &mut server).await?;
    let is_feed = String::from_utf8_lossy(&start).contains("authority feed");
    let mut prepared: HashMap<Vec<u8>, String> = HashMap::new();
    loop {
        let kind = client.read_u8().await?;
        server.write_u8(kind).await?;
        let message = pass_message(&mut client, &mut server).await?;
        let mut texts = message.split(|byte| *byte == 0);
        let mut text = || texts.next().context("a text in a message");
        match kind {
            _ if is_feed => {}
            b'Q' => heard.note(std::str::from_utf8(text()?)?),
            b'P' => {
                let (name, statement) = (text()?, text()?);
                prepared.insert(name.to_owned(), String::from_utf8(statement.to_owned())?);
            }
            b'B' => {
                let (_portal, name) = (text()?, text()?);
                prepared.get(name).into_iter().for_each(|statement| heard.note(statement));
            }
            _ => {}
        }
    }
}

/// Forwards one message after its kind, and returns it without its length.
async fn pass_message(client: &mut OwnedReadHalf, server: &mut OwnedWriteHalf) -> Result<Vec<u8>> {
    const LENGTH_BYTES: u32 = 4;
    let length = client.read_u32().await?;
    let mut message = vec![0; usize::try_from(length.checked_sub(LENGTH_BYTES).context("a length counts itself")?)?];
    client.read_exact(&mut message).await?;
    server.write_u32(length).await?;
    server.write_all(&message).await?;
    Ok(message)
}
