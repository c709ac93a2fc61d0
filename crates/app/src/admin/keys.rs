//! Rotates the keys, one step at a time. No database is needed.

use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use tenantry_crypto::{KeyList, SealSigningKeys, SigningKeys, SystemClock, SystemEntropy, next_rotation_step};
use tenantry_kernel::{Clock, Timestamp};

use crate::{StartError, config::Config, keys::Keys};

use super::AdminError;

/// Takes the next step of the rotation with both lists of keys. The new value of a configured list is printed; a list
/// in the data folder is changed there.
///
/// Advice is printed behind `#`, so that the whole output can go into a file of variables.
pub(super) fn rotate(config: &Config) -> Result<String, AdminError> {
    Ok(rotate_at(config, SystemClock.now())?)
}

fn rotate_at(config: &Config, now: Timestamp) -> Result<String, StartError> {
    let (signing, secrets) = (config.keys.signing_keys.as_deref(), config.keys.server_secrets.as_deref());
    let all_configured = signing.is_some() && secrets.is_some();
    let mut kept = if all_configured { Keys::default() } else { Keys::kept_or_made(config)? };
    let before = kept.text();

    let mut lines = step(KeyList::SigningKeys, signing, &mut kept.signing, config.tokens.access_ttl, now)?;
    lines.extend(step(KeyList::ServerSecrets, secrets, &mut kept.secrets, config.tokens.refresh_max, now)?);
    if kept.text() != before {
        let file = Keys::file(config);
        kept.write(&file)?;
        lines.push(format!("# {} has the new values. A server reads them at its start.", file.display()));
    }
    Ok(lines.join("\n"))
}

/// Adds a new first key for seals. The other keys stay, because the seals that they signed must be verifiable while the
/// entries are kept. No second step is needed: only verifiers must know the new key.
pub(super) fn renew_seal_key(config: &Config) -> Result<String, AdminError> {
    const NEW_KEY: &str = "# SEAL_KEYS: a new key was put before the others, and signs from the next start on. Keep the \
        others for as long as what they have signed, and give verifiers the new one: `tenantry audit keys`.";
    let made = SigningKeys::generate_one(&SystemEntropy);
    if let Some(configured) = &config.keys.seal_keys {
        let list: Vec<SecretString> = std::iter::once(&made).chain(configured).cloned().collect();
        SealSigningKeys::parse(&list).map_err(|error| StartError::keys("SEAL_KEYS", error))?;
        return Ok(format!("{NEW_KEY}\nSEAL_KEYS={}", Keys::value(&list)));
    }
    let mut kept = Keys::kept_or_made(config)?;
    kept.seals.insert(0, made);
    let file = Keys::file(config);
    kept.write(&file)?;
    Ok(format!("{NEW_KEY}\n# {} has the new value; a server reads it when it starts.", file.display()))
}

