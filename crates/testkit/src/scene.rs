//! The data that suites start from: users, tenants with their default roles, and members; and units for all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use tenantry_identity::{People, Person, PersonStatus, Session};
use tenantry_kernel::{
    Actor, ActorKind, Context, DefaultRole, EmailAddress, Name, Origin, PermissionSet, RequestId, RoleId, SessionId,
    SignInId, TenantId, TenantStatus, Timestamp, UserId,
};
use tenantry_tenancy::{
    Description, Membership, Memberships, Plan, Role, RoleName, Roles, Slug, Tenant, Tenants, insert_default_roles,
};

use crate::{
    context::{TestClock, test_context},
    units::{TestScope, Units},
};

/// The ports of users, tenants, roles and memberships, which every other port builds on.
pub trait Directory: People + Tenants + Roles + Memberships {}
impl<T: People + Tenants + Roles + Memberships + ?Sized> Directory for T {}

/// An adapter's units, a clock and a random source.
pub(crate) struct Scene<'u, U> {
    pub(crate) units: &'u U,
    pub(crate) context: Context,
    pub(crate) clock: TestClock,
    made: AtomicU64,
    /// Distinguishes the names that several scenes create in one store.
    mark: String,
}

/// A tenant with its default roles and an owner.
pub(crate) struct SampleTenant {
    pub(crate) tenant: Tenant,
    pub(crate) owner: Person,
}

impl SampleTenant {
    pub(crate) fn id(&self) -> TenantId {
        self.tenant.id
    }

    /// Returns the scope of a request of the owner.
    pub(crate) fn scope(&self) -> TestScope {
        self.scope_of(self.owner.id)
    }

