//! The address of a PostgreSQL that moves from one server to another, as a name or a virtual address does.

use std::sync::Arc;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Forwards each connection to the server at which the address points when it is opened.
pub(super) struct Address {
    port: u16,
    server: Arc<watch::Sender<u16>>,
    cuts: Arc<watch::Sender<()>>,
}

impl Address {
    pub(super) async fn of(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Self { port, server: Arc::new(watch::Sender::new(server)), cuts: Arc::default() };
        let (server, cuts) = (address.server.clone(), address.cuts.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut cut) = (*server.borrow(), cuts.subscribe());
                tokio::spawn(async move {
                    // A client of a server that is down loses its connection.
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        address
    }

    /// Returns the URL of the database `tenantry` for the role `tenantry`.
    pub(super) fn url(&self) -> String {
        format!("postgres://tenantry@127.0.0.1:{}/tenantry", self.port)
    }

    /// Leads new connections to another server. Open ones stay where they are.
    pub(super) fn move_to(&self, server: u16) {
        self.server.send_replace(server);
    }

    /// Ends the open connections.
    pub(super) fn cut(&self) {
        self.cuts.send_replace(());
    }
}