/// Takes one step with one list: prints the new value of a configured list, or else changes the kept list.
fn step(
    list: KeyList,
    configured: Option<&[SecretString]>,
    kept: &mut Vec<SecretString>,
    good_for: Duration,
    now: Timestamp,
) -> Result<Vec<String>, StartError> {
    let variable = list.variable();
    let next = next_rotation_step(list, configured.unwrap_or(kept), good_for, now, &SystemEntropy)
        .map_err(|error| StartError::keys(variable, error))?;
    let mut lines = vec![format!("# {variable}: {}", next.advice)];
    if configured.is_some() {
        lines.push(format!("{variable}={}", next.value().expose_secret()));
    } else {
        *kept = next.list;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use tempfile::TempDir;

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);

    fn config(folder: &TempDir, more: &[(&str, &str)]) -> Config {
        let folder = folder.path().to_str().expect("UTF-8");
        Config::load(Sources::from_environment(more.iter().copied().chain([("DATA_DIR", folder)]))).expect("good")
    }

    fn values(output: &str, variable: &str) -> Vec<String> {
        let line = output.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
        line.map(|line| line.split(',').map(str::to_owned).collect()).unwrap_or_default()
    }

    #[test]
    fn keys_of_the_data_folder_are_rotated_there_and_never_printed() {
        let folder = TempDir::new().expect("a folder");
        let config = config(&folder, &[]);
        let first = Keys::load(&config).expect("keys");
        let start = SystemClock.now();

        let told = rotate_at(&config, start).expect("a step");
        assert!(told.lines().all(|line| line.starts_with('#')), "{told}");
        assert!(told.contains("keys.env"), "{told}");
        let added = Keys::load(&config).expect("keys");
        assert_eq!((added.signing.len(), added.secrets.len()), (2, 2));
        assert_eq!(Keys::value(&first.signing), Keys::value(&added.signing[..1]));

        rotate_at(&config, start.plus(5 * MINUTE)).expect("a step");
        let moved = Keys::load(&config).expect("keys");
        let new = Keys::value(&added.signing[1..]);
        assert_eq!(Some(Keys::value(&moved.signing[..1]).as_str()), new.split('@').next());

        rotate_at(&config, start.plus(91 * DAY)).expect("a step");
        let dropped = Keys::load(&config).expect("keys");
        assert_eq!((dropped.signing.len(), dropped.secrets.len()), (1, 1));
    }

    #[test]
    fn too_early_a_step_changes_nothing() {
        let folder = TempDir::new().expect("a folder");
        let config = config(&folder, &[]);
        let start = SystemClock.now();
        for after in [Duration::ZERO, 5 * MINUTE] {
            rotate_at(&config, start.plus(after)).expect("a step");
        }
        let before = Keys::load(&config).expect("keys").text();
        let told = rotate_at(&config, start.plus(6 * MINUTE)).expect("no step");
        assert!(told.contains("too early") && !told.contains("new values"), "{told}");
        assert_eq!(Keys::load(&config).expect("keys").text(), before);
    }

    #[test]
    fn configured_keys_are_printed_and_nothing_is_written() {
        let folder = TempDir::new().expect("a folder");
        let made = Keys::load(&config(&folder, &[])).expect("keys");
        let (signing, secrets) = (Keys::value(&made.signing), Keys::value(&made.secrets));
        let elsewhere = TempDir::new().expect("a folder");
        let config = config(&elsewhere, &[("SIGNING_KEYS", &signing), ("SERVER_SECRETS", &secrets)]);

        let told = rotate_at(&config, SystemClock.now()).expect("a step");
        for (variable, first) in [("SIGNING_KEYS", signing), ("SERVER_SECRETS", secrets)] {
            let next = values(&told, variable);
            assert_eq!((next.len(), &next[0]), (2, &first), "{variable}");
        }
        assert!(!Keys::file(&config).exists());
    }

    #[test]
    fn a_new_seal_key_comes_before_those_that_stay() {
        let folder = TempDir::new().expect("a folder");
        let config = config(&folder, &[]);
        let before = Keys::load(&config).expect("keys");
        let told = renew_seal_key(&config).expect("a key");
        assert!(told.lines().all(|line| line.starts_with('#')), "{told}");
        let after = Keys::load(&config).expect("keys");
        assert_eq!((after.seals.len(), Keys::value(&after.seals[1..])), (2, Keys::value(&before.seals)));
        assert_eq!(Keys::value(&after.signing), Keys::value(&before.signing));

        let elsewhere = TempDir::new().expect("a folder");
        let config = self::config(&elsewhere, &[("SEAL_KEYS", &Keys::value(&before.seals))]);
        let next = values(&renew_seal_key(&config).expect("a key"), "SEAL_KEYS");
        assert_eq!(next[1..], [Keys::value(&before.seals)]);
        assert!(!Keys::file(&config).exists());
    }

    #[test]
    fn a_file_that_is_older_than_seals_gets_a_key_for_them() {
        let folder = TempDir::new().expect("a folder");
        let config = config(&folder, &[]);
        let made = Keys::load(&config).expect("keys");
        let file = Keys::file(&config);
        let text = made.text();
        let older: Vec<&str> = text.lines().filter(|line| !line.starts_with("SEAL_KEYS")).collect();
        std::fs::write(&file, older.join("\n")).expect("written");
        let now = Keys::load(&config).expect("keys");
        assert_eq!((Keys::value(&now.signing), now.seals.len()), (Keys::value(&made.signing), 1));
        assert_eq!(Keys::load(&config).expect("keys").text(), now.text());
    }

    #[test]
    fn each_list_is_looked_for_by_itself() {
        let folder = TempDir::new().expect("a folder");
        let made = Keys::load(&config(&folder, &[])).expect("keys");
        let config = config(&folder, &[("SIGNING_KEYS", &Keys::value(&made.signing))]);

        let told = rotate_at(&config, SystemClock.now()).expect("a step");
        assert_eq!(values(&told, "SIGNING_KEYS").len(), 2);
        assert!(values(&told, "SERVER_SECRETS").is_empty());
        let kept = Keys::kept(&config).expect("readable").expect("keys");
        assert_eq!((kept.signing.len(), kept.secrets.len()), (1, 2));
    }
}
