//! Operations of `/tenants`, and those of members on a tenant as a whole: leaving it and transferring it.

use serde::{Deserialize, Serialize};
use tenantry_identity::vocabulary::REGISTRATION_CLOSED;
use tenantry_identity::{
    FoundOwnTenant, IdentityError, LeaveTenant, OwnTenants, QuotaKind, TransferOwnership, found_own_tenant,
    leave_tenant as leave, transfer_ownership,
};
use tenantry_kernel::{ErrorCode, Name, UserId};
use tenantry_service::{Scope, SystemReason};
use tenantry_tenancy::vocabulary::{LAST_OWNER, SLUG_TAKEN};
use tenantry_tenancy::{MembershipStatus, Memberships, Role, Slug, Tenant};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    Answer, App, Failure,
    request::{Authorized, Body, Contract, FieldErrors, Id, IntoCommand, Of, Resource, handler},
    resources::views::{RoleReference, TenantView},
    settings::RegistrationPolicy,
};

pub(crate) fn resource() -> Resource {
    Resource::new("tenants", "The tenants in which the caller is a member.")
        .operation(handler!(list_tenants), Contract::of::<OwnTenants>(&[]))
        .operation(
            handler!(create_tenant),
            Contract::of::<FoundOwnTenant>(&[REGISTRATION_CLOSED, SLUG_TAKEN, ErrorCode::RATE_LIMITED]),
        )
        .operation(
            handler!(transfer_tenant),
            Contract::of::<TransferOwnership>(&[ErrorCode::EMAIL_UNVERIFIED, ErrorCode::INVALID_STATE]),
        )
        .operation(handler!(leave_tenant), Contract::of::<LeaveTenant>(&[LAST_OWNER]))
}

/// A tenant, and the caller's roles in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnTenantView {
    #[serde(flatten)]
    tenant: TenantView,
    roles: Vec<RoleReference>,
}

impl OwnTenantView {
    fn new(tenant: &Tenant, held: &[Role]) -> Self {
        let here = held.iter().filter(|role| role.tenant == tenant.id);
        Self { tenant: TenantView::from(tenant), roles: here.map(RoleReference::from).collect() }
    }
}

/// List your tenants, in order of name
#[utoipa::path(
    get,
    path = "/tenants",
    tag = "tenants",
    responses((status = 200, description = "The caller's tenants.", body = Of<Vec<OwnTenantView>>))
)]
pub(crate) async fn list_tenants(app: App, caller: Authorized<OwnTenants>) -> Result<Answer, Failure> {
    let mut unit = app.read(Scope::Person(caller.user())).await?;
    let memberships = unit.tenants_of(caller.user()).await?;
    let held = unit.roles_held_by(caller.user()).await?;
    let active = memberships.iter().filter(|(membership, _)| membership.status == MembershipStatus::Active);
    let views: Vec<OwnTenantView> = active.map(|(_, tenant)| OwnTenantView::new(tenant, &held)).collect();
    Answer::ok(&views)
}

/// Name and slug of the new tenant.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "name": "Difference Engines" }))]
pub(crate) struct NewTenant {
    #[validate(length(min = 1, max = 120))]
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    /// Derived from the name if omitted.
    #[validate(length(min = 3, max = 63))]
    #[schema(min_length = 3, max_length = 63, pattern = "^[a-z0-9](-?[a-z0-9])*$")]
    slug: Option<String>,
}

impl IntoCommand for NewTenant {
    type Output = FoundOwnTenant;

    fn parse(self, errors: &mut FieldErrors) -> Option<FoundOwnTenant> {
        let name = errors.take("name", Name::parse(&self.name));
        let slug = errors.take_if_any("slug", self.slug.as_deref().map(Slug::parse));
        Some(FoundOwnTenant { name: name?, slug: slug? })
    }
}

/// Create a tenant that you own
///
/// The session stays in its current tenant. Use `POST /auth/switch` to start a session in the new one.
#[utoipa::path(
    post,
    path = "/tenants",
    tag = "tenants",
    request_body = NewTenant,
    responses((status = 201, description = "The new tenant.", body = Of<TenantView>))
)]
pub(crate) async fn create_tenant(app: App, caller: Authorized<FoundOwnTenant>, body: Body) -> Result<Answer, Failure> {
    if app.settings.registration == RegistrationPolicy::Closed {
        return Err(Failure::new(REGISTRATION_CLOSED));
    }
    let command = body.parse::<NewTenant>().await?;
    if let Some(answer) = app.answered_before(&caller.change_request(), caller.scope()).await? {
        return Ok(answer);
    }
    app.proofs.consume(QuotaKind::Registration, &caller.origin).await?;
    app.change(caller.change_request(), Scope::System(SystemReason::Registration), async move |unit, actor, context| {
        let tenant = found_own_tenant(unit, actor, context, command.clone()).await?;
        Answer::created("tenants", &TenantView::from(&tenant))
    })
    .await
}

/// The new owner of the tenant.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "userId": "0192f0c1-2345-7abc-8def-0123456789ab" }))]
pub(crate) struct Transfer {
    #[validate(length(max = 64))]
    #[schema(value_type = Id)]
    user_id: String,
}

impl IntoCommand for Transfer {
    /// `None` for a malformed id, which names no user.
    type Output = Option<UserId>;

    fn parse(self, _: &mut FieldErrors) -> Option<Option<UserId>> {
        Some(self.user_id.parse().ok())
    }
}

/// Transfer the tenant to another member
///
/// The caller loses the role `owner` and gets the role `admin`.
#[utoipa::path(
    post,
    path = "/tenant/transfer",
    tag = "tenant",
    request_body = Transfer,
    responses((status = 204, description = "The member owns the tenant."))
)]
pub(crate) async fn transfer_tenant(
    app: App,
    caller: Authorized<TransferOwnership>,
    body: Body,
) -> Result<Answer, Failure> {
    let user = body.parse::<Transfer>().await?.ok_or(IdentityError::Unknown { field: "userId" })?;
    let command = TransferOwnership { user };
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        transfer_ownership(unit, actor, context, command).await?;
        Ok(Answer::no_content())
    })
    .await
}

/// Leave the tenant
///
/// The caller's sessions in the tenant end, including the current one.
#[utoipa::path(
    post,
    path = "/tenant/leave",
    tag = "tenant",
    responses((status = 204, description = "The caller is no longer a member."))
)]
pub(crate) async fn leave_tenant(app: App, caller: Authorized<LeaveTenant>) -> Result<Answer, Failure> {
    app.change(caller.change_request(), caller.scope(), async move |unit, actor, context| {
        leave(unit, actor, context, LeaveTenant).await?;
        Ok(Answer::no_content())
    })
    .await
}
