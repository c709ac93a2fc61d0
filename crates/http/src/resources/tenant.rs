//! Operations of `/tenant`.

use serde::Deserialize;
use tenantry_kernel::{ErrorCode, Name};
use tenantry_tenancy::vocabulary::SLUG_TAKEN;
use tenantry_tenancy::{ChangeTenant, ReadTenant, Slug, Tenants, change_tenant as change};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{
        Authorized, Body, Contract, FieldErrors, IfMatch, IfMatchHeader, IntoCommand, Of, Resource, handler, present,
    },
    resources::views::TenantView,
};

pub(crate) fn resource() -> Resource {
    Resource::new("tenant", "The tenant of the session.")
        .operation(handler!(get_tenant), Contract::of::<ReadTenant>(&[]).versioned())
        .operation(handler!(change_tenant), Contract::of::<ChangeTenant>(&[SLUG_TAKEN]).versioned())
}

/// Changes to the tenant. Omitted fields keep their values.
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

impl IntoCommand for ChangedTenant {
    type Output = (Option<Name>, Option<Slug>);

    fn parse(self, errors: &mut FieldErrors) -> Option<Self::Output> {
        let name = errors.take_if_any("name", self.name.as_deref().map(Name::parse));
        let slug = errors.take_if_any("slug", self.slug.as_deref().map(Slug::parse));
        Some((name?, slug?))
    }
}

/// Get the tenant of the session
#[utoipa::path(
    get,
    path = "/tenant",
    tag = "tenant",
    responses((status = 200, description = "The tenant.", body = Of<TenantView>))
)]
pub(crate) async fn get_tenant(app: App, caller: Authorized<ReadTenant>) -> Result<Answer, Failure> {
    let id = caller.tenant()?.id;
    let mut unit = app.read(caller.scope()).await?;
    let tenant = unit.tenant_by_id(id).await?.ok_or_else(|| Failure::new(ErrorCode::NOT_FOUND))?;
    Ok(Answer::ok(&TenantView::from(&tenant))?.etag(tenant.version))
}

/// Change the tenant's name or slug
#[utoipa::path(
    patch,
    path = "/tenant",
    tag = "tenant",
    params(IfMatchHeader),
    request_body = ChangedTenant,
    responses((status = 200, description = "The changed tenant.", body = Of<TenantView>))
)]
pub(crate) async fn change_tenant(
    app: App,
    caller: Authorized<ChangeTenant>,
    if_match: IfMatch,
    body: Body,
) -> Result<Answer, Failure> {
    let (name, slug) = body.parse::<ChangedTenant>().await?;
    let command = ChangeTenant { name, slug, expected_version: if_match.0 };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        let tenant = change(unit, actor, context, command.clone()).await?;
        Ok(Answer::ok(&TenantView::from(&tenant))?.etag(tenant.version))
    })
    .await
}
