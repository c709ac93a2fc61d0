//! Erasure of a user: deletes their personal data for good. The journal keeps what was done, under the user's id.

use async_trait::async_trait;
use tenantry_kernel::{
    Action, Actor, Authorities, Command, Context, EmailAddress, Event, EventId, Journal, Name, Requirement, StoreError,
    TenantId, UserId, authorize,
};
use tenantry_tenancy::{Memberships, vocabulary::MEMBERSHIP_REMOVED};
use uuid::Uuid;

use crate::{
    IdentityError, People, Person, PersonStatus,
    people::{lock_tenants_of, require_no_other_tenant},
    vocabulary::USER_ERASED,
};

/// Selects the entries of the journal that concern a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// The user is the actor.
    Actor(UserId),
    /// This id is the target: the user's, or that of an invitation to the user.
    Target(Uuid),
}

/// Port: deletes a user's personal data. Only for System units.
#[async_trait]
pub trait Erasure: Send {
    /// Deletes the user's password, links, sessions, memberships and stored responses. Deletes the open registrations
    /// of the address, and every job and stored response of any user that contains the address. Replaces the address in
    /// every invitation to it by `by`, so that [`Erasure::erase_invitations`] finds them, and revokes the open ones.
    async fn erase_account(&mut self, person: &Person, by: &EmailAddress) -> Result<(), StoreError>;

    /// Returns the first tenant after `after`, in order of id.
    async fn next_tenant(&mut self, after: Option<TenantId>) -> Result<Option<TenantId>, StoreError>;

    /// Replaces the address by `by` in the tenant's invitations that the user has accepted, and revokes the open ones.
    /// Returns their ids and those of the invitations that contain `by` already.
    async fn erase_invitations(
        &mut self,
        tenant: TenantId,
        person: UserId,
        by: &EmailAddress,
    ) -> Result<Vec<Uuid>, StoreError>;

    /// Deletes the personal parts, and their salts, of the next entries after `after`, in a tenant's log or in the log
    /// without a tenant. Seals stay valid, because they cover commitments only. Returns the number of deleted parts,
    /// and the last entry examined if there may be more.
    async fn delete_personal_parts(
        &mut self,
        log: Option<TenantId>,
        trace: Trace,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<(u64, Option<EventId>), StoreError>;
}

/// Returns the address that replaces the one of an erased user. It can receive no mail (RFC 6761, 6.4).
pub fn erased_address(person: UserId) -> Result<EmailAddress, IdentityError> {
    let address = format!("erased-{person}@erased.invalid");
    EmailAddress::parse(&address).map_err(|error| StoreError::Failed(Box::new(error)).into())
}

/// Erase a user.
#[derive(Debug, Clone, Copy)]
pub struct ErasePerson {
    /// The user.
    pub user: UserId,
    /// Whether a tenant may be left without an active owner.
    pub force: bool,
}

impl Command for ErasePerson {
    const REQUIRES: Requirement = Requirement::Operator;
    const EVENTS: &'static [Action] = &[USER_ERASED, MEMBERSHIP_REMOVED];
}

/// Removes a user from every tenant and deletes their account, by an operator. The personal data in the journal is
/// deleted afterwards, log by log: see [`Erasure::erase_invitations`] and [`Erasure::delete_personal_parts`]. Without
/// `force` it fails with [`TenancyError::LastOwner`](tenantry_tenancy::TenancyError::LastOwner) when a tenant would be
/// left without an active owner. A user who was erased before stays unchanged.
pub async fn erase_person(
    unit: &mut (impl People + Erasure + Memberships + Authorities + Journal + ?Sized),
    actor: &Actor,
    context: &Context,
    command: ErasePerson,
) -> Result<(), IdentityError> {
    authorize::<ErasePerson>(unit, actor, context).await?;
    let ErasePerson { user: id, force } = command;
    let tenants = lock_tenants_of(unit, id, force).await?;
    let before = unit.lock_person(id).await?.ok_or(IdentityError::NotFound)?;
    let address = erased_address(id)?;
    if before.email == address {
        return Ok(());
    }
    require_no_other_tenant(unit, id, &tenants).await?;
    let name = Name::parse("Erased").map_err(|error| StoreError::Failed(Box::new(error)))?;
    let after = Person {
        email: address.clone(),
        email_verified_at: None,
        name,
        status: PersonStatus::Disabled,
        ..before.clone()
    };
    unit.erase_account(&before, &address).await?;
    unit.update_person(&after).await?;
    unit.user_authority_changed(id).await?;
    for tenant in &tenants {
        let log = actor.within(Some(*tenant));
        unit.append_event(Event::new(context, &log, MEMBERSHIP_REMOVED).target(id, None)).await?;
        unit.append_event(Event::new(context, &log, USER_ERASED).target(id, None)).await?;
    }
    if tenants.is_empty() {
        unit.append_event(Event::new(context, actor, USER_ERASED).target(id, None)).await?;
    }
    Ok(())
}
