//! An S3 server in this process, on a free port, which stores its data in its own folder.

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::{fs, net::SocketAddr};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

/// A running server. Dropping it removes the server and all its data.
pub struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl S3Server {
    /// The bucket of the server.
    pub const BUCKET: &'static str = "files";
    /// The id of the key that it accepts.
    pub const KEY_ID: &'static str = "AKIATESTKIT";
    /// The secret of that key.
    pub const KEY_SECRET: &'static str = "not-much-of-a-secret";

    /// Starts a server with an empty bucket, in the runtime of the caller.
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("tenantry-s3-").unwrap();
        fs::create_dir(folder.path().join(Self::BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(Self::KEY_ID, Self::KEY_SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            // Dropped with the task, so that stopping the server also closes its connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    let served = builder.serve_connection(TokioIo::new(stream), service);
                    served.await.map_err(|error| error.to_string())
                });
            }
        });
        Self { folder, address, serving }
    }

    /// Returns the URL on which it listens.
    pub fn endpoint(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Returns how many files exist of uploads that were neither completed nor aborted.
    pub fn unfinished(&self) -> usize {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".upload")).count()
    }

    /// Stops the server. Its data stays until the value is dropped.
    pub async fn stop(&mut self) {
        self.serving.abort();
        let ended = (&mut self.serving).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()), "the server had ended by itself");
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
