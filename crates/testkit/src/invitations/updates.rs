//! Tests of which fields an update writes, and which it keeps.

use tenantry_kernel::PermissionSet;
use tenantry_tenancy::{Invitation, InvitationState, Invitations, Roles};

use super::{STATES, keep, new_invitation, stored, three_roles};
use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

pub(super) async fn an_update_writes_what_may_change(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let [one, two, _] = three_roles(scene, &acme).await;
    let before = Invitation { roles: vec![one], ..new_invitation(scene, &acme) };
    let other = Invitation { roles: vec![one], ..new_invitation(scene, &acme) };
    keep(scene, &[&before, &other]).await;
    for scope in [acme.scope(), TestScope::System] {
        for state in STATES {
            for token_hash in [None, Some(scene.context.random())] {
                let expected = Invitation {
                    roles: vec![two],
                    state,
                    invited_by: if token_hash.is_some() { member.id } else { acme.owner.id },
                    token_hash,
                    expires_at: scene.later(86_400_999),
                    ..before.clone()
                };
                scene.change(scope, async |unit| unit.update_invitation(&expected).await.unwrap()).await;
                assert_eq!(stored(scene, before.id).await, Some(expected), "{scope:?}");
            }
        }
    }
    assert_eq!(stored(scene, other.id).await, Some(other), "another invitation stays");
}

pub(super) async fn an_invitation_gives_exactly_the_roles_of_the_last_update(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let acme = scene.tenant().await;
    let [one, two, three] = three_roles(scene, &acme).await;
    let mut invitation = Invitation { roles: vec![one, two], ..new_invitation(scene, &acme) };
    let other = Invitation { roles: vec![one, two, three], ..new_invitation(scene, &acme) };
    keep(scene, &[&invitation, &other]).await;
    for roles in [vec![two, three], vec![two, three], vec![three], vec![], vec![one, two, three]] {
        invitation.roles = roles;
        scene.change(acme.scope(), async |unit| unit.update_invitation(&invitation).await.unwrap()).await;
        assert_eq!(stored(scene, invitation.id).await.as_ref(), Some(&invitation));
        assert_eq!(stored(scene, other.id).await.as_ref(), Some(&other), "another invitation stays");
    }
}

pub(super) async fn re2_a_renewed_invitation_is_found_by_its_newer_token_only(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let acme = scene.tenant().await;
    let older = new_invitation(scene, &acme);
    keep(scene, &[&older]).await;
    let newer = Invitation { token_hash: Some(scene.context.random()), ..older.clone() };
    let accepted = Invitation { token_hash: None, state: InvitationState::Accepted, ..older.clone() };
    let tokens = [older.token_hash.unwrap(), newer.token_hash.unwrap()];
    for (change, expected) in [(&newer, [None, Some(newer.clone())]), (&accepted, [None, None])] {
        scene.change(acme.scope(), async |unit| unit.update_invitation(change).await.unwrap()).await;
        for (token, expected) in tokens.iter().zip(expected) {
            let found = scene.look(async |unit| unit.invitation_by_token(token).await.unwrap()).await;
            assert_eq!(found, expected);
        }
    }
}

pub(super) async fn address_and_time_of_making_stay(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let invitation = new_invitation(scene, &acme);
    keep(scene, &[&invitation]).await;
    let moved = Invitation { email: scene.new_email("mallory"), created_at: scene.later(60_000), ..invitation.clone() };
    scene.change(acme.scope(), async |unit| unit.update_invitation(&moved).await.unwrap()).await;
    assert_eq!(stored(scene, invitation.id).await, Some(invitation));
}

/// The domain keeps a role while an acceptable invitation gives it; other invitations must not block the deletion for
/// ever.
pub(super) async fn a_role_may_be_deleted_from_under_an_invitation(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let acme = scene.tenant().await;
    let [kept, ..] = three_roles(scene, &acme).await;
    for state in STATES {
        let role = scene.role(&acme, "Porter", PermissionSet::EMPTY).await;
        let invitation = Invitation { state, roles: vec![kept, role.id], ..new_invitation(scene, &acme) };
        keep(scene, &[&invitation]).await;
        scene.change(acme.scope(), async |unit| unit.delete_role(role.id).await.unwrap()).await;
        assert_eq!(stored(scene, invitation.id).await, Some(Invitation { roles: vec![kept], ..invitation }));
    }
}

/// A change that matches no row must not be reported as done.
pub(super) async fn what_is_not_there_cannot_be_updated(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let absent = new_invitation(scene, &acme);
    let theirs = new_invitation(scene, &globex);
    keep(scene, &[&theirs]).await;
    let adopted = Invitation { tenant: acme.id(), invited_by: acme.owner.id, ..theirs.clone() };
    for scope in [acme.scope(), TestScope::System] {
        for invitation in [&absent, &adopted] {
            let updated = scene.attempt(scope, async |unit| unit.update_invitation(invitation).await).await;
            assert!(updated.is_err(), "{scope:?}");
        }
    }
    assert_eq!(stored(scene, absent.id).await, None);
    assert_eq!(stored(scene, theirs.id).await, Some(theirs));
}
