//! The command that erases a user.

use tenantry_identity::vocabulary::USER_ERASED;
use tenantry_identity::{ErasePerson, Erasure, People, Person, Trace, erase_person, erased_address};
use tenantry_kernel::{EmailAddress, StoreError, TenantId, UserId};
use tenantry_service::Unit;
use tenantry_tenancy::vocabulary::LAST_OWNER;

use crate::{
    EraseUser, Operator, OperatorError, REASON, SCOPE,
    people::{find, named, owned_alone},
};

/// Number of entries processed in one unit.
const ENTRIES_AT_ONCE: u32 = 1_000;

/// Erases a user's account, and then the user's personal data in the journal. For an account that was erased before,
/// the journal is processed again, so that an interrupted command can be repeated.
pub(crate) async fn erase(operator: &Operator, command: EraseUser) -> Result<String, OperatorError> {
    let EraseUser { email, id, force } = command;
    let person = match (email, id) {
        (Some(email), _) => find(operator, &email).await?,
        (None, Some(id)) => find_by_id(operator, id).await?,
        (None, None) => unreachable!("the command line requires one of them"),
    };
    let id = person.id;
    let done = operator.change(USER_ERASED, async move |unit, actor, context| {
        erase_person(unit, actor, context, ErasePerson { user: id, force }).await?;
        Ok(String::new())
    });
    match done.await {
        Err(failure) if failure.code == LAST_OWNER => {
            let tenants = owned_alone(&mut operator.reader.open(SCOPE).await?, id).await?;
            return Err(OperatorError::LastOwner { email: person.email, tenants });
        }
        done => done?,
    };
    let parts = erase_journal(operator, &person).await?;
    Ok(format!("erased {} and the personal parts of {parts} audit entries; the seals stay valid", named(&person)))
}

async fn find_by_id(operator: &Operator, id: UserId) -> Result<Person, OperatorError> {
    operator.reader.open(SCOPE).await?.person_by_id(id).await?.ok_or(OperatorError::UnknownPersonId(id))
}

/// Processes every log, since the user may have left tenants long ago.
async fn erase_journal(operator: &Operator, person: &Person) -> Result<u64, OperatorError> {
    let placeholder = erased_address(person.id).map_err(tenantry_service::ServiceError::from)?;
    let mut erased = erase_log(operator, None, person, &placeholder).await?;
    let mut after = None;
    while let Some(tenant) = operator.reader.open(SCOPE).await?.next_tenant(after).await? {
        erased += erase_log(operator, Some(tenant), person, &placeholder).await?;
        after = Some(tenant);
    }
    Ok(erased)
}

async fn erase_log(
    operator: &Operator,
    log: Option<TenantId>,
    person: &Person,
    placeholder: &EmailAddress,
) -> Result<u64, OperatorError> {
    let mut traces = vec![Trace::Actor(person.id), Trace::Target(person.id.uuid())];
    if let Some(tenant) = log {
        let erase = async |unit: &mut Unit| unit.erase_invitations(tenant, person.id, placeholder).await;
        let invitations: Result<Vec<_>, StoreError> = operator.transactions.housekeeping(REASON, erase).await;
        let invitations = invitations?;
        traces.extend(invitations.into_iter().map(Trace::Target));
    }
    let mut erased = 0;
    for trace in traces {
        let mut after = None;
        loop {
            let erase = async |unit: &mut Unit| unit.delete_personal_parts(log, trace, after, ENTRIES_AT_ONCE).await;
            let erased_now: Result<_, StoreError> = operator.transactions.housekeeping(REASON, erase).await;
            let (parts, last) = erased_now?;
            erased += parts;
            if last.is_none() {
                break;
            }
            after = last;
        }
    }
    Ok(erased)
}
