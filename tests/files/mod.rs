//! Tests of files: which may be stored, how many bytes of them, and who may download them.

mod deleting;
mod downloads;
mod fixture;
mod links;
mod s3;
mod samples;
mod sweeps;
mod uploads;
mod walk;

use serde_json::Value;
use std::path::PathBuf;

use crate::support::{Member, Server};
pub(crate) use fixture::fixture;
use samples::PNG;
pub(crate) use walk::walk;

impl Server {
    /// Returns every file below the folder of the storage, as `tenant/name`.
    pub(crate) fn stored(&self) -> Vec<String> {
        let root = self.storage();
        let Ok(tenants) = std::fs::read_dir(&root) else { return Vec::new() };
        let mut stored = Vec::new();
        for tenant in tenants.map(|entry| entry.unwrap().path()) {
            for file in std::fs::read_dir(&tenant).unwrap().map(|entry| entry.unwrap().path()) {
                stored.push(file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
        stored.sort();
        stored
    }

    fn storage(&self) -> PathBuf {
        self.place.folder.path().join("files")
    }

    /// Returns how many bytes all tenants use.
    async fn used(&self) -> i64 {
        self.sql.number("SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM storage_usage").await
    }

    async fn recorded(&self) -> i64 {
        self.sql.number("SELECT count(*) FROM files").await
    }

    /// Checks that no part of a file is stored: no record, no bytes, no usage.
    async fn holds_nothing(&self) {
        assert_eq!((self.recorded().await, self.used().await, self.stored()), (0, 0, Vec::new()));
    }
}

fn id_of(file: &Value) -> &str {
    file["id"].as_str().unwrap()
}

/// Uploads an image and returns its path.
async fn image(member: &Member) -> String {
    let file = member.upload("logo.png", "image/png", PNG).await.is(201);
    format!("/files/{}", id_of(&file))
}
