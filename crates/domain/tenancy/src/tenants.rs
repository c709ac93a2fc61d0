//! Tenants: their data, and how one is created.

use async_trait::async_trait;
use serde::{Serialize, Serializer};
use std::fmt;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, Event, Journal, Name, Requirement, StoreError, TenantId,
    TenantStatus, Timestamp, UserId, authorize, fold,
};

use crate::{
    MemberKeys, Membership, Memberships, Plan, Roles, TenancyError, insert_default_roles,
    roles::require_version,
    vocabulary::{
        MEMBERSHIP_CREATED, TENANT_CREATED, TENANT_PLAN_CHANGED, TENANT_READ, TENANT_RESUMED, TENANT_SUSPENDED,
        TENANT_UPDATE, TENANT_UPDATED,
    },
};

/// A tenant: a customer's organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Id of the tenant.
    pub id: TenantId,
    /// Name.
    pub name: Name,
    /// Slug for URLs, unique in the installation.
    pub slug: Slug,
    /// Plan.
    pub plan: &'static Plan,
    /// Status.
    pub status: TenantStatus,
    /// Version; incremented by each change.
    pub version: i64,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// A tenant's slug: `[a-z0-9](-?[a-z0-9])*`, 3 to 63 characters, none of [`RESERVED_SLUGS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

/// Slugs that could be mistaken for a page of the installation.
pub const RESERVED_SLUGS: &[&str] = &["admin", "api", "app", "auth", "docs", "links", "www"];

/// Reasons why a text is not a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// The form or the length is wrong.
    #[error("must be 3 to 63 lower-case letters and digits, with single hyphens between them")]
    Form,
    /// One of [`RESERVED_SLUGS`].
    #[error("is reserved")]
    Reserved,
}

impl Slug {
    /// Minimum length in characters.
    pub const MIN_CHARS: usize = 3;
    /// Maximum length in characters.
    pub const MAX_CHARS: usize = 63;

