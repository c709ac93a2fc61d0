//! Tests that a unit of one tenant neither sees nor changes the members of another.

use tenantry_kernel::{DefaultRole, Direction, PageRequest, PermissionSet, StoreError};
use tenantry_tenancy::{MemberFilter, MemberKey, MemberOrder, Membership, MembershipStatus, Memberships};

use super::{keys, stored};
use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

pub(super) async fn te1_another_tenants_members_are_invisible(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let theirs = globex.owner.clone();
    let owner_role = scene.default_role(&globex, DefaultRole::Owner).await;
    scene
        .look_as(acme.scope(), async |unit| {
            assert_eq!(unit.membership_of(theirs.id).await.unwrap(), None);
            assert!(unit.roles_of(&[theirs.id]).await.unwrap().is_empty());
            assert_eq!(unit.active_owners(globex.id()).await.unwrap(), []);
            assert!(!unit.is_member_address(globex.id(), &theirs.email).await.unwrap());
            assert!(!unit.is_member_address(acme.id(), &theirs.email).await.unwrap());
            must_be!(unit.membership_in(globex.id(), theirs.id).await, Err(StoreError::Misuse(_)));
            must_be!(unit.membership_in(acme.id(), acme.owner.id).await, Err(StoreError::Misuse(_)));
            must_be!(unit.lock_membership(globex.id(), theirs.id).await, Err(StoreError::Misuse(_)));
            must_be!(unit.lock_membership(acme.id(), acme.owner.id).await, Err(StoreError::Misuse(_)));

            let by_role = MemberFilter { role: Some(owner_role.id), ..MemberFilter::default() };
            let by_name = MemberFilter { prefix: Some(theirs.member_keys().email), ..MemberFilter::default() };
            let start = MemberKey::Name(String::new(), theirs.id);
            for (filter, after) in [(&by_role, None), (&by_name, None), (&MemberFilter::default(), Some(start))] {
                let request = PageRequest { limit: 100, after, direction: Direction::Ascending };
                let page = unit.page_memberships(filter, MemberOrder::Name, request).await.unwrap();
                assert!(page.items.iter().all(|(member, _)| member.tenant == acme.id()), "{filter:?}");
                assert!(page.items.iter().all(|(member, _)| member.user != theirs.id), "{filter:?}");
            }
        })
        .await;
}

pub(super) async fn te1_another_tenants_members_are_untouched(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let stranger = scene.person().await;
    let clerk = scene.role(&globex, "Clerk", PermissionSet::EMPTY).await;
    let agent = scene.person().await;
    let before = scene.join(&globex, &agent, &[clerk.id]).await;
    let out = Membership { status: MembershipStatus::Deactivated, ..before.clone() };
    let smuggled = scene.new_membership(globex.id(), stranger.id);

    for scope in [acme.scope(), acme.scope_of(agent.id), TestScope::Person(agent.id)] {
        assert!(scene.attempt(scope, async |unit| unit.update_membership(&out).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.delete_membership(agent.id).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.replace_roles(globex.id(), agent.id, &[]).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.insert_membership(&smuggled, &keys()).await).await.is_err());
        assert_eq!(stored(scene, globex.id(), agent.id).await.as_ref(), Some(&before), "{scope:?}");
        assert_eq!(stored(scene, globex.id(), stranger.id).await, None, "{scope:?}");
        let held = scene.look_as(globex.scope(), async |unit| unit.roles_of(&[agent.id]).await.unwrap()).await;
        assert_eq!(held.iter().map(|assignment| assignment.role.id).collect::<Vec<_>>(), [clerk.id], "{scope:?}");
    }
}

pub(super) async fn te1_a_member_cannot_hold_another_tenants_role(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let member = scene.member(&acme).await;
    let theirs = scene.role(&globex, "Spy", every_permission()).await;
    for scope in [acme.scope(), TestScope::System] {
        assert!(
            scene
                .attempt(scope, async |unit| unit.replace_roles(acme.id(), member.id, &[theirs.id]).await)
                .await
                .is_err()
        );
        let held = scene.look_as(acme.scope(), async |unit| unit.roles_of(&[member.id]).await.unwrap()).await;
        let held: Vec<_> = held.iter().map(|assignment| assignment.role.system).collect();
        assert_eq!(held, [Some(DefaultRole::Member)], "{scope:?}");
    }
}

pub(super) async fn te1_only_the_person_is_told_their_tenants(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    scene.join(&acme, &globex.owner, &[]).await;
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.tenants_of(globex.owner.id).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}

/// A unit in a tenant cannot list the user's memberships in all tenants, not even for that user: it would see a part
/// and present it as the whole.
pub(super) async fn te1_only_the_person_is_told_what_they_hold_everywhere(
    scene: &Scene<'_, impl Units<Unit: Directory>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    scene.join(&acme, &globex.owner, &[]).await;
    for (scope, user) in [
        (acme.scope(), globex.owner.id),
        (acme.scope_of(globex.owner.id), globex.owner.id),
        (acme.scope(), acme.owner.id),
        (TestScope::Person(acme.owner.id), globex.owner.id),
    ] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.roles_held_by(user).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}

pub(super) async fn te1_a_person_is_told_nothing_of_others_by_address(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let (member, stranger) = (scene.member(&acme).await, scene.person().await);
    for scope in [TestScope::Person(stranger.id), TestScope::Person(acme.owner.id)] {
        scene
            .look_as(scope, async |unit| {
                assert!(!matches!(unit.is_member_address(acme.id(), &member.email).await, Ok(true)), "{scope:?}");
                must_be!(unit.membership_in(acme.id(), member.id).await, Err(StoreError::Misuse(_)));
                must_be!(unit.membership_in(acme.id(), acme.owner.id).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}
