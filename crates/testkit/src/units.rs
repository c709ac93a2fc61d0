//! How a suite opens the units of an adapter, and what every unit guarantees independently of its ports.

use std::future::Future;
use tenantry_kernel::{StoreError, TenantId, UserId};
use tenantry_tenancy::{TenancyError, Tenant, Tenants};

use crate::scene::{Directory, Scene, name};

/// What a unit may see and change; the adapter converts it into its own scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestScope {
    /// A request in a tenant: that tenant's rows, and those of the user.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The user who sends the request.
        person: UserId,
    },
    /// A user's own data across tenants.
    Person(UserId),
    /// All rows.
    System,
}

/// An adapter that stores data: opens units and commits them.
///
/// A unit that is dropped without a commit must leave no changes. Opening may panic, since a suite cannot continue
/// without a unit; the methods of a port must never panic.
pub trait Units: Sync {
    /// The type that implements the ports over one open transaction.
    type Unit: Send;

    /// Opens a unit for changes.
    fn begin(&self, scope: TestScope) -> impl Future<Output = Self::Unit> + Send;

    /// Opens a unit for reading. An adapter that opens these in another way overrides this method, so that the suites
    /// read as the application does.
    fn read(&self, scope: TestScope) -> impl Future<Output = Self::Unit> + Send {
        self.begin(scope)
    }

    /// Commits all changes of the unit.
    fn commit(unit: Self::Unit) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<U: Units> Units for &U {
    type Unit = U::Unit;

    fn begin(&self, scope: TestScope) -> impl Future<Output = Self::Unit> + Send {
        U::begin(self, scope)
    }

    fn read(&self, scope: TestScope) -> impl Future<Output = Self::Unit> + Send {
        U::read(self, scope)
    }

    fn commit(unit: Self::Unit) -> impl Future<Output = Result<(), StoreError>> + Send {
        U::commit(unit)
    }
}

suite! {
    units(units: impl Units<Unit: Directory>) calls (&Scene::new(&units)) {
        what_is_committed_lasts,
        dropping_a_unit_rolls_everything_back,
        a_unit_sees_its_own_changes_and_nobody_else_does_before_the_commit,
        a_refused_unit_leaves_nothing,
    }
}

async fn what_is_committed_lasts(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let tenant = scene.new_tenant();
    scene.system(async |unit| unit.insert_tenant(&tenant).await.unwrap()).await;
    assert_eq!(scene.look(async |unit| unit.tenant_by_id(tenant.id).await.unwrap()).await, Some(tenant));
}

async fn dropping_a_unit_rolls_everything_back(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let kept = scene.tenant().await.tenant;
    let added = scene.new_tenant();
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        unit.insert_tenant(&added).await.unwrap();
        unit.update_tenant(&Tenant { name: name("Forgotten"), ..kept.clone() }).await.unwrap();
    }
    scene
        .look(async |unit| {
            assert_eq!(unit.tenant_by_id(added.id).await.unwrap(), None);
            assert_eq!(unit.tenant_by_id(kept.id).await.unwrap(), Some(kept.clone()));
        })
        .await;
    scene.system(async |unit| unit.insert_tenant(&added).await.unwrap()).await;
}

async fn a_unit_sees_its_own_changes_and_nobody_else_does_before_the_commit(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
) {
    let tenant = scene.new_tenant();
    scene
        .system(async |unit| {
            unit.insert_tenant(&tenant).await.unwrap();
            assert_eq!(unit.tenant_by_id(tenant.id).await.unwrap(), Some(tenant.clone()));
            assert_eq!(scene.look(async |other| other.tenant_by_id(tenant.id).await.unwrap()).await, None);
        })
        .await;
    assert_eq!(scene.look(async |unit| unit.tenant_by_id(tenant.id).await.unwrap()).await, Some(tenant));
}

/// If a commit fails, or the adapter refuses it after a failed statement, none of the unit's changes may stay.
async fn a_refused_unit_leaves_nothing(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (first, second) = (scene.new_tenant(), scene.new_tenant());
    scene.system(async |unit| unit.insert_tenant(&first).await.unwrap()).await;
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        unit.insert_tenant(&second).await.unwrap();
        let stale = Tenant { version: first.version + 1, ..first.clone() };
        must_be!(unit.update_tenant(&stale).await, Err(TenancyError::VersionConflict));
    }
    assert_eq!(scene.look(async |unit| unit.tenant_by_id(second.id).await.unwrap()).await, None);
}
