//! The commands for the audit log: verify, print heads and keys, seal.

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};
use tenantry_audit::{Chain, EvidenceLine, Finding, Found, Head, Seals, Summary, Unsealed, Verifier};
use tenantry_crypto::TrustedSealKeys;
use tenantry_identity::Erasure;
use tenantry_kernel::StoreError;
use tenantry_service::ServiceError;
use tenantry_tenancy::Tenants;

use crate::{Operator, OperatorError, REASON, SCOPE, TenantSelector, tenants};

/// Number of entries per unit when unsealed entries are read.
const ENTRIES_AT_ONCE: u32 = 1_000;

/// The verdict on the verified logs, the worst of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditVerdict {
    /// Every log is intact.
    Whole,
    /// A log is intact as far as this program can tell: a newer program made some of its sealed entries.
    Undecided,
    /// A log was changed.
    Broken,
}

/// The result of a command for the audit log.
#[derive(Debug)]
pub struct AuditAnswer {
    /// The output, as text for users or as JSON.
    pub text: String,
    /// The verdict.
    pub verdict: AuditVerdict,
}

impl From<String> for AuditAnswer {
    fn from(text: String) -> Self {
        Self { text, verdict: AuditVerdict::Whole }
    }
}

impl Operator {
    /// Verifies one log, or every log of the database and every log with a known head.
    pub async fn verify(
        &self,
        tenant: Option<&TenantSelector>,
        keys: &TrustedSealKeys,
        heads: &[Head],
        as_json: bool,
    ) -> Result<AuditAnswer, OperatorError> {
        let mut verified = Vec::new();
        for chain in chains(self, tenant, heads).await? {
            verified.push(verify_chain(self, chain, keys, heads).await?);
        }
        Ok(answer(&verified, as_json))
    }

    /// Returns the heads of one log or of all logs, one per line.
    pub async fn heads(&self, tenant: Option<&TenantSelector>) -> Result<AuditAnswer, OperatorError> {
        let mut lines = Vec::new();
        for chain in chains(self, tenant, &[]).await? {
            if let Some(last) = self.reader.open(SCOPE).await?.last_segment(chain).await? {
                lines.push(Head::of(&last.seal).map_err(ServiceError::internal)?.to_string());
            }
        }
        Ok(lines.join("\n").into())
    }

    /// Seals the unsealed entries and returns the line that reports the result.
    pub async fn seal(&self) -> Result<AuditAnswer, OperatorError> {
        let sealed = self.sealer.seal_journal(REASON).await?;
        let told = match sealed.segments {
            0 => "no entries to seal".to_owned(),
            segments => format!("sealed {} entries in {}", sealed.entries, counted(segments, "segment")),
        };
        Ok(told.into())
    }
}

/// Verifies a file that `GET /audit-logs/export` created with seals.
pub fn verify_export(
    file: &Path,
    keys: &TrustedSealKeys,
    heads: &[Head],
    as_json: bool,
) -> Result<AuditAnswer, OperatorError> {
    Ok(answer(&[verify_file(file, keys, heads)?], as_json))
}

/// Returns the public keys with their ids, one per line.
pub fn public_keys(keys: &TrustedSealKeys) -> String {
    keys.iter().map(|(id, key)| format!("{}  # key id {id}", key.text())).collect::<Vec<_>>().join("\n")
}

/// Returns the selected logs: that of one tenant, or every log of the database and every log with a known head.
async fn chains(
    operator: &Operator,
    tenant: Option<&TenantSelector>,
    heads: &[Head],
) -> Result<BTreeSet<Chain>, OperatorError> {
    if let Some(tenant) = tenant {
        let chain = Chain(Some(tenants::find(operator, tenant).await?.id));
        require_chain(chain, heads)?;
        return Ok(BTreeSet::from([chain]));
    }
    let mut chains: BTreeSet<Chain> = heads.iter().map(|head| head.chain).chain([Chain(None)]).collect();
    let mut unit = operator.reader.open(SCOPE).await?;
    let mut after = None;
    while let Some(chain) = unit.next_sealed_chain(after).await? {
        chains.insert(chain);
        after = Some(chain);
    }
    // Every tenant has a log, even after all its seals were deleted.
    let mut after = None;
    while let Some(tenant) = unit.next_tenant(after).await? {
        chains.insert(Chain(Some(tenant)));
        after = Some(tenant);
    }
    Ok(chains)
}

