//! The commands for users.

use tenantry_identity::{
    AddMember, DisablePerson, EnablePerson, People, Person, PersonStatus, add_member as add, disable_person,
    enable_person,
    vocabulary::{EMAIL_TAKEN, USER_DISABLED, USER_ENABLED},
};
use tenantry_kernel::{Authorities, EmailAddress, StoreError, UserId};
use tenantry_service::Unit;
use tenantry_tenancy::vocabulary::{ALREADY_MEMBER, LAST_OWNER, MEMBERSHIP_CREATED};
use tenantry_tenancy::{Memberships, Roles, Slug, TenancyError, Tenant};

use crate::{
    AddMemberArguments, DisableUser, EmailArgument, Operator, OperatorError, SCOPE,
    account::{Account, FirstPassword},
    error::list,
    tenants,
};

/// Adds a user to a tenant with one role, and creates the account if there is none.
pub(crate) async fn add_member(operator: &Operator, command: AddMemberArguments) -> Result<String, OperatorError> {
    let AddMemberArguments { tenant, email, name, role, link } = command;
    let tenant = tenants::find(operator, &tenant.tenant).await?;
    if operator.reader.open(SCOPE).await?.role_by_name(tenant.id, &role).await?.is_none() {
        return Err(OperatorError::UnknownRole { tenant: tenant.slug, role });
    }
    let account = Account::find_or_prepare(operator, &email, Some(name)).await?;

    let Tenant { id, slug, .. } = tenant.clone();
    let first_password = FirstPassword::new(operator, link);
    let done = operator.change(MEMBERSHIP_CREATED, async move |unit, actor, context| {
        // Lock before the role is looked up, so that no concurrent change deletes the role.
        unit.lock_tenant(id).await?;
        let role = unit.role_by_name(id, &role).await?.ok_or(TenancyError::NotFound)?;
        let person = account.person(unit, actor, context).await?;
        let command = AddMember { tenant: id, person: &person, role: &role };
        add(unit, actor, context, command).await?;
        let offered = account.offer(unit, actor, context, &person, &tenant, &first_password).await?;
        let (who, tenant) = (named(&person), tenants::named(&tenant));
        Ok(format!("added {who} to tenant {tenant} as {}{offered}", role.name))
    });
    done.await.map_err(|failure| match failure.code {
        ALREADY_MEMBER => OperatorError::AlreadyMember { email, tenant: slug },
        EMAIL_TAKEN => OperatorError::Registered(email),
        _ => failure.into(),
    })
}

/// Disables a user in every tenant.
pub(crate) async fn disable(operator: &Operator, command: DisableUser) -> Result<String, OperatorError> {
    let person = find(operator, &command.user.email).await?;
    if person.status == PersonStatus::Disabled {
        return Ok(format!("{} is already disabled; nothing was changed", named(&person)));
    }
    let (id, force) = (person.id, command.force);
    let who = named(&person);
    let done = operator.change(USER_DISABLED, async move |unit, actor, context| {
        let ownerless = owned_alone(unit, id).await?;
        disable_person(unit, actor, context, DisablePerson { user: id, force }).await?;
        let line = format!("disabled {who} and ended their sessions");
        Ok(match ownerless.is_empty() {
            true => line,
            false => format!("{line}; without an active owner now: {}", list(&ownerless)),
        })
    });
    match done.await {
        Err(failure) if failure.code == LAST_OWNER => {
            let tenants = owned_alone(&mut operator.reader.open(SCOPE).await?, id).await?;
            Err(OperatorError::LastOwner { email: person.email, tenants })
        }
        done => Ok(done?),
    }
}

/// Lets a disabled user sign in again.
pub(crate) async fn enable(operator: &Operator, argument: EmailArgument) -> Result<String, OperatorError> {
    let person = find(operator, &argument.email).await?;
    if person.status == PersonStatus::Enabled {
        return Ok(format!("{} is already enabled; nothing was changed", named(&person)));
    }
    let done = operator.change(USER_ENABLED, async move |unit, actor, context| {
        enable_person(unit, actor, context, EnablePerson { user: person.id }).await?;
        Ok(format!("enabled {}; the user can sign in again", named(&person)))
    });
    Ok(done.await?)
}

/// Returns the tenants that have no other active owner than this user.
pub(crate) async fn owned_alone(unit: &mut Unit, person: UserId) -> Result<Vec<Slug>, StoreError> {
    let mut slugs = Vec::new();
    for (_, tenant) in unit.tenants_of(person).await? {
        if unit.active_owners(tenant.id).await? == [person] {
            slugs.push(tenant.slug);
        }
    }
    Ok(slugs)
}

pub(crate) async fn find(operator: &Operator, email: &EmailAddress) -> Result<Person, OperatorError> {
    let found = operator.reader.open(SCOPE).await?.person_by_email(email).await?;
    found.ok_or_else(|| OperatorError::UnknownPerson(email.clone()))
}

/// Names the user in messages to the operator.
pub(crate) fn named(person: &Person) -> String {
    format!("{} ({})", person.email, person.id)
}
