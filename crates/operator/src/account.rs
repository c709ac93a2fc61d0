//! The account of a user who is added to a tenant: an existing one, or a new one whose password is set with a link.

use secrecy::ExposeSecret;
use std::sync::Arc;
use tenantry_crypto::ServerSecrets;
use tenantry_identity::{
    IdentityError, LinkPurpose, NewPerson, People, Person, PersonStatus, insert_person, offer_first_password,
};
use tenantry_kernel::{Actor, Context, EmailAddress, Name};
use tenantry_service::{LinkPages, ServiceError, Unit};
use tenantry_tenancy::Tenant;

use crate::{LinkArgument, Operator, OperatorError, SCOPE};

/// An account, looked up before the change begins.
#[derive(Clone)]
pub(crate) enum Account {
    /// The account exists; its name and password stay as they are.
    Existing(Person),
    /// The account is to be created.
    New(NewPerson),
}

/// How a new user gets the link to choose a first password.
pub(crate) struct FirstPassword {
    secrets: Arc<ServerSecrets>,
    pages: LinkPages,
    by_mail: bool,
}

impl FirstPassword {
    pub(crate) fn new(operator: &Operator, how: LinkArgument) -> Self {
        Self { secrets: operator.secrets.clone(), pages: operator.link_pages.clone(), by_mail: !how.print_link }
    }
}

impl Account {
    /// Looks up the account of an email address, or prepares a new one.
    pub(crate) async fn find_or_prepare(
        operator: &Operator,
        email: &EmailAddress,
        name: Option<Name>,
    ) -> Result<Self, OperatorError> {
        let found = operator.reader.open(SCOPE).await?.person_by_email(email).await?;
        match found {
            Some(person) if person.status == PersonStatus::Disabled => Err(OperatorError::Disabled(email.clone())),
            Some(person) => Ok(Self::Existing(person)),
            None => {
                let name = name.map_or_else(|| name_from(email), Ok)?;
                Ok(Self::New(NewPerson { email: email.clone(), is_verified: false, name, hash: None }))
            }
        }
    }

    /// Returns the user, locked against concurrent changes. A new user is created.
    pub(crate) async fn person(
        &self,
        unit: &mut Unit,
        actor: &Actor,
        context: &Context,
    ) -> Result<Person, ServiceError> {
        match self {
            Self::Existing(known) => {
                let person = unit.lock_person(known.id).await?;
                let person = person.filter(|person| person.status == PersonStatus::Enabled);
                Ok(person.ok_or(IdentityError::NotFound)?)
            }
            Self::New(new) => Ok(insert_person(unit, actor, context, new.clone()).await?),
        }
    }

    /// Offers a new user the link to a first password, and returns the text about the account for the operator.
    pub(crate) async fn offer(
        &self,
        unit: &mut Unit,
        actor: &Actor,
        context: &Context,
        person: &Person,
        tenant: &Tenant,
        offer: &FirstPassword,
    ) -> Result<String, ServiceError> {
        if let Self::Existing(_) = self {
            return Ok(String::new());
        }
        let FirstPassword { secrets, pages, by_mail } = offer;
        let token = offer_first_password(unit, actor, context, &**secrets, person, tenant, *by_mail).await?;
        if *by_mail {
            return Ok(", whose account was created; an email has a link to choose the first password".to_owned());
        }
        let link = pages.link(LinkPurpose::Reset, token.text());
        Ok(format!(
            ", whose account was created; the first password can be set within three days at\n{}",
            link.expose_secret()
        ))
    }
}

/// Derives the name of a user from the email address, where no name is given.
fn name_from(email: &EmailAddress) -> Result<Name, OperatorError> {
    Name::parse(email.local()).map_err(|error| ServiceError::internal(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_gives_a_name() {
        for address in ["ada@acme.example", "a.b+c@acme.example", "ÄÖ@acme.example", "!#$@acme.example"] {
            let email = EmailAddress::parse(address).unwrap();
            assert_eq!(name_from(&email).unwrap().as_str(), email.local());
        }
    }
}
