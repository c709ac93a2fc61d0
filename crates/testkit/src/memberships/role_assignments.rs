//! Tests of the roles that a member has.

use tenantry_kernel::{DefaultRole, PermissionSet, RoleId, UserId};
use tenantry_tenancy::{Membership, MembershipStatus, Memberships, Role};

use super::stored;
use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

/// Returns the roles of these users as the tenant's unit reports them.
async fn held(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
    tenant: &SampleTenant,
    users: &[UserId],
) -> Vec<(UserId, Role)> {
    let assignments = scene.look_as(tenant.scope(), async |unit| unit.roles_of(users).await.unwrap()).await;
    let mut held: Vec<(UserId, Role)> =
        assignments.into_iter().map(|assignment| (assignment.user, assignment.role)).collect();
    held.sort_by_key(|(user, role)| (*user, role.id));
    held
}

fn sorted(mut expected: Vec<(UserId, Role)>) -> Vec<(UserId, Role)> {
    expected.sort_by_key(|(user, role)| (*user, role.id));
    expected
}

pub(super) async fn a_member_has_exactly_the_assigned_roles(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let person = scene.person().await;
    scene.join(&acme, &person, &[]).await;
    let roles = [
        scene.role(&acme, "Clerk", PermissionSet::EMPTY).await,
        scene.role(&acme, "Auditor", every_permission()).await,
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

pub(super) async fn roles_are_held_in_one_tenant(scene: &Scene<'_, impl Units<Unit: Directory>>) {
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

pub(super) async fn roles_of_many_members_are_told_apart(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let clerk = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    let auditor = scene.role(&acme, "Auditor", PermissionSet::EMPTY).await;
    let (one, two, none) = (scene.person().await, scene.person().await, scene.person().await);
    scene.join(&acme, &one, &[clerk.id]).await;
    scene.join(&acme, &two, &[auditor.id, clerk.id]).await;
    scene.join(&acme, &none, &[]).await;
    let expected = vec![(one.id, clerk.clone()), (two.id, clerk.clone()), (two.id, auditor)];
    let stranger = UserId::new(&scene.context);
    assert_eq!(held(scene, &acme, &[two.id, none.id, stranger, one.id]).await, sorted(expected));
    assert_eq!(held(scene, &acme, &[one.id]).await, [(one.id, clerk)]);
    assert_eq!(held(scene, &acme, &[]).await, []);
}

pub(super) async fn giving_roles_leaves_the_membership_alone(scene: &Scene<'_, impl Units<Unit: Directory>>) {
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

pub(super) async fn every_role_of_a_person_comes_in_order_of_the_names(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let left_out = scene.tenant().await;
    let person = scene.person().await;
    let nothing = scene.look(async |unit| unit.roles_held_by(person.id).await.unwrap()).await;
    assert_eq!(nothing, [], "of a user without a tenant");
    let mut expected = vec![scene.default_role(&acme, DefaultRole::Member).await];
    for called in ["zebra", "Ärzte", "CLERK"] {
        expected.push(scene.role(&acme, called, every_permission()).await);
    }
    let in_acme: Vec<RoleId> = expected.iter().map(|role| role.id).collect();
    for called in ["Auditor", "beta 2", "Beta"] {
        expected.push(scene.role(&globex, called, PermissionSet::EMPTY).await);
    }
    let in_globex: Vec<RoleId> = expected[in_acme.len()..].iter().map(|role| role.id).collect();
    scene.role(&acme, "Held By Nobody", every_permission()).await;
    let elsewhere = scene.role(&left_out, "Elsewhere", every_permission()).await;
    scene.join(&left_out, &scene.person().await, &[elsewhere.id]).await;
    let membership = scene.join(&acme, &person, &in_acme).await;
    scene.join(&globex, &person, &in_globex).await;
    expected.sort_by_key(|role| role.name.key());

    // The port returns the roles for every status of the membership; the caller decides what the status means.
    for status in [MembershipStatus::Active, MembershipStatus::Deactivated] {
        let changed = Membership { status, ..membership.clone() };
        scene.system(async |unit| unit.update_membership(&changed).await.unwrap()).await;
        for scope in [TestScope::System, TestScope::Person(person.id)] {
            let found = scene.look_as(scope, async |unit| unit.roles_held_by(person.id).await.unwrap()).await;
            assert_eq!(found, expected, "{scope:?}");
        }
    }
    scene.change(acme.scope(), async |unit| unit.delete_membership(person.id).await.unwrap()).await;
    expected.retain(|role| role.tenant == globex.id());
    let found = scene.look(async |unit| unit.roles_held_by(person.id).await.unwrap()).await;
    assert_eq!(found, expected);
}
