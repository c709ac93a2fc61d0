//! The ports of identity over plain maps. Each port documents the guarantees of its methods.

use async_trait::async_trait;
use std::collections::BTreeMap;
use tenantry_identity::{
    Attempts, Credential, CredentialStore, EndReason, GuessCount, GuessCounter, GuessId, IdentityError, MemberDetails,
    People, Person, Session, Sessions,
};
use tenantry_jobs::{Enqueued, JobQueue, NewJob};
use tenantry_kernel::{
    Authorities, Authority, EmailAddress, Event, Journal, Page, PageRequest, RoleId, SessionId, SignInId, StoreError,
    TenantAuthority, TenantId, Timestamp, UserId,
};
use tenantry_tenancy::{
    MemberFilter, MemberKey, MemberKeys, MemberOrder, Membership, Memberships, Role, RoleAssignment, TenancyError,
    Tenant,
};

type Done<T = ()> = Result<T, StoreError>;

/// The state of the service. A clone is a unit: it replaces the original on commit, or is dropped.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    people: BTreeMap<UserId, Person>,
    credentials: BTreeMap<UserId, Credential>,
    sessions: BTreeMap<SessionId, Session>,
    attempts: BTreeMap<[u8; 32], GuessCount>,
    in_flight: BTreeMap<([u8; 32], GuessId), Timestamp>,
    known: BTreeMap<([u8; 32], [u8; 32]), Timestamp>,
    pub(crate) journal: Vec<Event>,
    /// Emails to send; in a real service a worker takes them from here.
    pub(crate) jobs: Vec<NewJob>,
}

const NO_TENANTS: StoreError = StoreError::Misuse("this service has no tenants");

#[async_trait]
impl People for Memory {
    async fn insert_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        if self.people.values().any(|other| other.email == person.email) {
            return Err(IdentityError::EmailTaken);
        }
        self.people.insert(person.id, person.clone());
        Ok(())
    }
    async fn person_by_id(&mut self, id: UserId) -> Done<Option<Person>> {
        Ok(self.people.get(&id).cloned())
    }
    async fn people_by_ids(&mut self, ids: &[UserId]) -> Done<Vec<Person>> {
        Ok(ids.iter().filter_map(|id| self.people.get(id).cloned()).collect())
    }
    async fn members_by_ids(&mut self, _: &[UserId]) -> Done<Vec<MemberDetails>> {
        Err(NO_TENANTS)
    }
    async fn person_by_email(&mut self, email: &EmailAddress) -> Done<Option<Person>> {
        Ok(self.people.values().find(|person| person.email == *email).cloned())
    }
    async fn lock_person(&mut self, id: UserId) -> Done<Option<Person>> {
        self.person_by_id(id).await
    }
    async fn update_person(&mut self, person: &Person) -> Result<(), IdentityError> {
        let row = self.people.get_mut(&person.id).filter(|row| row.version == person.version);
        *row.ok_or(IdentityError::VersionConflict)? = Person { version: person.version + 1, ..person.clone() };
        Ok(())
    }
}

#[async_trait]
impl CredentialStore for Memory {
    async fn insert_credential(&mut self, new: &Credential) -> Done {
        self.update_credential(new).await
    }
    async fn credential_of(&mut self, user: UserId) -> Done<Option<Credential>> {
        Ok(self.credentials.get(&user).cloned())
    }
    async fn update_credential(&mut self, credential: &Credential) -> Done {
        self.credentials.insert(credential.user, credential.clone());
        Ok(())
    }
}

impl Memory {
    /// Ends those sessions that match and have not ended.
    fn end(&mut self, which: impl Fn(&Session) -> bool, reason: EndReason, now: Timestamp) -> Vec<Session> {
        let ended = self.sessions.values_mut().filter(|session| session.ended.is_none() && which(session));
        ended
            .map(|session| {
                session.ended = Some((now, reason));
                session.clone()
            })
            .collect()
    }
}

