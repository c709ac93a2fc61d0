//! The commands for tenants.

use tenantry_identity::{Person, vocabulary::EMAIL_TAKEN};
use tenantry_kernel::{Name, TenantStatus};
use tenantry_tenancy::{
    ChangePlan, ChangeTenantStatus, CreateTenant, FoundTenant, Plan, Slug, Tenant, Tenants, change_plan,
    change_tenant_status, create_tenant,
    vocabulary::{SLUG_TAKEN, TENANT_CREATED, TENANT_PLAN_CHANGED, TENANT_RESUMED, TENANT_SUSPENDED},
};

use crate::{
    CreateTenantArguments, Operator, OperatorError, SCOPE, SetPlan, TenantArgument, TenantSelector,
    account::{Account, FirstPassword},
    people::named as named_person,
};

/// Creates a tenant, and the account of its owner if there is none.
pub(crate) async fn create(operator: &Operator, command: CreateTenantArguments) -> Result<String, OperatorError> {
    let CreateTenantArguments { name, owner_email, owner_name, slug, plan, link } = command;
    let plan = plan.unwrap_or_else(Plan::first);
    if let Some(slug) = &slug {
        ensure_free(operator, slug).await?;
    }
    let owner = Account::find_or_prepare(operator, &owner_email, owner_name).await?;

    let asked = slug.clone();
    let first_password = FirstPassword::new(operator, link);
    let done = operator.change(TENANT_CREATED, async move |unit, actor, context| {
        let person = owner.person(unit, actor, context).await?;
        let command = founding(&person, name.clone(), asked.clone(), plan);
        let tenant = create_tenant(unit, actor, context, CreateTenant(command)).await?;
        let offered = owner.offer(unit, actor, context, &person, &tenant, &first_password).await?;
        Ok(format!("created tenant {}, owner {}{offered}", named(&tenant), named_person(&person)))
    });
    done.await.map_err(|failure| match (failure.code, slug) {
        (SLUG_TAKEN, Some(slug)) => OperatorError::SlugTaken(slug),
        (SLUG_TAKEN, None) => OperatorError::NoFreeSlug,
        (EMAIL_TAKEN, _) => OperatorError::Registered(owner_email),
        _ => failure.into(),
    })
}

fn founding(owner: &Person, name: Name, slug: Option<Slug>, plan: &'static Plan) -> FoundTenant {
    FoundTenant { name, slug, plan, owner: owner.id, owner_name: owner.name.clone(), owner_keys: owner.member_keys() }
}

/// Fails early when another tenant has the slug; the change itself would be refused.
async fn ensure_free(operator: &Operator, slug: &Slug) -> Result<(), OperatorError> {
    match operator.reader.open(SCOPE).await?.tenant_by_slug(slug).await? {
        None => Ok(()),
        Some(_) => Err(OperatorError::SlugTaken(slug.clone())),
    }
}

/// Suspends or resumes a tenant.
pub(crate) async fn set_status(
    operator: &Operator,
    argument: TenantArgument,
    status: TenantStatus,
) -> Result<String, OperatorError> {
    let before = find(operator, &argument.tenant).await?;
    let (action, verb) = match status {
        TenantStatus::Suspended => (TENANT_SUSPENDED, "suspended"),
        TenantStatus::Active => (TENANT_RESUMED, "resumed"),
    };
    let command = ChangeTenantStatus { tenant: before.id, status };
    let done = operator.change(action, async move |unit, actor, context| {
        let tenant = change_tenant_status(unit, actor, context, command).await?;
        Ok(match tenant.version == before.version {
            true => format!("tenant {} is already {}; nothing was changed", named(&tenant), status.name()),
            false => format!("{verb} tenant {}", named(&tenant)),
        })
    });
    Ok(done.await?)
}

/// Changes the plan of a tenant.
pub(crate) async fn set_plan(operator: &Operator, command: SetPlan) -> Result<String, OperatorError> {
    let before = find(operator, &command.tenant.tenant).await?;
    let plan = command.plan;
    let command = ChangePlan { tenant: before.id, plan };
    let done = operator.change(TENANT_PLAN_CHANGED, async move |unit, actor, context| {
        let tenant = change_plan(unit, actor, context, command).await?;
        Ok(match tenant.version == before.version {
            true => format!("tenant {} is already on plan {}; nothing was changed", named(&tenant), plan.name),
            false => format!("moved tenant {} from plan {} to {}", named(&tenant), before.plan.name, plan.name),
        })
    });
    Ok(done.await?)
}

/// Returns the tenant that the operator selected.
pub(crate) async fn find(operator: &Operator, selector: &TenantSelector) -> Result<Tenant, OperatorError> {
    let mut unit = operator.reader.open(SCOPE).await?;
    let (found, text) = match selector {
        TenantSelector::Id(id) => (unit.tenant_by_id(*id).await?, id.to_string()),
        TenantSelector::Slug(slug) => (unit.tenant_by_slug(slug).await?, slug.to_string()),
    };
    found.ok_or(OperatorError::UnknownTenant(text))
}

/// Names the tenant in messages to the operator.
pub(crate) fn named(tenant: &Tenant) -> String {
    format!("{} ({})", tenant.slug, tenant.id)
}
