//! Tests that a unit of one tenant neither sees nor changes the roles of another.

use tenantry_kernel::{DefaultRole, Direction, PageRequest, PermissionSet};
use tenantry_tenancy::{Memberships, Role, Roles};

use super::{some, stored};
use crate::{
    scene::{Directory, Scene, role_name},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

pub(super) async fn te1_another_tenants_roles_are_invisible(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let own = scene.role(&acme, "Clerk", some()).await;
    let theirs = scene.role(&globex, "Spy", some()).await;
    let agent = scene.person().await;
    scene.join(&globex, &agent, &[theirs.id]).await;
    scene
        .look_as(acme.scope(), async |unit| {
            assert_eq!(unit.role_by_id(theirs.id).await.unwrap(), None);
            let visible = unit.roles_by_ids(&[theirs.id, own.id]).await.unwrap();
            assert_eq!(visible, std::slice::from_ref(&own));
            assert_eq!(unit.role_by_name(globex.id(), &theirs.name).await.unwrap(), None);
            assert_eq!(unit.role_by_name(acme.id(), &theirs.name).await.unwrap(), None);
            for kind in DefaultRole::ALL {
                assert_eq!(unit.default_role(globex.id(), kind).await.unwrap(), None);
            }
            assert!(unit.count_holders(&[theirs.id]).await.unwrap().iter().all(|(_, holders)| *holders == 0));
            // Also when the page starts at a role of the other tenant.
            for after in [None, Some(theirs.id)] {
                for direction in [Direction::Ascending, Direction::Descending] {
                    let page = unit.page_roles(PageRequest { limit: 100, after, direction }).await.unwrap();
                    assert!(page.items.iter().all(|role| role.tenant == acme.id()), "{direction:?} {after:?}");
                }
            }
        })
        .await;
}

pub(super) async fn te1_another_tenants_roles_are_untouched(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let theirs = scene.role(&globex, "Clerk", some()).await;
    let raised = Role { permissions: every_permission(), ..theirs.clone() };
    let smuggled = scene.new_role(globex.id(), "Smuggled", some());
    for scope in [acme.scope(), acme.scope_of(globex.owner.id), TestScope::Person(globex.owner.id)] {
        assert!(scene.attempt(scope, async |unit| unit.update_role(&raised).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.delete_role(theirs.id).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.insert_role(&smuggled).await).await.is_err());
        assert_eq!(stored(scene, theirs.id).await.as_ref(), Some(&theirs), "{scope:?}");
        assert_eq!(stored(scene, smuggled.id).await, None, "{scope:?}");
    }
    // The other tenant's role under the own tenant's id, and the own role under the other's.
    let own = scene.role(&acme, "Own", some()).await;
    let adopted = Role { tenant: acme.id(), ..raised.clone() };
    assert!(scene.attempt(acme.scope(), async |unit| unit.update_role(&adopted).await).await.is_err());
    let exported = Role { tenant: globex.id(), ..own.clone() };
    assert!(scene.attempt(acme.scope(), async |unit| unit.update_role(&exported).await).await.is_err());
    assert_eq!(stored(scene, theirs.id).await, Some(theirs));
    assert_eq!(stored(scene, own.id).await, Some(own));
}

pub(super) async fn te1_outside_any_tenant_there_are_no_roles(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let role = scene.role(&acme, "Clerk", some()).await;
    let stranger = scene.person().await;
    scene
        .look_as(TestScope::Person(stranger.id), async |unit| {
            assert!(!matches!(unit.role_by_id(role.id).await, Ok(Some(_))));
            assert!(!matches!(unit.roles_by_ids(&[role.id]).await, Ok(found) if !found.is_empty()));
            assert!(!matches!(unit.default_role(acme.id(), DefaultRole::Owner).await, Ok(Some(_))));
            let page = PageRequest { limit: 100, after: None, direction: Direction::Ascending };
            assert!(!matches!(unit.page_roles(page).await, Ok(page) if !page.items.is_empty()));
        })
        .await;
}

pub(super) async fn te5_two_tenants_may_use_one_name(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let own = scene.role(&acme, "Clerk", some()).await;
    let theirs = scene.role(&globex, "CLERK", PermissionSet::EMPTY).await;
    for (tenant, role) in [(&acme, &own), (&globex, &theirs)] {
        let found = scene.look(async |unit| unit.role_by_name(tenant.id(), &role_name("clerk")).await.unwrap()).await;
        assert_eq!(found.as_ref(), Some(role));
    }
    // Deleting one role leaves the other, and the members who have it.
    let agent = scene.person().await;
    scene.join(&globex, &agent, &[theirs.id]).await;
    scene.change(acme.scope(), async |unit| unit.delete_role(own.id).await.unwrap()).await;
    let held = scene.look_as(globex.scope(), async |unit| unit.roles_of(&[agent.id]).await.unwrap()).await;
    assert_eq!(held.iter().map(|assignment| assignment.role.id).collect::<Vec<_>>(), [theirs.id]);
}