#[async_trait]
impl Sessions for Memory {
    async fn insert_session(&mut self, new: &Session) -> Done {
        self.sessions.insert(new.id, new.clone());
        Ok(())
    }
    async fn session_by_id(&mut self, id: SessionId) -> Done<Option<Session>> {
        Ok(self.sessions.get(&id).cloned())
    }
    async fn running_sessions_of(&mut self, user: UserId, now: Timestamp) -> Done<Vec<Session>> {
        let runs = |session: &&Session| session.user == user && session.ended.is_none() && session.expires_at > now;
        Ok(self.sessions.values().rev().filter(runs).cloned().collect())
    }
    async fn rotate_session(
        &mut self,
        id: SessionId,
        rotation: u32,
        idle_since: Timestamp,
        now: Timestamp,
    ) -> Done<Option<Session>> {
        let is_current = |s: &&mut Session| {
            s.ended.is_none() && s.expires_at > now && s.rotated_at > idle_since && s.rotation == rotation
        };
        let Some(session) = self.sessions.get_mut(&id).filter(is_current) else { return Ok(None) };
        (session.seen_rotation, session.rotation, session.rotated_at) = (rotation, rotation + 1, now);
        Ok(Some(session.clone()))
    }
    async fn mark_rotation_seen(&mut self, id: SessionId, rotation: u32) -> Done {
        let found = self.sessions.get_mut(&id).filter(|session| session.rotation >= rotation);
        if let Some(session) = found {
            session.seen_rotation = session.seen_rotation.max(rotation)
        }
        Ok(())
    }
    async fn end_session(&mut self, id: SessionId, why: EndReason, now: Timestamp) -> Done<Vec<Session>> {
        Ok(self.end(|session| session.id == id, why, now))
    }
    async fn end_sessions_of_sign_in(&mut self, id: SignInId, why: EndReason, now: Timestamp) -> Done<Vec<Session>> {
        Ok(self.end(|session| session.sign_in == id, why, now))
    }
    async fn end_sessions_of_user(
        &mut self,
        user: UserId,
        but: Option<SessionId>,
        why: EndReason,
        now: Timestamp,
    ) -> Done<Vec<Session>> {
        Ok(self.end(|session| session.user == user && Some(session.id) != but, why, now))
    }
    async fn end_sessions_of_member(
        &mut self,
        _: TenantId,
        _: UserId,
        _: EndReason,
        _: Timestamp,
    ) -> Done<Vec<Session>> {
        Err(NO_TENANTS)
    }
}

#[async_trait]
impl Attempts for Memory {
    async fn consume_attempts(&mut self, counters: &[GuessCounter], now: Timestamp) -> Done<Vec<GuessCount>> {
        self.lock_attempts(counters, now).await?;
        for counter in counters {
            self.attempts.entry(counter.key).and_modify(|counted| counted.count += 1);
        }
        self.lock_attempts(counters, now).await
    }
    async fn lock_attempts(&mut self, counters: &[GuessCounter], now: Timestamp) -> Done<Vec<GuessCount>> {
        Ok(counters
            .iter()
            .map(|requested| {
                let fresh = GuessCount { count: 0, resets_at: now.plus(requested.quota.window) };
                let counter = self.attempts.entry(requested.key).or_insert(fresh);
                if counter.resets_at <= now {
                    *counter = fresh
                }
                *counter
            })
            .collect())
    }
    async fn guesses_in_flight(&mut self, keys: &[[u8; 32]], now: Timestamp) -> Done<Vec<u32>> {
        let of =
            |key: &[u8; 32]| self.in_flight.iter().filter(|((at, _), ends_at)| at == key && **ends_at > now).count();
        Ok(keys.iter().map(|key| u32::try_from(of(key)).unwrap_or(u32::MAX)).collect())
    }
    async fn begin_guess(&mut self, keys: &[[u8; 32]], guess: GuessId, ends_at: Timestamp) -> Done {
        self.in_flight.extend(keys.iter().map(|key| ((*key, guess), ends_at)));
        Ok(())
    }
    async fn end_guess(&mut self, keys: &[[u8; 32]], guess: GuessId) -> Done {
        self.in_flight.retain(|(key, other), _| *other != guess || !keys.contains(key));
        Ok(())
    }
    async fn is_known_source(&mut self, account: [u8; 32], source: [u8; 32], since: Timestamp) -> Done<bool> {
        Ok(self.known.get(&(account, source)).is_some_and(|at| *at >= since))
    }
    async fn remember_source(&mut self, account: [u8; 32], source: [u8; 32], now: Timestamp) -> Done {
        self.known.insert((account, source), now);
        Ok(())
    }
    async fn forget_sources(&mut self, account: [u8; 32]) -> Done {
        self.known.retain(|(known, _), _| *known != account);
        Ok(())
    }
}

