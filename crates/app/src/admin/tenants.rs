//! Commands about tenants.

use tenantry_identity::Person;
use tenantry_identity::vocabulary::EMAIL_TAKEN;
use tenantry_kernel::{Name, TenantStatus};
use tenantry_tenancy::vocabulary::{SLUG_TAKEN, TENANT_CREATED, TENANT_PLAN_CHANGED, TENANT_RESUMED, TENANT_SUSPENDED};
use tenantry_tenancy::{FoundTenant, Plan, Slug, Tenant, Tenants, change_plan, change_tenant_status, found_tenant};

use crate::{
    App,
    cli::{CreateTenant, SetPlan, TenantArgument, TenantSelector},
};

use super::{
    AdminError, SCOPE,
    account::{Account, FirstPassword},
    change,
    people::named as named_person,
};

/// Founds a tenant, and makes its owner's account if there is none.
pub(super) async fn create(app: &App, command: CreateTenant) -> Result<String, AdminError> {
    let CreateTenant { name, owner_email, owner_name, slug, plan, link } = command;
    let plan = plan.unwrap_or_else(Plan::first);
    if let Some(slug) = &slug {
        ensure_free(app, slug).await?;
    }
    let owner = Account::find_or_prepare(app, &owner_email, owner_name).await?;

    let asked = slug.clone();
    let first_password = FirstPassword::new(app, link);
    let done = change(app, TENANT_CREATED, async move |unit, actor, world| {
        let person = owner.person(unit, actor, world).await?;
        let command = founding(&person, name.clone(), asked.clone(), plan);
        let tenant = found_tenant(unit, actor, world, command).await?;
        let offered = owner.offer(unit, actor, world, &person, &tenant, &first_password).await?;
        Ok(format!("created tenant {}, owner {}{offered}", named(&tenant), named_person(&person)))
    });
    done.await.map_err(|failure| match (failure.code, slug) {
        (SLUG_TAKEN, Some(slug)) => AdminError::SlugTaken(slug),
        (SLUG_TAKEN, None) => AdminError::NoFreeSlug,
        (EMAIL_TAKEN, _) => AdminError::Registered(owner_email),
        _ => failure.into(),
    })
}

fn founding(owner: &Person, name: Name, slug: Option<Slug>, plan: &'static Plan) -> FoundTenant {
    FoundTenant { name, slug, plan, owner: owner.id, owner_name: owner.name.clone(), owner_keys: owner.member_keys() }
}

/// Says early what would be refused.
async fn ensure_free(app: &App, slug: &Slug) -> Result<(), AdminError> {
    match app.read(SCOPE).await?.tenant_by_slug(slug).await? {
        None => Ok(()),
        Some(_) => Err(AdminError::SlugTaken(slug.clone())),
    }
}

/// Suspends or resumes a tenant.
pub(super) async fn set_status(
    app: &App,
    argument: TenantArgument,
    status: TenantStatus,
) -> Result<String, AdminError> {
    let before = find(app, &argument.tenant).await?;
    let (action, verb) = match status {
        TenantStatus::Suspended => (TENANT_SUSPENDED, "suspended"),
        TenantStatus::Active => (TENANT_RESUMED, "resumed"),
    };
    let done = change(app, action, async move |unit, actor, world| {
        let tenant = change_tenant_status(unit, actor, world, before.id, status).await?;
        Ok(match tenant.version == before.version {
            true => format!("tenant {} is {} already; nothing was changed", named(&tenant), status.name()),
            false => format!("{verb} tenant {}", named(&tenant)),
        })
    });
    Ok(done.await?)
}

/// Moves a tenant to another plan.
pub(super) async fn set_plan(app: &App, command: SetPlan) -> Result<String, AdminError> {
    let before = find(app, &command.tenant.tenant).await?;
    let plan = command.plan;
    let done = change(app, TENANT_PLAN_CHANGED, async move |unit, actor, world| {
        let tenant = change_plan(unit, actor, world, before.id, plan).await?;
        Ok(match tenant.version == before.version {
            true => format!("tenant {} is on plan {} already; nothing was changed", named(&tenant), plan.name),
            false => format!("moved tenant {} from plan {} to {}", named(&tenant), before.plan.name, plan.name),
        })
    });
    Ok(done.await?)
}

/// The tenant that an operator names.
pub(super) async fn find(app: &App, selector: &TenantSelector) -> Result<Tenant, AdminError> {
    let mut unit = app.read(SCOPE).await?;
    let (found, text) = match selector {
        TenantSelector::Id(id) => (unit.tenant_by_id(*id).await?, id.to_string()),
        TenantSelector::Slug(slug) => (unit.tenant_by_slug(slug).await?, slug.to_string()),
    };
    found.ok_or(AdminError::UnknownTenant(text))
}

/// The tenant as the operator is told of it.
pub(super) fn named(tenant: &Tenant) -> String {
    format!("{} ({})", tenant.slug, tenant.id)
}
