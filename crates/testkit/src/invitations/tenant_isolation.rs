//! Tests that a unit of one tenant neither sees nor changes the invitations of another.

use tenantry_kernel::{Direction, PageRequest, PermissionSet, StoreError};
use tenantry_tenancy::{Invitation, InvitationState, Invitations};

use super::{keep, new_invitation, open_to, stored, three_roles};
use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

pub(super) async fn te1_another_tenants_invitations_are_invisible(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let own = new_invitation(scene, &acme);
    let theirs = [new_invitation(scene, &globex), new_invitation(scene, &globex)];
    keep(scene, &[&theirs[0], &own, &theirs[1]]).await;
    scene
        .look_as(acme.scope(), async |unit| {
            for invitation in &theirs {
                assert_eq!(unit.invitation_by_id(invitation.id).await.unwrap(), None);
                for tenant in [acme.id(), globex.id()] {
                    assert_eq!(unit.open_invitation_to(tenant, &invitation.email).await.unwrap(), None);
                }
            }
            // Also when the page starts at an invitation of the other tenant.
            for after in [None, Some(theirs[0].id), Some(theirs[1].id)] {
                for direction in [Direction::Ascending, Direction::Descending] {
                    let page = PageRequest { limit: 100, after, direction };
                    let page = unit.page_invitations(page).await.unwrap();
                    assert!(page.items.iter().all(|listed| listed.invitation == own), "{direction:?} {after:?}");
                    assert_eq!(page.next, None);
                }
            }
        })
        .await;
}

pub(super) async fn te1_another_tenants_invitations_are_untouched(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let [role, ..] = three_roles(scene, &globex).await;
    let theirs = Invitation { roles: vec![role], ..new_invitation(scene, &globex) };
    keep(scene, &[&theirs]).await;
    let revoked = Invitation { state: InvitationState::Revoked, roles: vec![], token_hash: None, ..theirs.clone() };
    let smuggled = new_invitation(scene, &globex);
    for scope in [acme.scope(), acme.scope_of(globex.owner.id), TestScope::Person(globex.owner.id)] {
        must_be!(
            scene.attempt(scope, async |unit| unit.update_invitation(&revoked).await).await,
            Err(StoreError::Misuse(_))
        );
        must_be!(
            scene.attempt(scope, async |unit| unit.insert_invitation(&smuggled).await).await,
            Err(StoreError::Misuse(_))
        );
        assert_eq!(stored(scene, theirs.id).await.as_ref(), Some(&theirs), "{scope:?}");
        assert_eq!(stored(scene, smuggled.id).await, None, "{scope:?}");
    }
    // The other tenant's invitation under the own tenant's id, and the own one under the other's.
    let own = new_invitation(scene, &acme);
    keep(scene, &[&own]).await;
    let adopted = Invitation { tenant: acme.id(), ..revoked };
    let exported = Invitation { tenant: globex.id(), ..own.clone() };
    for invitation in [&adopted, &exported] {
        assert!(scene.attempt(acme.scope(), async |unit| unit.update_invitation(invitation).await).await.is_err());
    }
    assert_eq!(stored(scene, theirs.id).await, Some(theirs));
    assert_eq!(stored(scene, own.id).await, Some(own));
}

pub(super) async fn te1_an_invitation_cannot_give_another_tenants_role(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let own = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    let theirs = scene.role(&globex, "Spy", every_permission()).await;
    let kept = Invitation { roles: vec![own.id], ..new_invitation(scene, &acme) };
    keep(scene, &[&kept]).await;
    let new = Invitation { roles: vec![own.id, theirs.id], ..new_invitation(scene, &acme) };
    let raised = Invitation { roles: vec![own.id, theirs.id], ..kept.clone() };
    for scope in [acme.scope(), TestScope::System] {
        assert!(scene.attempt(scope, async |unit| unit.insert_invitation(&new).await).await.is_err(), "{scope:?}");
        assert!(scene.attempt(scope, async |unit| unit.update_invitation(&raised).await).await.is_err(), "{scope:?}");
        assert_eq!(stored(scene, new.id).await, None, "{scope:?}");
        assert_eq!(stored(scene, kept.id).await.as_ref(), Some(&kept), "{scope:?}");
    }
}

pub(super) async fn te1_outside_any_tenant_there_are_no_invitations(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let acme = scene.tenant().await;
    let [role, ..] = three_roles(scene, &acme).await;
    let invitation = Invitation { roles: vec![role], ..new_invitation(scene, &acme) };
    keep(scene, &[&invitation]).await;
    let now = scene.context.now();
    scene
        .look_as(TestScope::Person(acme.owner.id), async |unit| {
            assert!(!matches!(unit.invitation_by_id(invitation.id).await, Ok(Some(_))));
            assert!(!matches!(unit.open_invitation_to(acme.id(), &invitation.email).await, Ok(Some(_))));
            assert!(!matches!(unit.count_invitations_with(role, now).await, Ok(1..)));
            let page = PageRequest { limit: 100, after: None, direction: Direction::Ascending };
            assert!(!matches!(unit.page_invitations(page).await, Ok(page) if !page.items.is_empty()));
        })
        .await;
}

pub(super) async fn te1_only_system_units_find_by_token(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let invitation = new_invitation(scene, &acme);
    keep(scene, &[&invitation]).await;
    let hash = invitation.token_hash.unwrap();
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.invitation_by_token(&hash).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}

pub(super) async fn te5_two_tenants_may_invite_one_address(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let own = new_invitation(scene, &acme);
    let theirs = Invitation { email: own.email.clone(), ..new_invitation(scene, &globex) };
    keep(scene, &[&own, &theirs]).await;
    for (tenant, invitation) in [(&acme, &own), (&globex, &theirs)] {
        assert_eq!(open_to(scene, tenant, &own.email).await.as_ref(), Some(invitation));
    }
    let over = Invitation { state: InvitationState::Accepted, ..own.clone() };
    scene.change(acme.scope(), async |unit| unit.update_invitation(&over).await.unwrap()).await;
    assert_eq!(open_to(scene, &acme, &own.email).await, None);
    assert_eq!(open_to(scene, &globex, &own.email).await, Some(theirs), "one's end is not the other's");
}
