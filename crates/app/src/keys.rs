//! Where keys come from: the configuration; in development, made on the first start and kept in the data folder.

use secrecy::{ExposeSecret, SecretString};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tenantry_crypto::{ServerSecrets, SigningKeys, SystemEntropy};

use crate::{StartError, config::Config};

/// The keys in the form of the configuration.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) signing: Vec<SecretString>,
    pub(crate) secrets: Vec<SecretString>,
}

const SIGNING: &str = "SIGNING_KEYS";
const SECRETS: &str = "SERVER_SECRETS";

impl Keys {
    /// The configured keys, or those of the data folder. The configuration has refused production without any.
    pub(crate) fn load(config: &Config) -> Result<Self, StartError> {
        match (&config.keys.signing_keys, &config.keys.server_secrets) {
            (Some(signing), Some(secrets)) => Ok(Self { signing: signing.clone(), secrets: secrets.clone() }),
            (signing, secrets) => {
                let kept = Self::kept_or_made(config)?;
                Ok(Self {
                    signing: signing.clone().unwrap_or(kept.signing),
                    secrets: secrets.clone().unwrap_or(kept.secrets),
                })
            }
        }
    }

    /// The keys of the data folder, if they have been made.
    pub(crate) fn kept(config: &Config) -> Result<Option<Self>, StartError> {
        let file = Self::file(config);
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&text).map(Some).ok_or(StartError::KeyFile(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StartError::Files(file, error)),
        }
    }

    /// The keys of the data folder, made there when there are none.
    pub(crate) fn kept_or_made(config: &Config) -> Result<Self, StartError> {
        if let Some(kept) = Self::kept(config)? {
            return Ok(kept);
        }
        let file = Self::file(config);
        // Servers that start together in one folder must end up with the same keys.
        let _making = lock_beside(&file)?;
        if let Some(kept) = Self::kept(config)? {
            return Ok(kept);
        }
        let made = Self {
            signing: vec![SigningKeys::generate_one(&SystemEntropy)],
            secrets: vec![ServerSecrets::generate_one(&SystemEntropy)],
        };
        made.write(&file)?;
        tracing::info!(file = %file.display(), "made keys for development");
        Ok(made)
    }

    /// Where keys made in development are kept.
    pub(crate) fn file(config: &Config) -> PathBuf {
        config.data_dir.join("keys.env")
    }

    /// Replaces the file as a whole, readable by its owner only.
    pub(crate) fn write(&self, file: &Path) -> Result<(), StartError> {
        let failed = |error| StartError::Files(file.to_owned(), error);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let part = file.with_extension("env.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut out = options.open(&part).map_err(failed)?;
        out.write_all(self.text().as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
        fs::rename(&part, file).map_err(failed)
    }

    /// What stands in the file.
    pub(crate) fn text(&self) -> String {
        format!("{SIGNING}={}\n{SECRETS}={}\n", Self::value(&self.signing), Self::value(&self.secrets))
    }

    /// A list as the configuration has it.
    pub(crate) fn value(keys: &[SecretString]) -> String {
        keys.iter().map(|key| key.expose_secret()).collect::<Vec<_>>().join(",")
    }

    fn parse(text: &str) -> Option<Self> {
        let list = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.split(',').map(|key| SecretString::from(key.trim().to_owned())).collect())
        };
        Some(Self { signing: list(SIGNING)?, secrets: list(SECRETS)? })
    }
}

/// Waits until no other process has this lock; it ends with the process, however that ends.
fn lock_beside(file: &Path) -> Result<fs::File, StartError> {
    let lock = file.with_extension("env.lock");
    let failed = |error| StartError::Files(lock.clone(), error);
    if let Some(folder) = lock.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let held = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
    held.lock().map_err(failed)?;
    Ok(held)
}