/// The findings about one log.
struct Verified {
    chain: Chain,
    /// The slug of the tenant, where known.
    slug: Option<String>,
    outcome: Result<Summary, String>,
    unsealed: Unsealed,
}

/// Fails when a head belongs to another log: a head that is compared with no log would prove nothing, but seem to.
fn require_chain(chain: Chain, heads: &[Head]) -> Result<(), OperatorError> {
    heads.iter().find(|head| head.chain != chain).map_or(Ok(()), |head| Err(OperatorError::OtherHead(*head)))
}

async fn verify_chain(
    operator: &Operator,
    chain: Chain,
    keys: &TrustedSealKeys,
    heads: &[Head],
) -> Result<Verified, OperatorError> {
    let outcome = match segments(operator, Verifier::new(chain, keys, heads)).await {
        Err(OperatorError::Broken(finding)) => Err(finding),
        outcome => Ok(outcome?),
    };
    let mut unit = operator.reader.open(SCOPE).await?;
    let tenant = match chain.0 {
        Some(tenant) => unit.tenant_by_id(tenant).await?,
        None => None,
    };
    let slug = tenant.map(|tenant| tenant.slug.to_string());
    Ok(Verified { chain, slug, outcome, unsealed: unit.count_unsealed(chain).await? })
}

async fn segments(operator: &Operator, mut verifier: Verifier<'_>) -> Result<Summary, OperatorError> {
    let chain = verifier.chain();
    let mut number = 1;
    while let Some((segment, found)) = next_segment(operator, chain, number).await? {
        if let Err(finding) = verifier.segment(&segment, &found) {
            // Retention may have removed the segment between the two reads.
            let now = next_segment(operator, chain, number).await?;
            match now.filter(|(now, _)| now.listed.is_none() && segment.listed.is_some()) {
                Some((now, found)) => verifier.segment(&now, &found)?,
                None => return Err(finding.into()),
            }
        }
        number += 1;
    }
    let mut after = None;
    loop {
        let mut unit = operator.reader.open(SCOPE).await?;
        let (added, last) = unit.unaccounted_entry(chain, after, ENTRIES_AT_ONCE).await?;
        if let Some(id) = added {
            return Err(Finding::Added { position: None, id }.into());
        }
        if last.is_none() {
            return Ok(verifier.finish()?);
        }
        after = last;
    }
}

/// Returns the segment with this number, or the first one after it, with its remaining entries.
async fn next_segment(
    operator: &Operator,
    chain: Chain,
    number: i64,
) -> Result<Option<(tenantry_audit::Segment, Vec<Found>)>, OperatorError> {
    let mut unit = operator.reader.open(SCOPE).await?;
    let Some(next) = unit.segment_number_from(chain, number).await? else { return Ok(None) };
    let segment = match unit.segment_of(chain, next).await {
        Err(StoreError::Inconsistent { table: "journal_segments", column }) => {
            return Err(OperatorError::Broken(format!("segment {next} was changed: its {column} cannot be read")));
        }
        segment => segment?,
    };
    let Some(segment) = segment else { return Ok(None) };
    let ids: Vec<_> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
    let evidence = unit.evidence_of(chain, &ids).await?;
    let found = evidence.iter().map(Found::of_row).collect::<Result<_, _>>().map_err(ServiceError::internal)?;
    Ok(Some((segment, found)))
}

/// Verifies a file that `GET /audit-logs/export` created with seals, one segment at a time.
fn verify_file(path: &Path, keys: &TrustedSealKeys, heads: &[Head]) -> Result<Verified, OperatorError> {
    let unreadable = |error| OperatorError::Export { file: path.to_owned(), error };
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
    let mut next = |number: u64| -> Result<Option<EvidenceLine>, OperatorError> {
        let Some(line) = lines.next().transpose().map_err(unreadable)? else { return Ok(None) };
        EvidenceLine::read(&line)
            .map(Some)
            .map_err(|_| OperatorError::Broken(format!("line {number} does not have the form of an export")))
    };
    let header = match next(1) {
        Ok(Some(EvidenceLine::Header(header))) => header,
        Ok(_) | Err(OperatorError::Broken(_)) => return Err(OperatorError::NoExport { file: path.to_owned() }),
        Err(error) => return Err(error),
    };
    require_chain(header.chain, heads)?;
    let mut verifier = Verifier::new(header.chain, keys, heads);
    let mut found = Vec::new();
    let mut lines = || -> Result<(), OperatorError> {
        let mut number = 1;
        loop {
            number += 1;
            match next(number)? {
                None => return Ok(verifier.rest(&found)?),
                Some(EvidenceLine::Header(_)) => {
                    return Err(OperatorError::Broken(format!("line {number} starts another log")));
                }
                Some(EvidenceLine::Entry(evidence)) => {
                    // A segment never has more entries. If the file has more, entries were added, and the report does
                    // not need all of them.
                    if found.len() <= MOST_FOUND {
                        found.push(Found::new(&evidence).map_err(ServiceError::internal)?);
                    }
                }
                Some(EvidenceLine::Segment(segment)) => {
                    verifier.segment(&segment, &found)?;
                    found.clear();
                }
            }
        }
    };
    let outcome = match lines() {
        Ok(()) => verifier.finish().map_err(|finding| finding.to_string()),
        Err(OperatorError::Broken(finding)) => Err(finding),
        Err(error) => return Err(error),
    };
    Ok(Verified { chain: header.chain, slug: None, outcome, unsealed: Unsealed::default() })
}