/// Without tenants, a user has no memberships.
#[async_trait]
impl Memberships for Memory {
    async fn tenants_of(&mut self, _: UserId) -> Done<Vec<(Membership, Tenant)>> {
        Ok(Vec::new())
    }
    async fn membership_of(&mut self, _: UserId) -> Done<Option<Membership>> {
        Ok(None)
    }
    async fn membership_in(&mut self, _: TenantId, _: UserId) -> Done<Option<Membership>> {
        Ok(None)
    }
    async fn is_member_address(&mut self, _: TenantId, _: &EmailAddress) -> Done<bool> {
        Ok(false)
    }
    async fn roles_held_by(&mut self, _: UserId) -> Done<Vec<Role>> {
        Ok(Vec::new())
    }
    async fn lock_membership(&mut self, _: TenantId, _: UserId) -> Done<Option<Membership>> {
        Ok(None)
    }
    async fn roles_of(&mut self, _: &[UserId]) -> Done<Vec<RoleAssignment>> {
        Ok(Vec::new())
    }
    async fn active_owners(&mut self, _: TenantId) -> Done<Vec<UserId>> {
        Ok(Vec::new())
    }
    async fn insert_membership(&mut self, _: &Membership, _: &MemberKeys) -> Result<(), TenancyError> {
        Err(NO_TENANTS.into())
    }
    async fn page_memberships(
        &mut self,
        _: &MemberFilter,
        _: MemberOrder,
        _: PageRequest<MemberKey>,
    ) -> Done<Page<(Membership, MemberKey), MemberKey>> {
        Err(NO_TENANTS)
    }
    async fn replace_roles(&mut self, _: TenantId, _: UserId, _: &[RoleId]) -> Done {
        Err(NO_TENANTS)
    }
    async fn update_membership(&mut self, _: &Membership) -> Done {
        Err(NO_TENANTS)
    }
    async fn delete_membership(&mut self, _: UserId) -> Done {
        Err(NO_TENANTS)
    }
}

/// The example caches no authority, so changes need not be published.
#[async_trait]
impl Authorities for Memory {
    async fn authority_of(&mut self, _: SessionId, _: Timestamp) -> Done<Option<Authority>> {
        Ok(None)
    }
    async fn member_authority(&mut self, _: TenantId, _: UserId) -> Done<Option<TenantAuthority>> {
        Ok(None)
    }
    async fn lock_tenant(&mut self, _: TenantId) -> Done {
        Err(NO_TENANTS)
    }
    async fn session_authority_changed(&mut self, _: SessionId) -> Done {
        Ok(())
    }
    async fn user_authority_changed(&mut self, _: UserId) -> Done {
        Ok(())
    }
    async fn tenant_authority_changed(&mut self, _: TenantId) -> Done {
        Ok(())
    }
}

#[async_trait]
impl Journal for Memory {
    async fn append_event(&mut self, event: Event) -> Done {
        self.journal.push(event);
        Ok(())
    }
}

#[async_trait]
impl JobQueue for Memory {
    async fn enqueue_jobs(&mut self, jobs: &[NewJob]) -> Done<Vec<Enqueued>> {
        self.jobs.extend_from_slice(jobs);
        Ok(vec![Enqueued::Added; jobs.len()])
    }
}
