//! Loads the keys from the configuration. In development they are created on the first start and kept in the data
//! folder.

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
    pub(crate) seals: Vec<SecretString>,
}

const SIGNING: &str = "SIGNING_KEYS";
const SECRETS: &str = "SERVER_SECRETS";
const SEALS: &str = "SEAL_KEYS";

impl Keys {
    /// Returns the configured keys, or those of the data folder. The configuration has already refused production
    /// without keys.
    pub(crate) fn load(config: &Config) -> Result<Self, StartError> {
        let configured = &config.keys;
        match (&configured.signing_keys, &configured.server_secrets, &configured.seal_keys) {
            (Some(signing), Some(secrets), Some(seals)) => {
                Ok(Self { signing: signing.clone(), secrets: secrets.clone(), seals: seals.clone() })
            }
            (signing, secrets, seals) => {
                let kept = Self::kept_or_made(config)?;
                Ok(Self {
                    signing: signing.clone().unwrap_or(kept.signing),
                    secrets: secrets.clone().unwrap_or(kept.secrets),
                    seals: seals.clone().unwrap_or(kept.seals),
                })
            }
        }
    }

    /// Returns the keys of the data folder, if they exist.
    pub(crate) fn kept(config: &Config) -> Result<Option<Self>, StartError> {
        let file = Self::file(config);
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&text).map(Some).ok_or(StartError::KeyFile(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StartError::Files(file, error)),
        }
    }

    /// Returns the keys of the data folder, and creates missing ones. A file from before seals existed gets a key for
    /// seals.
    pub(crate) fn kept_or_made(config: &Config) -> Result<Self, StartError> {
        let whole = |kept: &Self| !kept.seals.is_empty();
        if let Some(kept) = Self::kept(config)?.filter(whole) {
            return Ok(kept);
        }
        let file = Self::file(config);
        // Servers that start together in one folder must use the same keys.
        let _making = lock_beside(&file)?;
        let seals = vec![SigningKeys::generate_one(&SystemEntropy)];
        let made = match Self::kept(config)? {
            Some(kept) if whole(&kept) => return Ok(kept),
            Some(kept) => Self { seals, ..kept },
            None => Self {
                signing: vec![SigningKeys::generate_one(&SystemEntropy)],
                secrets: vec![ServerSecrets::generate_one(&SystemEntropy)],
                seals,
            },
        };
        made.write(&file)?;
        tracing::info!(file = %file.display(), "created keys for development");
        Ok(made)
    }

    /// Returns the path of the keys that development creates.
    pub(crate) fn file(config: &Config) -> PathBuf {
        config.general.data_dir.join("keys.env")
    }

    /// Replaces the file as a whole. Only its owner can read it.
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

    /// Returns the content of the file.
    pub(crate) fn text(&self) -> String {
        let [signing, secrets, seals] = [&self.signing, &self.secrets, &self.seals].map(|keys| Self::value(keys));
        format!("{SIGNING}={signing}\n{SECRETS}={secrets}\n{SEALS}={seals}\n")
    }

    /// Formats a list of keys as in the configuration.
    pub(crate) fn value(keys: &[SecretString]) -> String {
        keys.iter().map(|key| key.expose_secret()).collect::<Vec<_>>().join(",")
    }

    fn parse(text: &str) -> Option<Self> {
        let list = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.split(',').map(|key| SecretString::from(key.trim().to_owned())).collect())
        };
        Some(Self { signing: list(SIGNING)?, secrets: list(SECRETS)?, seals: list(SEALS).unwrap_or_default() })
    }
}

/// Waits for the lock beside the file. The lock ends with the process, also after a crash.
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
