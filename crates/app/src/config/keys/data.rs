//! Settings of the database and of stored files.

use secrecy::SecretString;
use std::time::Duration;
use tenantry_store::{Database, Synchronous};
use url::Url;

use super::{
    super::{
        layers::Layers,
        rules,
        setting::{Declaration, FromSettings, Section, Setting, settings},
        types::{StoragePlace, StorageUrl},
        values,
    },
    DATA_DIR,
};

/// 10,000 parts of 5 MiB each, the limit of S3, rounded down.
const LARGEST_FILE_BYTES: u64 = 48 << 30;

settings! {
    /// Settings of the database.
    #[derive(Debug, Clone)]
    pub struct DatabaseConfig titled "Database" {
        /// The database: a SQLite file, or PostgreSQL.
        DATABASE_URL => url: Database {
            takes: "sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE, with special characters of the password percent-encoded",
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
        /// Milliseconds after which a unit of work is given up.
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
        /// Where the bytes of files are kept: in a folder, which all processes must share, or in a bucket of S3.
        STORAGE_URL => url: StorageUrl {
            takes: "file:FOLDER or s3://BUCKET[/PREFIX]",
            example: "s3://acme-files",
            unset: "`file:` and `files` in `DATA_DIR`",
            otherwise: |layers| Some(StorageUrl::File(layers.value(&DATA_DIR)?.join("files"))),
            parse: values::storage_url
        }
    }

    /// Access to a bucket; read only for a bucket.
    pub(in crate::config) struct BucketAccess titled "S3" checked by rules::bucket {
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
    pub struct StorageConfig titled "Files" checked by rules::files {
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
