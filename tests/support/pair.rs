//! Sends the same requests to servers on both databases.

use super::{Client, Kind, Reply, Server, Settings, Tenant};

/// A server on each database, with the same data.
pub(crate) struct Pair {
    pub(crate) servers: [Server; 2],
    pub(crate) tenants: [Tenant; 2],
}

impl Pair {
    /// Runs a test with a pair.
    pub(crate) fn run<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let servers = [
                Server::start(Kind::Sqlite, Settings::default()).await,
                Server::start(Kind::Postgres, Settings::default()).await,
            ];
            let tenants = [servers[0].tenant("acme").await, servers[1].tenant("acme").await];
            test(Self { servers, tenants }).await;
        });
    }

    /// Returns both responses to the owner's `GET`, which must have the same status and code.
    pub(crate) async fn get(&self, path: &str) -> [Reply; 2] {
        self.ask(async |owner: &Client| owner.get(path).await, path).await
    }

    /// Returns both responses to any other request of the owner.
    pub(crate) async fn ask(&self, ask: impl AsyncFn(&Client) -> Reply, what: &str) -> [Reply; 2] {
        let replies = [ask(&self.tenants[0].owner).await, ask(&self.tenants[1].owner).await];
        let [sqlite, postgres] = &replies;
        assert!(!sqlite.status.is_server_error(), "{what}: {}", sqlite.text);
        assert_eq!(sqlite.status, postgres.status, "{what}: {} and {}", sqlite.text, postgres.text);
        assert_eq!(sqlite.body["error"], postgres.body["error"], "{what}");
        replies
    }
}
