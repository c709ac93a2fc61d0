//! Settings of the database and of stored files.

use secrecy::SecretString;
use std::{path::PathBuf, time::Duration};
use tenantry_objects::S3Config;
use tenantry_store::{Database, Synchronous};
use url::Url;

use super::{
    super::{
        section::{FromSettings, Section, settings},
        setting::{Declaration, Layers, Setting},
        values,
    },
    general::DATA_DIR,
};

/// 10,000 parts of 5 MiB each, the limit of S3, rounded down.
const LARGEST_FILE_BYTES: u64 = 48 << 30;

/// The storage of files, as far as `STORAGE_URL` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum StorageUrl {
    File(PathBuf),
    S3 { bucket: String, prefix: String },
}

/// The storage of files.
#[derive(Debug, Clone)]
pub enum StoragePlace {
    /// A folder.
    Disk(PathBuf),
    /// A bucket of S3, or of a compatible server.
    S3(S3Config),
}

settings! {
    /// Settings of the database.
    #[derive(Debug, Clone)]
    pub struct DatabaseConfig titled "Database" {
        /// The database: a SQLite file, or PostgreSQL.
        DATABASE_URL => url: Database {
            takes: "sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE, with only one host and with special characters of the password percent-encoded",
            unset: "`sqlite:` and `tenantry.db` in `DATA_DIR`",
            otherwise: |layers| Some(Database::Sqlite(layers.value(&DATA_DIR)?.join("tenantry.db"))),
            parse: values::database
        }
        /// Maximum number of connections of one process.
        DATABASE_POOL_SIZE => pool_size: u32 {
            takes: "a number from 1 to 1000",
            default: "10",
            parse: |text| values::number(text, 1..=1000)
        }
        /// Milliseconds after which a unit of work is aborted.
        DATABASE_DEADLINE_MS => deadline: Duration {
            takes: "a number from 100 to 60000",
            default: "2000",
            parse: |text| values::number(text, 100..=60_000).map(Duration::from_millis)
        }
        /// When SQLite waits for the disk. With `full` every acknowledged change survives a power failure. With `normal`
        /// commits are faster, but the last ones may be lost.
        SQLITE_SYNCHRONOUS => sqlite_synchronous: Synchronous {
            takes: "full or normal",
            default: "full",
            parse: |text| match text {
                "full" => Some(Synchronous::Full),
                "normal" => Some(Synchronous::Normal),
                _ => None,
            }
        }
        /// Lets production use a PostgreSQL role that row-level security does not bind: a superuser, or a role with
        /// `BYPASSRLS`. Leave it off, and give the role `NOSUPERUSER NOBYPASSRLS` instead.
        ALLOW_RLS_BYPASS => allow_rls_bypass: bool {
            takes: "on or off",
            default: "off",
            parse: values::switch
        }
    }

    /// The configured storage, before the settings of AWS are read.
    pub(in crate::config) struct StorageAddress titled "Storage" {
        /// Storage of the files' bytes: a folder, which all processes must share, or a bucket of S3.
        STORAGE_URL => url: StorageUrl {
            takes: "file:FOLDER or s3://BUCKET[/PREFIX]",
            example: "s3://acme-files",
            unset: "`file:` and `files` in `DATA_DIR`",
            otherwise: |layers| Some(StorageUrl::File(layers.value(&DATA_DIR)?.join("files"))),
            parse: storage_url
        }
    }

    /// Access to a bucket; read only for a bucket.
    pub(in crate::config) struct BucketAccess titled "S3" checked by check_bucket {
        /// Region of the bucket. Most servers other than AWS ignore it.
        AWS_REGION => region: String {
            takes: "the name of a region",
            example: "eu-central-1",
            default: "us-east-1",
            parse: |text| values::visible_ascii(text, 1..=64)
        }
        /// Address of a server compatible with S3, such as MinIO.
        AWS_ENDPOINT_URL => endpoint: Option<Url> {
            takes: "an http or https address without path, query or trailing slash",
            example: "https://minio.example.com",
            unset: "AWS",
            parse: values::origin_url
        }
        /// Id of the access key. It needs `AWS_SECRET_ACCESS_KEY`.
        AWS_ACCESS_KEY_ID => access_key_id: Option<String> {
            takes: "1 to 128 visible ASCII characters",
            unset: "the role of the machine",
            parse: |text| values::visible_ascii(text, 1..=128)
        }
        /// Secret of the access key. Keep it in the environment rather than in a file.
        AWS_SECRET_ACCESS_KEY => secret_access_key: Option<SecretString> {
            takes: "1 to 255 visible ASCII characters",
            unset: "the role of the machine",
            parse: |text| values::visible_secret(text, 1..=255)
        }
        /// Session token of a temporary access key.
        AWS_SESSION_TOKEN => session_token: Option<SecretString> {
            takes: "1 to 4096 visible ASCII characters",
            unset: "none",
            parse: |text| values::visible_secret(text, 1..=4096)
        }
    }

    /// Storage of files, and its quotas.
    #[derive(Debug, Clone)]
    pub struct StorageConfig titled "Files" checked by check_files {
        /// With `on`, downloads are redirected to S3 with a link that is valid for a minute.
        STORAGE_REDIRECT => redirect: bool {
            takes: "on or off",
            default: "off",
            parse: values::switch
        }
        /// Maximum size of one file.
        MAX_FILE_SIZE => max_file_bytes: u64 {
            takes: "bytes from 1 to 48GiB, with or without KiB, MiB or GiB",
            default: "10MiB",
            parse: |text| values::bytes(text, 1..=LARGEST_FILE_BYTES)
        }
        with {
            /// The folder or the bucket.
            place: StoragePlace,
            /// The bytes that a tenant may store.
            quotas: StorageQuotas,
        }
    }

    /// The bytes that a tenant may store, by plan.
    #[derive(Debug, Clone)]
    pub struct StorageQuotas titled "Storage by plan" {
        /// Total size of the files of a tenant on the plan `starter`.
        STORAGE_PLANS_STARTER => starter_bytes: u64 {
            takes: "bytes, with or without KiB, MiB, GiB or TiB",
            default: "1GiB",
            parse: values::any_bytes
        }
        /// Total size of the files of a tenant on the plan `pro`.
        STORAGE_PLANS_PRO => pro_bytes: u64 {
            takes: "bytes, with or without KiB, MiB, GiB or TiB",
            default: "50GiB",
            parse: values::any_bytes
        }
        /// Total size of the files of a tenant on the plan `enterprise`.
        STORAGE_PLANS_ENTERPRISE => enterprise_bytes: u64 {
            takes: "bytes, with or without KiB, MiB, GiB or TiB",
            default: "1TiB",
            parse: values::any_bytes
        }
    }
}

