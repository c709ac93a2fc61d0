//! Commands about people.

use tenantry_identity::vocabulary::{EMAIL_TAKEN, USER_DISABLED, USER_ENABLED};
use tenantry_identity::{People, Person, PersonStatus, add_member as add, disable_person, enable_person};
use tenantry_kernel::{Authorities, EmailAddress, StoreError, UserId};
use tenantry_store::Unit;
use tenantry_tenancy::vocabulary::{ALREADY_MEMBER, LAST_OWNER, MEMBERSHIP_CREATED};
use tenantry_tenancy::{Memberships, Roles, Slug, TenancyError, Tenant};

use crate::{
    App,
    cli::{AddMember, DisableUser, EmailArgument},
};

use super::{
    AdminError, SCOPE,
    account::{Account, FirstPassword},
    change,
    error::list,
    tenants,
};

/// Puts a person into a tenant with one role, and makes their account if there is none.
pub(super) async fn add_member(app: &App, command: AddMember) -> Result<String, AdminError> {
    let AddMember { tenant, email, name, role, link } = command;
    let tenant = tenants::find(app, &tenant.tenant).await?;
    if app.read(SCOPE).await?.role_by_name(tenant.id, &role).await?.is_none() {
        return Err(AdminError::UnknownRole { tenant: tenant.slug, role });
    }
    let account = Account::find_or_prepare(app, &email, Some(name)).await?;

    let Tenant { id, slug, .. } = tenant.clone();
    let first_password = FirstPassword::new(app, link);
    let done = change(app, MEMBERSHIP_CREATED, async move |unit, actor, world| {
        // before the role is looked up, so that nobody deletes it meanwhile
        unit.lock_tenant(id).await?;
        let role = unit.role_by_name(id, &role).await?.ok_or(TenancyError::NotFound)?;
        let person = account.person(unit, actor, world).await?;
        add(unit, actor, world, id, &person, &role).await?;
        let offered = account.offer(unit, actor, world, &person, &tenant, &first_password).await?;
        let (who, tenant) = (named(&person), tenants::named(&tenant));
        Ok(format!("added {who} to tenant {tenant} as {}{offered}", role.name))
    });
    done.await.map_err(|failure| match failure.code {
        ALREADY_MEMBER => AdminError::AlreadyMember { email, tenant: slug },
        EMAIL_TAKEN => AdminError::Registered(email),
        _ => failure.into(),
    })
}

/// Shuts a person out of every tenant.
pub(super) async fn disable(app: &App, command: DisableUser) -> Result<String, AdminError> {
    let person = find(app, &command.user.email).await?;
    if person.status == PersonStatus::Disabled {
        return Ok(format!("{} is disabled already; nothing was changed", named(&person)));
    }
    let (id, force) = (person.id, command.force);
    let who = named(&person);
    let done = change(app, USER_DISABLED, async move |unit, actor, world| {
        let ownerless = owned_alone(unit, id).await?;
        disable_person(unit, actor, world, id, force).await?;
        let line = format!("disabled {who} and ended their sessions");
        Ok(match ownerless.is_empty() {
            true => line,
            false => format!("{line}; without an active owner now: {}", list(&ownerless)),
        })
    });
    match done.await {
        Err(failure) if failure.code == LAST_OWNER => {
            let tenants = owned_alone(&mut app.read(SCOPE).await?, id).await?;
            Err(AdminError::LastOwner { email: person.email, tenants })
        }
        done => Ok(done?),
    }
}

/// Lets a disabled person sign in again.
pub(super) async fn enable(app: &App, argument: EmailArgument) -> Result<String, AdminError> {
    let person = find(app, &argument.email).await?;
    if person.status == PersonStatus::Enabled {
        return Ok(format!("{} is enabled already; nothing was changed", named(&person)));
    }
    let done = change(app, USER_ENABLED, async move |unit, actor, world| {
        enable_person(unit, actor, world, person.id).await?;
        Ok(format!("enabled {}, who may sign in again", named(&person)))
    });
    Ok(done.await?)
}

/// The tenants that nobody owns besides this person.
pub(super) async fn owned_alone(unit: &mut Unit, person: UserId) -> Result<Vec<Slug>, StoreError> {
    let mut slugs = Vec::new();
    for (_, tenant) in unit.tenants_of(person).await? {
        if unit.active_owners(tenant.id).await? == [person] {
            slugs.push(tenant.slug);
        }
    }
    Ok(slugs)
}

pub(super) async fn find(app: &App, email: &EmailAddress) -> Result<Person, AdminError> {
    let found = app.read(SCOPE).await?.person_by_email(email).await?;
    found.ok_or_else(|| AdminError::UnknownPerson(email.clone()))
}

/// The person as the operator is told of them.
pub(super) fn named(person: &Person) -> String {
    format!("{} ({})", person.email, person.id)
}
