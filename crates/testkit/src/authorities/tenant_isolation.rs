//! Tests that a unit of one tenant learns nothing of authority in another.

use tenantry_kernel::{Authorities, PermissionSet, SessionId};
use tenantry_tenancy::vocabulary::{INVITATIONS_READ, USERS_READ};

use super::{AuthorityPorts, authority, role_names, signed_in};

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

pub(super) async fn te1_authority_in_one_tenant_is_none_in_another(
    scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.person().await;
    let reads = PermissionSet::of(&[INVITATIONS_READ]);
    let auditor = scene.role(&acme, "Auditor", reads.clone()).await;
    let clerk = scene.role(&globex, "Clerk", PermissionSet::of(&[USERS_READ])).await;
    scene.join(&acme, &person, &[auditor.id]).await;
    scene.join(&globex, &person, &[clerk.id]).await;
    let session = signed_in(scene, &person, Some(&acme)).await;
    let found = authority(scene, session.id).await.unwrap();
    assert_eq!(role_names(&found), ["Auditor"]);
    assert_eq!(found.tenant.unwrap().permissions, reads);
    // A session in a tenant of which its user was never a member.
    let stray = signed_in(scene, &acme.owner, Some(&globex)).await;
    assert!(authority(scene, stray.id).await.is_none());
}

pub(super) async fn te1_a_scope_sees_its_own_authorities(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.member(&acme).await;
    scene.join(&globex, &person, &[]).await;
    let a = signed_in(scene, &person, Some(&acme)).await.id;
    let g = signed_in(scene, &person, Some(&globex)).await.id;
    let n = signed_in(scene, &person, None).await.id;
    let o = signed_in(scene, &globex.owner, Some(&globex)).await.id;
    let table: [(TestScope, &[SessionId]); 6] = [
        (acme.scope(), &[a]),
        (globex.scope(), &[g, o]),
        (acme.scope_of(person.id), &[a, n]),
        (TestScope::Person(person.id), &[a, g, n]),
        (TestScope::Person(acme.owner.id), &[]),
        (TestScope::System, &[a, g, n, o]),
    ];
    let now = scene.context.now();
    for (scope, visible) in table {
        for session in [a, g, n, o] {
            let found = scene.look_as(scope, async |unit| unit.authority_of(session, now).await.unwrap()).await;
            let found = found.map(|found| found.session().unwrap().session);
            assert_eq!(found, visible.contains(&session).then_some(session), "{scope:?}");
        }
    }
}

/// If a policy silently skipped the lock, two changes of authority could run at once.
pub(super) async fn te1_another_tenant_is_not_locked(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for scope in [acme.scope(), TestScope::Person(globex.owner.id)] {
        must_be!(
            scene.attempt(scope, async |unit| unit.lock_tenant(globex.id()).await).await,
            Err(tenantry_kernel::StoreError::Misuse(_))
        );
    }
}