impl FromSettings for StoragePlace {
    /// Reads the settings of AWS only for a bucket: without one, they may be set for another program.
    fn read(layers: &mut Layers) -> Option<Self> {
        match StorageAddress::read(layers)?.url {
            StorageUrl::File(folder) => Some(Self::Disk(folder)),
            StorageUrl::S3 { bucket, prefix } => {
                let access = BucketAccess::read(layers)?;
                Some(Self::S3(S3Config {
                    bucket,
                    prefix,
                    region: access.region,
                    endpoint: access.endpoint,
                    access_key: access.access_key_id.zip(access.secret_access_key),
                    session_token: access.session_token,
                }))
            }
        }
    }
}

impl StorageQuotas {
    /// Returns the bytes that a tenant on each plan may store, the smallest plan first.
    pub fn plans(&self) -> [(&'static str, u64); 3] {
        [("starter", self.starter_bytes), ("pro", self.pro_bytes), ("enterprise", self.enterprise_bytes)]
    }

    /// Returns the bytes that a tenant on this plan may store. A plan that no longer exists counts as the smallest.
    pub fn of_plan(&self, name: &str) -> u64 {
        self.plans().into_iter().find(|(plan, _)| *plan == name).map_or(self.starter_bytes, |(_, bytes)| bytes)
    }
}

/// Parses the URL of a storage.
fn storage_url(text: &str) -> Option<StorageUrl> {
    if let Some(folder) = text.strip_prefix("file:") {
        return (!folder.is_empty()).then(|| StorageUrl::File(PathBuf::from(folder)));
    }
    let (bucket, prefix) = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    let prefix = prefix.trim_end_matches('/');
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let fits = is_bucket && (prefix.is_empty() || prefix.split('/').all(is_part));
    fits.then(|| StorageUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn check_files(layers: &mut Layers) {
    let is_folder = matches!(layers.value(&STORAGE_URL), Some(StorageUrl::File(_)));
    if is_folder && layers.value(&STORAGE_REDIRECT) == Some(true) {
        layers.refuse(&STORAGE_REDIRECT, "must be off unless STORAGE_URL names a bucket of S3");
    }
}

fn check_bucket(layers: &mut Layers) {
    match (layers.value(&AWS_ACCESS_KEY_ID), layers.value(&AWS_SECRET_ACCESS_KEY)) {
        (Some(None), Some(Some(_))) => {
            layers.refuse(&AWS_ACCESS_KEY_ID, "must be set where AWS_SECRET_ACCESS_KEY is");
        }
        (Some(Some(_)), Some(None)) => {
            layers.refuse(&AWS_SECRET_ACCESS_KEY, "must be set where AWS_ACCESS_KEY_ID is");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storages_are_folders_or_buckets() {
        assert_eq!(storage_url("file:./files"), Some(StorageUrl::File("./files".into())));
        let s3 = |bucket: &str, prefix: &str| Some(StorageUrl::S3 { bucket: bucket.into(), prefix: prefix.into() });
        assert_eq!(storage_url("s3://acme-files"), s3("acme-files", ""));
        assert_eq!(storage_url("s3://acme-files/a/b_c/"), s3("acme-files", "a/b_c"));
        for bad in [
            "",
            "file:",
            "s3://",
            "s3://ab",
            "s3://Acme",
            "s3://acme/a//b",
            "s3://acme/../b",
            "s3://acme/a?b",
            "/files",
            "gs://acme",
        ] {
            assert_eq!(storage_url(bad), None, "{bad}");
        }
    }
}
