//! The account of a person who is put into a tenant: one that is there, or a new one with a first password.

use secrecy::SecretString;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use tenantry_identity::{
    IdentityError, NewPerson, Password, PasswordHasher, People, Person, PersonStatus, insert_person,
};
use tenantry_kernel::{Actor, EmailAddress, Name, World};
use tenantry_store::Unit;

use crate::{App, Failure};

use super::{AdminError, SCOPE};

/// An account, looked up before the change began.
#[derive(Clone)]
pub(super) enum Account {
    /// It is there; name and password stay as they are.
    Known(Person),
    /// It is to be made.
    New(NewPerson),
}

impl Account {
    /// Looks the address up. For somebody new it reads a first password from standard input, which must not be
    /// guessable from the person or from `own` words of the tenant, and hashes it.
    pub(super) async fn find_or_prepare(
        app: &App,
        email: &EmailAddress,
        name: Option<Name>,
        own: &[&str],
    ) -> Result<Self, AdminError> {
        let found = app.store.read(SCOPE).await?.person_by_email(email).await?;
        match found {
            Some(person) if person.status == PersonStatus::Disabled => Err(AdminError::Disabled(email.clone())),
            Some(person) => Ok(Self::Known(person)),
            None => {
                let name = name.map_or_else(|| name_from(email), Ok)?;
                let password = read_password(email, &mut io::stdin().lock())?;
                let own: Vec<&str> = [email.as_str(), name.as_str()].into_iter().chain(own.iter().copied()).collect();
                password.ensure_unguessable(&own).map_err(|_| AdminError::WeakPassword)?;
                let hash = app.hasher.hash(password).await?;
                Ok(Self::New(NewPerson { email: email.clone(), name, hash }))
            }
        }
    }

    /// The person, held against other changes; made if they are new.
    pub(super) async fn person(&self, unit: &mut Unit, actor: &Actor, world: &World) -> Result<Person, Failure> {
        match self {
            Self::Known(known) => {
                let person = unit.lock_person(known.id).await?;
                let person = person.filter(|person| person.status == PersonStatus::Enabled);
                Ok(person.ok_or(IdentityError::NotFound)?)
            }
            Self::New(new) => Ok(insert_person(unit, actor, world, new.clone()).await?),
        }
    }

    /// What the operator is told of the account.
    pub(super) fn remark(&self) -> &'static str {
        match self {
            Self::Known(_) => "",
            Self::New(_) => ", whose account was made",
        }
    }
}

/// What somebody is called whose name nobody gave.
fn name_from(email: &EmailAddress) -> Result<Name, AdminError> {
    Name::parse(email.local()).map_err(|error| Failure::internal(error).into())
}

/// More than any password of 128 characters takes.
const MAX_LINE_BYTES: u64 = 1024;

/// Reads one line. A terminal is told what is waited for.
fn read_password(email: &EmailAddress, input: &mut (impl BufRead + ?Sized)) -> Result<Password, AdminError> {
    if io::stdin().is_terminal() {
        let mut prompt = io::stderr().lock();
        let prompted = write!(prompt, "{email} has no account yet. First password: ").and_then(|()| prompt.flush());
        prompted.map_err(AdminError::UnreadablePassword)?;
    }
    let mut line = String::new();
    input.take(MAX_LINE_BYTES).read_line(&mut line).map_err(AdminError::UnreadablePassword)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(AdminError::NoPassword(email.clone()));
    }
    Ok(Password::parse(SecretString::from(text))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantry_identity::PasswordError;

    fn read(input: &[u8]) -> Result<Vec<u8>, AdminError> {
        let email = EmailAddress::parse("ada@acme.example").unwrap();
        read_password(&email, &mut &*input).map(|password| password.bytes().to_vec())
    }

    #[test]
    fn a_password_is_one_line_whatever_ends_it() {
        for input in ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\nanother line\n"] {
            assert_eq!(read(input.as_bytes()).unwrap(), b"correct horse", "{input:?}");
        }
        assert_eq!(read(b"  spaces count  \n").unwrap(), b"  spaces count  ");
    }

    #[test]
    fn what_is_no_password_is_told_apart() {
        for input in ["", "\n", "\r\n"] {
            assert!(matches!(read(input.as_bytes()), Err(AdminError::NoPassword(_))), "{input:?}");
        }
        assert!(matches!(read(b"\xff\xfe password\n"), Err(AdminError::UnreadablePassword(_))));
        assert!(matches!(read(b"short\n"), Err(AdminError::Password(PasswordError::TooShort))));
        let endless = "x".repeat(1 << 20);
        assert!(matches!(read(endless.as_bytes()), Err(AdminError::Password(PasswordError::TooLong))));
    }

    #[test]
    fn every_address_gives_a_name() {
        for address in ["ada@acme.example", "a.b+c@acme.example", "ÄÖ@acme.example", "!#$@acme.example"] {
            let email = EmailAddress::parse(address).unwrap();
            assert_eq!(name_from(&email).unwrap().as_str(), email.local());
        }
    }
}
