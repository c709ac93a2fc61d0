//! Which roles a member holds.

use tenantry_kernel::{PermissionSet, RoleId, UserId};
use tenantry_tenancy::{Membership, Memberships, Role};

use super::stored;
use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
};

pub(super) async fn contract(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    a_member_holds_exactly_the_roles_that_were_given(scene).await;
    roles_are_held_in_one_tenant(scene).await;
    roles_of_many_members_are_told_apart(scene).await;
    giving_roles_leaves_the_membership_alone(scene).await;
}

/// What the tenant's unit says that these people hold.
async fn held(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
    tenant: &SampleTenant,
    users: &[UserId],
) -> Vec<(UserId, Role)> {
    let holdings = scene.look_as(tenant.scope(), async |unit| unit.roles_of(users).await.unwrap()).await;
    let mut held: Vec<(UserId, Role)> = holdings.into_iter().map(|holding| (holding.user, holding.role)).collect();
    held.sort_by_key(|(user, role)| (*user, role.id));
    held
}

fn sorted(mut expected: Vec<(UserId, Role)>) -> Vec<(UserId, Role)> {
    expected.sort_by_key(|(user, role)| (*user, role.id));
    expected
}

async fn a_member_holds_exactly_the_roles_that_were_given(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let person = scene.person().await;
    scene.join(&acme, &person, &[]).await;
    let roles = [
        scene.role(&acme, "Clerk", PermissionSet::EMPTY).await,
        scene.role(&acme, "Auditor", PermissionSet::ALL).await,
        scene.role(&acme, "Porter", PermissionSet::EMPTY).await,
    ];
    let [clerk, auditor, porter] = &roles;
    for given in [&[clerk, auditor][..], &[auditor, porter], &[porter], &[], &[clerk, auditor, porter]] {
        let ids: Vec<RoleId> = given.iter().map(|role| role.id).collect();
        scene.change(acme.scope(), async |unit| unit.replace_roles(acme.id(), person.id, &ids).await.unwrap()).await;
        let expected = given.iter().map(|role| (person.id, (*role).clone())).collect();
        assert_eq!(held(scene, &acme, &[person.id]).await, sorted(expected));
    }
}

async fn roles_are_held_in_one_tenant(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.person().await;
    let clerk = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    let spy = scene.role(&globex, "Spy", PermissionSet::EMPTY).await;
    scene.join(&acme, &person, &[clerk.id]).await;
    scene.join(&globex, &person, &[spy.id]).await;
    assert_eq!(held(scene, &acme, &[person.id]).await, [(person.id, clerk)]);
    assert_eq!(held(scene, &globex, &[person.id]).await, [(person.id, spy.clone())]);
    scene.system(async |unit| unit.replace_roles(acme.id(), person.id, &[]).await.unwrap()).await;
    assert_eq!(held(scene, &acme, &[person.id]).await, []);
    assert_eq!(held(scene, &globex, &[person.id]).await, [(person.id, spy)]);
}

async fn roles_of_many_members_are_told_apart(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let clerk = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    let auditor = scene.role(&acme, "Auditor", PermissionSet::EMPTY).await;
    let (one, two, none) = (scene.person().await, scene.person().await, scene.person().await);
    scene.join(&acme, &one, &[clerk.id]).await;
    scene.join(&acme, &two, &[auditor.id, clerk.id]).await;
    scene.join(&acme, &none, &[]).await;
    let expected = vec![(one.id, clerk.clone()), (two.id, clerk.clone()), (two.id, auditor)];
    let stranger = UserId::new(&scene.world);
    assert_eq!(held(scene, &acme, &[two.id, none.id, stranger, one.id]).await, sorted(expected));
    assert_eq!(held(scene, &acme, &[one.id]).await, [(one.id, clerk)]);
    assert_eq!(held(scene, &acme, &[]).await, []);
}

async fn giving_roles_leaves_the_membership_alone(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let person = scene.person().await;
    let clerk = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    let membership: Membership = scene.join(&acme, &person, &[]).await;
    scene
        .change(TestScope::System, async |unit| {
            unit.replace_roles(acme.id(), person.id, &[clerk.id]).await.unwrap();
        })
        .await;
    assert_eq!(stored(scene, acme.id(), person.id).await, Some(membership));
}
