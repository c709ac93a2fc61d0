//! `/tenant`

use actix_web::{get, patch};
use serde::{Deserialize, Serialize};
use tenantry_kernel::{ErrorCode, Name, TenantAuthority};
use tenantry_tenancy::vocabulary::SLUG_TAKEN;
use tenantry_tenancy::{ChangeTenant, ReadTenant, Slug, Tenant, Tenants, change_tenant as change};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use validator::Validate;

use crate::{Answer, App, Failure};

use super::{
    body::{Body, Fields, Reads, present},
    caller::Caller,
    if_match::IfMatch,
    openapi::{IfMatchHeader, Of, Operation},
};

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_tenant).service(change_tenant);
}

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::of::<ReadTenant>("get_tenant", &[]).versioned(),
    Operation::of::<ChangeTenant>("change_tenant", &[SLUG_TAKEN]).versioned(),
];

/// An organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0192f0c1-2345-7abc-8def-0123456789ab", "name": "Acme", "slug": "acme", "plan": "starter",
    "status": "active", "createdAt": "2026-11-23T09:00:00.000Z"
}))]
pub(crate) struct TenantView {
    #[schema(format = "uuid")]
    id: String,
    name: String,
    slug: String,
    plan: String,
    /// `active` or `suspended`.
    status: &'static str,
    #[schema(format = "date-time")]
    created_at: String,
}

impl From<&Tenant> for TenantView {
    fn from(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.to_string(),
            slug: tenant.slug.to_string(),
            plan: tenant.plan.name.to_owned(),
            status: tenant.status.name(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

impl From<&TenantAuthority> for TenantView {
    fn from(tenant: &TenantAuthority) -> Self {
        Self {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            slug: tenant.slug.clone(),
            plan: tenant.plan.clone(),
            status: tenant.status.name(),
            created_at: tenant.created_at.to_string(),
        }
    }
}

/// What is to change in the organisation; what is left out stays.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "name": "Acme International" }))]
pub(crate) struct ChangedTenant {
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[validate(length(min = 3, max = 63))]
    #[schema(min_length = 3, max_length = 63, pattern = "^[a-z0-9](-?[a-z0-9])*$", nullable = false)]
    slug: Option<String>,
}

impl Reads for ChangedTenant {
    type Output = (Option<Name>, Option<Slug>);

    fn read(self, fields: &mut Fields) -> Option<Self::Output> {
        let name = fields.take_if_any("name", self.name.as_deref().map(Name::parse));
        let slug = fields.take_if_any("slug", self.slug.as_deref().map(Slug::parse));
        Some((name?, slug?))
    }
}

/// See the organisation.
#[utoipa::path(
    tag = "tenant",
    responses((status = 200, description = "The organisation.", body = Of<TenantView>))
)]
#[get("/tenant")]
pub(crate) async fn get_tenant(app: App, caller: Caller<ReadTenant>) -> Result<Answer, Failure> {
    let id = caller.tenant()?.id;
    let mut unit = app.read(caller.scope()).await?;
    let tenant = unit.tenant_by_id(id).await?.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    Ok(Answer::ok(&TenantView::from(&tenant))?.etag(tenant.version))
}

/// Change the organisation's name or slug.
#[utoipa::path(
    tag = "tenant",
    params(IfMatchHeader),
    request_body = ChangedTenant,
    responses((status = 200, description = "The changed organisation.", body = Of<TenantView>))
)]
#[patch("/tenant")]
pub(crate) async fn change_tenant(
    app: App,
    caller: Caller<ChangeTenant>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let (name, slug) = body.read::<ChangedTenant>().await?;
    let command = ChangeTenant { name, slug, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, world| {
        let tenant = change(unit, actor, world, command.clone()).await?;
        Ok(Answer::ok(&TenantView::from(&tenant))?.etag(tenant.version))
    })
    .await
}