    /// Parses a slug without folding it, so that the client gets exactly the slug that it sent.
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        let parts_are_words = text
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        if !parts_are_words || !(Self::MIN_CHARS..=Self::MAX_CHARS).contains(&text.len()) {
            return Err(SlugError::Form);
        }
        if RESERVED_SLUGS.contains(&text) { Err(SlugError::Reserved) } else { Ok(Self(text.to_owned())) }
    }

    /// Returns the slug for URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Derives a slug from a name, with a suffix if one is given or the name alone yields no slug.
    fn derived(name: &Name, suffix: Option<&str>) -> Self {
        const ROOM_FOR_SUFFIX: usize = 48;
        let ascii: String =
            fold(name.as_str()).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let words: Vec<&str> = ascii.split('-').filter(|word| !word.is_empty()).collect();
        let stem: String = words.join("-").chars().take(ROOM_FOR_SUFFIX).collect();
        let stem = stem.trim_end_matches('-');
        let candidate = match (stem.is_empty(), suffix) {
            (true, suffix) => format!("tenant-{}", suffix.unwrap_or("0")),
            (false, Some(suffix)) => format!("{stem}-{suffix}"),
            (false, None) => stem.to_owned(),
        };
        Self::parse(&candidate).unwrap_or_else(|_| Self(format!("tenant-{candidate}")))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Slug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Port: stores tenants.
#[async_trait]
pub trait Tenants: Send {
    /// Inserts a tenant. Fails with [`TenancyError::SlugTaken`], and leaves the unit usable, when another tenant has
    /// the slug.
    async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<(), TenancyError>;

    /// Returns the tenant if the unit's scope may see it.
    async fn tenant_by_id(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreError>;

    /// Returns the tenant with this slug. Needs a System unit: other scopes may not ask about foreign tenants.
    async fn tenant_by_slug(&mut self, slug: &Slug) -> Result<Option<Tenant>, StoreError>;

    /// Updates name, slug, plan and status if the version is still `tenant.version`, and increments the version. Fails
    /// with [`TenancyError::VersionConflict`] or [`TenancyError::SlugTaken`].
    async fn update_tenant(&mut self, tenant: &Tenant) -> Result<(), TenancyError>;
}

/// Read the tenant.
#[derive(Debug, Clone, Copy)]
pub struct ReadTenant;

impl Command for ReadTenant {
    const REQUIRES: Requirement = Requirement::All(&[TENANT_READ]);
    const EVENTS: &'static [Action] = &[];
}

/// Change the tenant's name or slug. `None` leaves a field as it is.
#[derive(Debug, Clone)]
pub struct ChangeTenant {
    /// The new name.
    pub name: Option<Name>,
    /// The new slug.
    pub slug: Option<Slug>,
    /// The version that the caller expects.
    pub expected_version: Option<i64>,
}

impl Command for ChangeTenant {
    const REQUIRES: Requirement = Requirement::All(&[TENANT_UPDATE]);
    const EVENTS: &'static [Action] = &[TENANT_UPDATED];
    const LOCKS_TENANT: bool = true;
}

/// Changes the tenant's name or slug.
pub async fn change_tenant(
    unit: &mut (impl Tenants + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeTenant,
) -> Result<Tenant, TenancyError> {
    let authority = authorize::<ChangeTenant>(unit, actor, context).await?;
    let held = authority.active_tenant()?;
    let before = unit.tenant_by_id(held.id).await?.ok_or(TenancyError::NotFound)?;
    require_version(command.expected_version, before.version)?;
    let mut after = before.clone();
    if let Some(name) = command.name {
        after.name = name;
    }
    if let Some(slug) = command.slug {
        after.slug = slug;
    }
    if after == before {
        return Ok(before);
    }
    let event = Event::new(context, actor, TENANT_UPDATED)
        .target(after.id, Some(after.name.as_str()))
        .changed("name", before.name.as_str(), after.name.as_str())
        .changed("slug", before.slug.as_str(), after.slug.as_str());
    write_tenant(unit, &mut after, event).await?;
    Ok(after)
}

/// Data of a new tenant.
#[derive(Debug, Clone)]
pub struct FoundTenant {
    /// Name.
    pub name: Name,
    /// The requested slug; without one it is derived from the name, with a suffix where that is taken.
    pub slug: Option<Slug>,
    /// Plan.
    pub plan: &'static Plan,
    /// The first owner.
    pub owner: UserId,
    /// Name of the owner.
    pub owner_name: Name,
    /// Search keys of the owner.
    pub owner_keys: MemberKeys,
}

/// The ports that creating a tenant needs.
pub trait Founding: Tenants + Roles + Memberships + Journal {}
impl<T: Tenants + Roles + Memberships + Journal + ?Sized> Founding for T {}

/// Creates a tenant with its default roles and its owner. Appends `tenant.created` and `membership.created`. Checks no
/// permission: the calling use case has done so.
pub async fn found_tenant(
    unit: &mut (impl Founding + ?Sized),
    actor: &Actor,
    context: &Context,
    command: FoundTenant,
) -> Result<Tenant, TenancyError> {
    let tenant = insert_with_free_slug(unit, context, &command).await?;
    let actor = actor.within(Some(tenant.id));
    let owner_role = insert_default_roles(unit, context, tenant.id).await?;
    let membership = Membership::new(tenant.id, command.owner, tenant.created_at);
    unit.insert_membership(&membership, &command.owner_keys).await?;
    unit.replace_roles(membership.tenant, membership.user, &[owner_role.id]).await?;

    let founded = Event::new(context, &actor, TENANT_CREATED)
        .target(tenant.id, Some(tenant.name.as_str()))
        .set("name", tenant.name.as_str())
        .set("slug", tenant.slug.as_str())
        .set("plan", tenant.plan.name);
    unit.append_event(founded).await?;
    let joined = Event::new(context, &actor, MEMBERSHIP_CREATED)
        .target(membership.user, Some(command.owner_name.as_str()))
        .set("roles", vec![owner_role.name.to_string()]);
    unit.append_event(joined).await?;
    Ok(tenant)
}

async fn insert_with_free_slug(
    unit: &mut (impl Tenants + ?Sized),
    context: &Context,
    command: &FoundTenant,
) -> Result<Tenant, TenancyError> {
    const TRIES: usize = 5;
    let mut tenant = Tenant {
        id: TenantId::new(context),
        name: command.name.clone(),
        slug: command.slug.clone().unwrap_or_else(|| Slug::derived(&command.name, None)),
        plan: command.plan,
        status: TenantStatus::Active,
        version: 1,
        created_at: context.now(),
    };
    for _ in 0..TRIES {
        match unit.insert_tenant(&tenant).await {
            Ok(()) => return Ok(tenant),
            Err(TenancyError::SlugTaken) if command.slug.is_none() => {
                let suffix = format!("{:06x}", u32::from_be_bytes(context.random()) >> 8);
                tenant.slug = Slug::derived(&command.name, Some(&suffix));
            }
            Err(error) => return Err(error),
        }
    }
    Err(TenancyError::SlugTaken)
}

/// Create a tenant for a user, as an operator.
#[derive(Debug, Clone)]
pub struct CreateTenant(pub FoundTenant);

impl Command for CreateTenant {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[TENANT_CREATED, MEMBERSHIP_CREATED];
}

/// Creates a tenant for a user, by an operator. See [`found_tenant`].
pub async fn create_tenant(
    unit: &mut (impl Founding + Authorities + ?Sized),
    actor: &Actor,
    context: &Context,
    command: CreateTenant,
) -> Result<Tenant, TenancyError> {
    authorize::<CreateTenant>(unit, actor, context).await?;
    found_tenant(unit, actor, context, command.0).await
}

/// Suspend a tenant, or resume it.
#[derive(Debug, Clone, Copy)]
pub struct ChangeTenantStatus {
    /// The tenant.
    pub tenant: TenantId,
    /// The new status.
    pub status: TenantStatus,
}

impl Command for ChangeTenantStatus {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[TENANT_SUSPENDED, TENANT_RESUMED];
    const LOCKS_TENANT: bool = true;
}

/// Suspends or resumes a tenant, by an operator. Appends no event when the tenant already has that status.
pub async fn change_tenant_status(
    unit: &mut (impl Tenants + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangeTenantStatus,
) -> Result<Tenant, TenancyError> {
    let ChangeTenantStatus { tenant, status } = command;
    let action = match status {
        TenantStatus::Suspended => TENANT_SUSPENDED,
        TenantStatus::Active => TENANT_RESUMED,
    };
    let actor = &actor.within(Some(tenant));
    authorize::<ChangeTenantStatus>(unit, actor, context).await?;
    change_by_operator(unit, actor, context, tenant, action, |tenant| tenant.status = status).await
}

/// Move a tenant to another plan.
#[derive(Debug, Clone, Copy)]
pub struct ChangePlan {
    /// The tenant.
    pub tenant: TenantId,
    /// The plan.
    pub plan: &'static Plan,
}

impl Command for ChangePlan {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[TENANT_PLAN_CHANGED];
    const LOCKS_TENANT: bool = true;
}

/// Moves a tenant to another plan, by an operator. Appends no event when the tenant is already on that plan.
pub async fn change_plan(
    unit: &mut (impl Tenants + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ChangePlan,
) -> Result<Tenant, TenancyError> {
    let ChangePlan { tenant, plan } = command;
    let actor = &actor.within(Some(tenant));
    authorize::<ChangePlan>(unit, actor, context).await?;
    change_by_operator(unit, actor, context, tenant, TENANT_PLAN_CHANGED, |tenant| tenant.plan = plan).await
}

/// Changes a tenant that [`authorize`] has locked.
async fn change_by_operator(
    unit: &mut (impl Tenants + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    tenant: TenantId,
    action: Action,
    change: impl FnOnce(&mut Tenant),
) -> Result<Tenant, TenancyError> {
    let before = unit.tenant_by_id(tenant).await?.ok_or(TenancyError::NotFound)?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(before);
    }
    let event = Event::new(context, actor, action)
        .target(after.id, Some(after.name.as_str()))
        .changed("status", before.status.name(), after.status.name())
        .changed("plan", before.plan.name, after.plan.name);
    write_tenant(unit, &mut after, event).await?;
    Ok(after)
}

async fn write_tenant(
    unit: &mut (impl Tenants + Authorities + Journal + ?Sized),
    tenant: &mut Tenant,
    event: Event,
) -> Result<(), TenancyError> {
    unit.update_tenant(tenant).await?;
    tenant.version += 1;
    unit.tenant_authority_changed(tenant.id).await?;
    unit.append_event(event).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_words_and_single_hyphens() {
        for good in ["abc", "a-b", "acme-2", "0-0-0"] {
            assert!(Slug::parse(good).is_ok(), "{good}");
        }
        for bad in ["ab", "-abc", "abc-", "a--b", "Abc", "a_b", "äbc", "", "a b", "abc\n"] {
            assert_eq!(Slug::parse(bad), Err(SlugError::Form), "{bad}");
        }
        assert_eq!(Slug::parse(&"a".repeat(64)), Err(SlugError::Form));
        for reserved in RESERVED_SLUGS {
            assert_eq!(Slug::parse(reserved), Err(SlugError::Reserved));
        }
    }

    #[test]
    fn every_name_makes_a_slug() {
        let slug = |name: &str, suffix| Name::parse(name).map(|n| Slug::derived(&n, suffix).to_string());
        assert_eq!(slug("Acme, Inc.", None), Ok("acme-inc".into()));
        assert_eq!(slug("Acme, Inc.", Some("1f")), Ok("acme-inc-1f".into()));
        assert_eq!(slug("東京", None), Ok("tenant-0".into()));
        assert_eq!(slug("X", None), Ok("tenant-x".into()));
        assert_eq!(slug("API", None), Ok("tenant-api".into()));
        for name in ["東京", "X", "API", "--", &"a-".repeat(60), &"é".repeat(120)] {
            for suffix in [None, Some("abcdef")] {
                let made = slug(name, suffix).unwrap();
                assert!(Slug::parse(&made).is_ok(), "{name} gave {made}");
            }
        }
    }
}
