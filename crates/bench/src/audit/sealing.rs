//! Measures the cost of sealing for writers: processor time of changes, with and without sealing all of their entries.

use anyhow::Result;
use secrecy::SecretString;
use tenantry_audit::{Seals, seal_next_segment};
use tenantry_crypto::{SealSigningKeys, SigningKeys, SystemEntropy};
use tenantry_kernel::{Actor, RequestId};
use tenantry_store::{Scope, SystemReason};

use crate::{
    jobs::{JobDatabase, cost},
    report::{Bar, Figure},
};

const PAIRS: usize = 10;

pub(super) async fn figure(place: &JobDatabase) -> Result<Figure> {
    eprintln!("==> cost of sealing");
    let actor = cost::owner(place).await?;
    let postmaster = cost::postmaster(place).await?;
    let key: SecretString = SigningKeys::generate_one(&SystemEntropy);
    let keys = SealSigningKeys::parse(&[key])?;
    let what = "role creation while sealing: processor time of ours and PostgreSQL's";
    let mut figure = Figure::new(what, "PostgreSQL", "µs", Bar::RatioAtMost(1.15)).beside("without");
    cost::changes(place, &actor, false).await?;
    seal(place, &keys).await?;
    for pair in 0..PAIRS {
        let mut spent = [0.0; 2];
        for turn in [pair % 2, 1 - pair % 2] {
            let before = cost::processor_time(postmaster)?;
            cost::changes(place, &actor, false).await?;
            if turn == 1 {
                seal(place, &keys).await?;
            }
            spent[turn] = (cost::processor_time(postmaster)? - before).as_secs_f64() * 1e6 / cost::CHANGES as f64;
            // The entries of this turn must not be sealed in the next one.
            seal(place, &keys).await?;
        }
        figure.add(spent[1], Some(spent[0]));
    }
    Ok(figure)
}

async fn seal(place: &JobDatabase, keys: &SealSigningKeys) -> Result<()> {
    const SCOPE: Scope = Scope::System(SystemReason::Worker);
    let mut after = None;
    while let Some(chain) = place.store.read(SCOPE).await?.next_unsealed_chain(after).await? {
        loop {
            let actor = Actor::system(RequestId::new(&place.context));
            let mut unit = place.store.begin(SCOPE).await?;
            if seal_next_segment(&mut unit, &actor, &place.context, keys, chain).await?.is_none() {
                break;
            }
            unit.commit().await?;
        }
        after = Some(chain);
    }
    Ok(())
}