/// Maximum number of entries collected before a seal.
const MOST_FOUND: usize = 2 * tenantry_audit::MAX_SEGMENT_ENTRIES as usize;

fn answer(verified: &[Verified], as_json: bool) -> AuditAnswer {
    let verdict = verified.iter().map(Verified::verdict).max().unwrap_or(AuditVerdict::Whole);
    let text = match as_json {
        true => Value::from_iter(verified.iter().map(Verified::json)).to_string(),
        false => verified.iter().map(Verified::sentence).collect::<Vec<_>>().join("\n"),
    };
    AuditAnswer { text, verdict }
}

impl Verified {
    fn verdict(&self) -> AuditVerdict {
        match &self.outcome {
            Err(_) => AuditVerdict::Broken,
            Ok(summary) if summary.newer > 0 => AuditVerdict::Undecided,
            Ok(_) => AuditVerdict::Whole,
        }
    }

    fn name(&self) -> String {
        match (self.chain.0, &self.slug) {
            (None, _) => "entries without a tenant".to_owned(),
            (Some(id), None) => format!("tenant {id}"),
            (Some(id), Some(slug)) => format!("tenant {slug} ({id})"),
        }
    }

    fn sentence(&self) -> String {
        let summary = match &self.outcome {
            Err(finding) => return format!("{}: BROKEN: {finding}", self.name()),
            Ok(summary) => summary,
        };
        let segments = counted(u64::try_from(summary.segments).unwrap_or(0), "segment");
        let verdict = if summary.newer > 0 { "undecided" } else { "whole" };
        let mut told = format!("{}: {verdict}: {} entries in {segments}", self.name(), summary.entries);
        // Writing to a `String` does not fail.
        if summary.newer > 0 {
            let _infallible = write!(told, "; {} more made by a newer program, which can verify them", summary.newer);
        }
        if summary.erased > 0 {
            let _infallible = write!(told, "; {} with their personal part erased", summary.erased);
        }
        if summary.removed_segments > 0 {
            let (segments, entries) = (summary.removed_segments, summary.removed_entries);
            let segments = counted(segments, "segment");
            let _infallible =
                write!(told, "; the first {segments} ({entries} entries) removed at the end of retention");
        }
        if self.unsealed.entries > 0 {
            let _infallible = write!(told, "; {} not yet sealed", self.unsealed.entries);
        }
        if self.unsealed.newer > 0 {
            let _infallible =
                write!(told, ", {} of them made by a newer program, which seals them", self.unsealed.newer);
        }
        if let Some(head) = summary.head {
            let anchored = if summary.is_anchored { ", behind the head that was given" } else { "" };
            let _infallible = write!(told, "{anchored}; head {head}");
        }
        told
    }

    fn json(&self) -> Value {
        let head = |summary: &Summary| summary.head.map(|head| head.to_string());
        match &self.outcome {
            Err(finding) => json!({ "chain": self.chain, "slug": self.slug, "whole": false, "finding": finding }),
            Ok(summary) => json!({
                "chain": self.chain, "slug": self.slug, "whole": summary.newer == 0,
                "segments": summary.segments, "entries": summary.entries, "newer": summary.newer,
                "erased": summary.erased, "removedSegments": summary.removed_segments,
                "removedEntries": summary.removed_entries, "unsealed": self.unsealed.entries,
                "unsealedNewer": self.unsealed.newer, "head": head(summary),
                "anchored": summary.is_anchored,
            }),
        }
    }
}

fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