    /// Returns the scope of a request of this user in the tenant.
    pub(crate) fn scope_of(&self, person: UserId) -> TestScope {
        TestScope::Tenant { tenant: self.tenant.id, person }
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(crate) fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

impl<'u, U: Units> Scene<'u, U> {
    pub(crate) fn new(units: &'u U) -> Self {
        let (context, clock) = test_context();
        let mark = context.random::<6>().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { units, context, clock, made: AtomicU64::new(0), mark }
    }

    /// Runs `work` in a unit of this scope and commits it.
    pub(crate) async fn change<T>(&self, scope: TestScope, work: impl AsyncFnOnce(&mut U::Unit) -> T) -> T {
        let mut unit = self.units.begin(scope).await;
        let done = work(&mut unit).await;
        U::commit(unit).await.unwrap();
        done
    }

    /// Runs `work` in a unit of this scope; commits the unit on success and drops it on failure, as the application
    /// does.
    pub(crate) async fn attempt<T, E>(
        &self,
        scope: TestScope,
        work: impl AsyncFnOnce(&mut U::Unit) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut unit = self.units.begin(scope).await;
        let done = work(&mut unit).await?;
        U::commit(unit).await.unwrap();
        Ok(done)
    }

    /// Runs `work` in a System unit and commits it.
    pub(crate) async fn system<T>(&self, work: impl AsyncFnOnce(&mut U::Unit) -> T) -> T {
        self.change(TestScope::System, work).await
    }

    /// Reads in a unit of this scope.
    pub(crate) async fn look_as<T>(&self, scope: TestScope, work: impl AsyncFnOnce(&mut U::Unit) -> T) -> T {
        work(&mut self.units.read(scope).await).await
    }

    /// Reads in a System unit.
    pub(crate) async fn look<T>(&self, work: impl AsyncFnOnce(&mut U::Unit) -> T) -> T {
        self.look_as(TestScope::System, work).await
    }

    fn next(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns an email address that no user has.
    pub(crate) fn new_email(&self, local: &str) -> EmailAddress {
        email(&format!("{local}@n{}.{}.example", self.next(), self.mark))
    }

    /// Returns a slug that no tenant has.
    pub(crate) fn new_slug(&self) -> Slug {
        Slug::parse(&format!("tenant-{}-{}", self.mark, self.next())).unwrap()
    }

    pub(crate) fn new_person(&self, called: &str) -> Person {
        Person {
            id: UserId::new(&self.context),
            email: self.new_email("somebody"),
            email_verified_at: None,
            name: name(called),
            status: PersonStatus::Enabled,
            version: 1,
            created_at: self.context.now(),
        }
    }

    pub(crate) fn new_tenant(&self) -> Tenant {
        Tenant {
            id: TenantId::new(&self.context),
            name: name("Acme, Inc."),
            slug: self.new_slug(),
            plan: Plan::first(),
            status: TenantStatus::Active,
            version: 1,
            created_at: self.context.now(),
        }
    }

    pub(crate) fn new_role(&self, tenant: TenantId, called: &str, permissions: PermissionSet) -> Role {
        Role {
            id: RoleId::new(&self.context),
            tenant,
            name: role_name(called),
            description: Description::default(),
            permissions,
            undeclared: PermissionSet::EMPTY,
            system: None,
            version: 1,
            created_at: self.context.now(),
            updated_at: self.context.now(),
        }
    }

    pub(crate) fn new_membership(&self, tenant: TenantId, user: UserId) -> Membership {
        Membership::new(tenant, user, self.context.now())
    }

    /// Creates a session of a new sign-in, valid for a day.
    pub(crate) fn new_session(&self, user: UserId, tenant: Option<TenantId>) -> Session {
        let now = self.context.now();
        Session {
            id: SessionId::new(&self.context),
            sign_in: SignInId::new(&self.context),
            user,
            tenant,
            key_id: "k1".to_owned(),
            rotation: 0,
            seen_rotation: 0,
            created_at: now,
            rotated_at: now,
            last_used_at: now.to_minute(),
            expires_at: now.plus(std::time::Duration::from_secs(86_400)),
            ended: None,
            user_agent: None,
            ip: None,
        }
    }

    /// Returns the user as an actor in a tenant, or in none.
    pub(crate) fn actor(&self, person: &Person, tenant: Option<TenantId>) -> Actor {
        let origin = Origin { trace: RequestId::new(&self.context).into(), ip: None, user_agent: None };
        Actor::anonymous(origin).known_as(person.id, person.name.as_str()).within(tenant)
    }

    /// Returns the user as an actor through one of the user's sessions.
    pub(crate) fn session_actor(&self, person: &Person, session: &Session) -> Actor {
        let name = Some(person.name.to_string());
        let kind = ActorKind::Session { session: session.id, user: person.id, name };
        Actor { kind, ..self.actor(person, session.tenant) }
    }

    pub(crate) fn later(&self, millis: u64) -> Timestamp {
        self.clock.advance(std::time::Duration::from_millis(millis));
        self.context.now()
    }
}

impl<U: Units<Unit: Directory>> Scene<'_, U> {
    /// Creates a user in no tenant.
    pub(crate) async fn person(&self) -> Person {
        let person = self.new_person("Ada Lovelace");
        self.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
        person
    }

    /// Creates a tenant with its default roles and an owner.
    pub(crate) async fn tenant(&self) -> SampleTenant {
        let owner = self.person().await;
        let tenant = self.new_tenant();
        let owner_role = self
            .system(async |unit| {
                unit.insert_tenant(&tenant).await.unwrap();
                insert_default_roles(unit, &self.context, tenant.id).await.unwrap()
            })
            .await;
        let tenant = SampleTenant { tenant, owner };
        self.join(&tenant, &tenant.owner, &[owner_role.id]).await;
        tenant
    }

    /// Creates a user with a membership in the tenant and the default role of a member.
    pub(crate) async fn member(&self, tenant: &SampleTenant) -> Person {
        let person = self.person().await;
        let role = self.default_role(tenant, DefaultRole::Member).await;
        self.join(tenant, &person, &[role.id]).await;
        person
    }

    /// Adds a user to the tenant.
    pub(crate) async fn join(&self, tenant: &SampleTenant, person: &Person, roles: &[RoleId]) -> Membership {
        let membership = self.new_membership(tenant.id(), person.id);
        self.system(async |unit| {
            unit.insert_membership(&membership, &person.member_keys()).await.unwrap();
            unit.replace_roles(tenant.id(), person.id, roles).await.unwrap();
        })
        .await;
        membership
    }

    pub(crate) async fn default_role(&self, tenant: &SampleTenant, role: DefaultRole) -> Role {
        self.look(async |unit| unit.default_role(tenant.id(), role).await.unwrap()).await.unwrap()
    }

    /// Returns the permissions of a default role in the vocabulary of the units.
    pub(crate) async fn default_permissions(&self, role: DefaultRole) -> PermissionSet {
        self.look(async |unit| unit.vocabulary().default_permissions(role).clone()).await
    }

    /// Creates a custom role of the tenant.
    pub(crate) async fn role(&self, tenant: &SampleTenant, called: &str, permissions: PermissionSet) -> Role {
        let role = self.new_role(tenant.id(), called, permissions);
        self.system(async |unit| unit.insert_role(&role).await.unwrap()).await;
        role
    }
}
