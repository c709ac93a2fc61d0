//! Operation `GET /audit-logs/seals`.

use serde::Serialize;
use tenantry_audit::{Chain, ReadAuditLog, Seals, Segment};
use tenantry_kernel::{CanonicalError, Page};
use utoipa::ToSchema;

use crate::{
    Answer, App, Failure,
    request::{Authorized, List, ListOf, ListRequest, NewestFirst, PageParameters},
};

/// A signature over a segment of the audit log, linked to the previous seal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealView {
    /// Number of the segment, counted from 1.
    number: i64,
    /// Position of the segment's first entry in the log, counted from 1.
    first_position: i64,
    /// Number of entries in the segment.
    count: i64,
    /// Time of the newest entry in the segment.
    #[schema(format = "date-time")]
    newest: String,
    /// The `digest` of the previous seal; `null` for the first.
    #[schema(required = true)]
    previous: Option<String>,
    /// SHA-256 over the ids and digests of the segment's entries, in hexadecimal.
    entries: String,
    /// Time of the sealing.
    #[schema(format = "date-time")]
    sealed_at: String,
    /// Thumbprint of the signing key (RFC 7638).
    key_id: String,
    /// SHA-256 over `signed`, in hexadecimal. Store it elsewhere as the head of the log.
    digest: String,
    /// The signed text: canonical JSON (RFC 8785).
    signed: String,
    /// Ed25519 signature over `signed`, in hexadecimal.
    signature: String,
}

impl TryFrom<Segment> for SealView {
    type Error = CanonicalError;

    fn try_from(segment: Segment) -> Result<Self, CanonicalError> {
        let seal = &segment.seal;
        Ok(Self {
            number: seal.number,
            first_position: seal.first_position,
            count: seal.count,
            newest: seal.newest.to_string(),
            previous: seal.previous.map(|digest| digest.to_string()),
            entries: seal.entries.to_string(),
            sealed_at: seal.sealed_at.to_string(),
            key_id: seal.key_id.clone(),
            digest: seal.digest()?.to_string(),
            signed: seal.canonical()?,
            signature: segment.signature.to_string(),
        })
    }
}

/// List the seals of the audit log, newest first
///
/// The seals prove that the log is complete and unchanged.
#[utoipa::path(
    get,
    path = "/audit-logs/seals",
    tag = "audit",
    params(PageParameters),
    responses((status = 200, description = "A page of seals.", body = ListOf<SealView>))
)]
pub(crate) async fn list_seals(
    app: App,
    caller: Authorized<ReadAuditLog>,
    request: ListRequest<NewestFirst<i64>>,
) -> Result<Answer, Failure> {
    let List { page, cursors, .. } = request.parse(&caller)?;
    let tenant = caller.tenant()?.id;
    let page = app.read(caller.scope()).await?.page_segments(Chain(Some(tenant)), page).await?;
    let items: Result<Vec<SealView>, _> = page.items.into_iter().map(SealView::try_from).collect();
    cursors.answer(&Page { items: items.map_err(Failure::internal)?, next: page.next })
}
