//! A proxy to a PostgreSQL server that can be frozen and can lose its connections for good.

use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

pub(crate) struct Proxy {
    url: Url,
    state: Arc<watch::Sender<State>>,
}

#[derive(Default)]
struct State {
    frozen: bool,
    /// Number of connections so far.
    connections: usize,
    /// The connections before this one are lost: the proxy forwards nothing on them any more, without notice.
    lost: usize,
}

impl Proxy {
    /// Listens on a free port and forwards to the server of this URL.
    pub(crate) async fn start(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let state = Arc::new(watch::Sender::new(State::default()));
        let of_server = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let mut number = 0;
                of_server.send_modify(|state| {
                    number = state.connections;
                    state.connections += 1;
                });
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(from_client, to_server, number, of_server.subscribe()));
                tokio::spawn(pass_on(from_server, to_client, number, of_server.subscribe()));
            }
        });
        Self { url, state }
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Stops all traffic.
    pub(crate) fn freeze(&self) {
        self.state.send_modify(|state| state.frozen = true);
    }

    /// Resumes all traffic.
    pub(crate) fn thaw(&self) {
        self.state.send_modify(|state| state.frozen = false);
    }

    /// Loses every open connection, like a network that forgot them. New ones can be opened.
    pub(crate) fn lose(&self) {
        self.state.send_modify(|state| state.lost = state.connections);
    }
}

async fn pass_on(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    number: usize,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = [0; 8 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        let moves = state.wait_for(|state| !state.frozen && state.lost <= number).await.is_ok();
        if count == 0 || !moves || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}
