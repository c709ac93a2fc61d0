//! The commands for the audit log, with the keys of the configuration.

use tenantry_crypto::{SealPublicKey, SealSigningKeys, TrustedSealKeys};
use tenantry_operator::{AuditAnswer, AuditCommand, HeadOf, Verify, public_keys, verify_export};

use crate::{StartError, config::Config, keys::Keys};

use super::{AdminError, on_database};

/// Carries out a command for the audit log. An error means that the command could not decide. Must run in a `LocalSet`.
pub async fn run_audit(config: Config, command: AuditCommand) -> Result<AuditAnswer, AdminError> {
    match command {
        AuditCommand::Keys => Ok(public_keys(&trusted(&config, &[])?).into()),
        AuditCommand::Verify(Verify { export: Some(file), keys, heads, output, .. }) => {
            Ok(verify_export(&file, &trusted(&config, &keys)?, &heads, output.json)?)
        }
        AuditCommand::Verify(Verify { tenant, keys, heads, output, .. }) => {
            let keys = trusted(&config, &keys)?;
            on_database(config, async |operator| operator.verify(tenant.as_ref(), &keys, &heads, output.json).await)
                .await
        }
        AuditCommand::Head(HeadOf { tenant }) => {
            on_database(config, async |operator| operator.heads(tenant.as_ref()).await).await
        }
        AuditCommand::Seal => on_database(config, async |operator| operator.seal().await).await,
    }
}

/// Returns the trusted keys: those given by the operator, or else those of the configuration.
fn trusted(config: &Config, named: &[SealPublicKey]) -> Result<TrustedSealKeys, AdminError> {
    if !named.is_empty() {
        return Ok(TrustedSealKeys::new(named.iter().copied()));
    }
    let configured = match &config.keys.seal_keys {
        Some(configured) => configured.clone(),
        None => Keys::kept(config)?.map(|kept| kept.seals).unwrap_or_default(),
    };
    if configured.is_empty() {
        return Err(AdminError::NoSealKey);
    }
    let keys = SealSigningKeys::parse(&configured).map_err(|error| StartError::keys("SEAL_KEYS", error))?;
    Ok(keys.trusted().clone())
}
