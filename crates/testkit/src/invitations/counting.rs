//! Tests of how many invitations give a role: those that may be accepted now.

use std::time::Duration;
use tenantry_kernel::{RoleId, Timestamp};
use tenantry_tenancy::{Invitation, InvitationState, Invitations};

use super::{keep, new_invitation, three_roles};
use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
};

/// Returns the counts that both scopes report.
async fn count(
    scene: &Scene<'_, impl Units<Unit: Invitations>>,
    tenant: &SampleTenant,
    role: RoleId,
    now: Timestamp,
) -> u64 {
    let mut answers = Vec::new();
    for scope in [TestScope::System, tenant.scope()] {
        let read = async |unit: &mut _| Invitations::count_invitations_with(unit, role, now).await.unwrap();
        answers.push(scene.look_as(scope, read).await);
    }
    assert_eq!(answers[0], answers[1], "both scopes say the same");
    answers[0]
}

pub(super) async fn open_invitations_are_counted_until_their_time_is_over(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let acme = scene.tenant().await;
    let [one, two, three] = three_roles(scene, &acme).await;
    let now = scene.context.now();
    let ends = now.plus(Duration::from_secs(60));
    let both = Invitation { roles: vec![one, two], ..new_invitation(scene, &acme) };
    let short = Invitation { roles: vec![one], expires_at: ends, ..new_invitation(scene, &acme) };
    let [accepted, revoked] = [InvitationState::Accepted, InvitationState::Revoked].map(|state| Invitation {
        roles: vec![one, three],
        state,
        ..new_invitation(scene, &acme)
    });
    let none = new_invitation(scene, &acme);
    keep(scene, &[&both, &short, &accepted, &revoked, &none]).await;

    for (role, moment, expected) in [
        (one, now, 2),
        (two, now, 1),
        (three, now, 0),
        (one, ends.minus(MILLISECOND), 2),
        (one, ends, 1),
        (one, both.expires_at.minus(MILLISECOND), 1),
        (one, both.expires_at, 0),
        (two, both.expires_at, 0),
        (RoleId::new(&scene.context), now, 0),
    ] {
        assert_eq!(count(scene, &acme, role, moment).await, expected, "{role} at {moment}");
    }
    // The domain gives the same result for each.
    for invitation in [&both, &short, &accepted, &revoked] {
        let is_counted = [&both.id, &short.id].contains(&&invitation.id);
        assert_eq!(invitation.is_open(now), is_counted);
    }

    let revoked = Invitation { state: InvitationState::Revoked, ..both.clone() };
    let renewed = Invitation { roles: vec![three], expires_at: ends.plus(MILLISECOND), ..short.clone() };
    scene
        .change(acme.scope(), async |unit| {
            unit.update_invitation(&revoked).await.unwrap();
            unit.update_invitation(&renewed).await.unwrap();
        })
        .await;
    for (role, expected) in [(one, 0), (two, 0), (three, 1)] {
        assert_eq!(count(scene, &acme, role, ends).await, expected);
    }
}

pub(super) async fn te1_another_tenants_invitations_are_not_counted(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let [role, ..] = three_roles(scene, &globex).await;
    let theirs = Invitation { roles: vec![role], ..new_invitation(scene, &globex) };
    keep(scene, &[&theirs]).await;
    let now = scene.context.now();
    assert_eq!(count(scene, &globex, role, now).await, 1);
    let counted = scene.look_as(acme.scope(), async |unit| unit.count_invitations_with(role, now).await.unwrap()).await;
    assert_eq!(counted, 0);
}
