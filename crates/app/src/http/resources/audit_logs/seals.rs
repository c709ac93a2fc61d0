//! Operation `GET /audit-logs/seals`.

use serde::Serialize;
use tenantry_audit::{Chain, ReadAuditLog, Seals, Segment};
use tenantry_kernel::{CanonicalError, Page};
use utoipa::ToSchema;

use crate::{
    Answer, App, Failure,
    http::request::{Authorized, List, ListOf, ListRequest, NewestFirst, PageParameters},
};

/// A seal: a signature over so many entries, linked to the seal before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealView {
    /// Which segment of the log, counted from 1.
    number: i64,
    /// Where its first entry stands in the log, counted from 1.
    first_position: i64,
    /// How many entries it has.
    count: i64,
    /// When the newest of them happened.
    #[schema(format = "date-time")]
    newest: String,
    /// The `digest` of the seal before; `null` in the first.
    #[schema(required = true)]
    previous: Option<String>,
    /// SHA-256 over the ids and digests of its entries, in hexadecimal.
    entries: String,
    /// When it was sealed.
    #[schema(format = "date-time")]
    sealed_at: String,
    /// The thumbprint of the key that signed it (RFC 7638).
    key_id: String,
    /// SHA-256 over what was signed, in hexadecimal: to be kept elsewhere as the head of the log.
    digest: String,
    /// What was signed: canonical JSON (RFC 8785).
    signed: String,
    /// The Ed25519 signature over it, in hexadecimal.
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

/// Read the signed seals that prove the audit log whole, newest first.
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
