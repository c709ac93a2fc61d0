//! The suite of [`Invitations`].

use std::time::Duration;
use tenantry_kernel::{DefaultRole, EmailAddress, PermissionSet, RoleId};
use tenantry_tenancy::{Invitation, InvitationId, InvitationState, Invitations};

use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

mod counting;
mod listing;
mod tenant_isolation;
mod updates;

suite! {
    invitations(units: impl Units<Unit: Directory + Invitations>) calls (&Scene::new(&units)) {
        an_invitation_reads_back_as_inserted,
        the_open_invitation_of_an_address_is_found,
        a_tenant_has_one_open_invitation_for_an_address,
        an_invitation_is_found_by_the_hash_of_its_token,
        a_dropped_unit_leaves_everything_as_it_was,
    }
    updates {
        an_update_writes_what_may_change,
        an_invitation_gives_exactly_the_roles_of_the_last_update,
        re2_a_renewed_invitation_is_found_by_its_newer_token_only,
        address_and_time_of_making_stay,
        a_role_may_be_deleted_from_under_an_invitation,
        what_is_not_there_cannot_be_updated,
    }
    counting {
        open_invitations_are_counted_until_their_time_is_over,
        te1_another_tenants_invitations_are_not_counted,
    }
    listing {
        all_pages_joined_are_the_whole_list,
        a_page_has_the_names_of_roles_and_inviters,
        a_system_unit_lists_every_tenants,
    }
    tenant_isolation {
        te1_another_tenants_invitations_are_invisible,
        te1_another_tenants_invitations_are_untouched,
        te1_an_invitation_cannot_give_another_tenants_role,
        te1_outside_any_tenant_there_are_no_invitations,
        te1_only_system_units_find_by_token,
        te5_two_tenants_may_invite_one_address,
    }
}

const STATES: [InvitationState; 3] = [InvitationState::Open, InvitationState::Accepted, InvitationState::Revoked];

/// Creates an open invitation of the owner, which gives no role and is valid for a day.
fn new_invitation(scene: &Scene<'_, impl Units>, tenant: &SampleTenant) -> Invitation {
    let now = scene.context.now();
    Invitation {
        id: InvitationId::new(&scene.context),
        tenant: tenant.id(),
        email: scene.new_email("grace"),
        roles: Vec::new(),
        state: InvitationState::Open,
        invited_by: tenant.owner.id,
        token_hash: Some(scene.context.random()),
        expires_at: now.plus(Duration::from_secs(86_400)),
        created_at: now,
    }
}

/// Sorts the roles, since stores return them in any order.
fn sorted(mut invitation: Invitation) -> Invitation {
    invitation.roles.sort();
    invitation
}

async fn keep(scene: &Scene<'_, impl Units<Unit: Invitations>>, invitations: &[&Invitation]) {
    scene
        .system(async |unit| {
            for invitation in invitations {
                unit.insert_invitation(invitation).await.unwrap();
            }
        })
        .await;
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Invitations>>, id: InvitationId) -> Option<Invitation> {
    scene.look(async |unit| unit.invitation_by_id(id).await.unwrap()).await.map(sorted)
}

async fn open_to(
    scene: &Scene<'_, impl Units<Unit: Invitations>>,
    tenant: &SampleTenant,
    address: &EmailAddress,
) -> Option<Invitation> {
    let mut answers = Vec::new();
    for scope in [TestScope::System, tenant.scope()] {
        let read = async |unit: &mut _| Invitations::open_invitation_to(unit, tenant.id(), address).await.unwrap();
        answers.push(scene.look_as(scope, read).await.map(sorted));
    }
    assert_eq!(answers[0], answers[1], "both scopes say the same");
    answers.remove(0)
}

async fn three_roles(scene: &Scene<'_, impl Units<Unit: Directory>>, tenant: &SampleTenant) -> [RoleId; 3] {
    let mut roles = [
        scene.default_role(tenant, DefaultRole::Viewer).await.id,
        scene.role(tenant, "Clerk", PermissionSet::EMPTY).await.id,
        scene.role(tenant, "Auditor", every_permission()).await.id,
    ];
    roles.sort();
    roles
}

async fn an_invitation_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let [one, two, three] = three_roles(scene, &acme).await;
    for (state, roles) in STATES.into_iter().zip([vec![], vec![two], vec![three, one, two]]) {
        let plain = Invitation { state, token_hash: None, ..new_invitation(scene, &acme) };
        let full = Invitation {
            email: scene.new_email("josé.o'hara+100%_x"),
            roles,
            state,
            invited_by: member.id,
            created_at: scene.later(1),
            expires_at: scene.later(998),
            ..new_invitation(scene, &acme)
        };
        for invitation in [plain, full] {
            scene.change(acme.scope(), async |unit| unit.insert_invitation(&invitation).await.unwrap()).await;
            for scope in [acme.scope(), TestScope::System] {
                let read = async |unit: &mut _| Invitations::invitation_by_id(unit, invitation.id).await.unwrap();
                let found = scene.look_as(scope, read).await.map(sorted);
                assert_eq!(found, Some(sorted(invitation.clone())), "{scope:?}");
            }
        }
    }
    assert_eq!(stored(scene, InvitationId::new(&scene.context)).await, None);
}

async fn the_open_invitation_of_an_address_is_found(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let roles = three_roles(scene, &acme).await.to_vec();
    let open = Invitation { roles, ..new_invitation(scene, &acme) };
    let past = STATES.map(|state| Invitation { state, email: open.email.clone(), ..new_invitation(scene, &acme) });
    let [_, accepted, revoked] = &past;
    keep(scene, &[accepted, revoked]).await;
    assert_eq!(open_to(scene, &acme, &open.email).await, None);
    let other = new_invitation(scene, &acme);
    keep(scene, &[&open, &other]).await;
    assert_eq!(open_to(scene, &acme, &open.email).await.as_ref(), Some(&open));
    scene.clock.set(open.expires_at.plus(Duration::from_secs(86_400)));
    assert_eq!(open_to(scene, &acme, &open.email).await.as_ref(), Some(&open), "also when its time is over");
    assert_eq!(open_to(scene, &acme, &scene.new_email("nobody")).await, None);
}

async fn a_tenant_has_one_open_invitation_for_an_address(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let first = new_invitation(scene, &acme);
    let second = Invitation { email: first.email.clone(), ..new_invitation(scene, &acme) };
    keep(scene, &[&first]).await;
    for scope in [acme.scope(), TestScope::System] {
        assert!(scene.attempt(scope, async |unit| unit.insert_invitation(&second).await).await.is_err(), "{scope:?}");
        assert_eq!(stored(scene, second.id).await, None);
    }
    let over = Invitation { state: InvitationState::Revoked, token_hash: None, ..first.clone() };
    scene
        .change(acme.scope(), async |unit| {
            unit.update_invitation(&over).await.unwrap();
            unit.insert_invitation(&second).await.unwrap();
        })
        .await;
    assert_eq!(open_to(scene, &acme, &first.email).await, Some(second));
    assert_eq!(stored(scene, first.id).await, Some(over));
}

async fn an_invitation_is_found_by_the_hash_of_its_token(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let roles = three_roles(scene, &globex).await.to_vec();
    let [zeros, ones] = [[0; 32], [0xff; 32]];
    let own = Invitation { token_hash: Some(zeros), ..new_invitation(scene, &acme) };
    let theirs = Invitation { token_hash: Some(ones), roles, ..new_invitation(scene, &globex) };
    let without = Invitation { token_hash: None, ..new_invitation(scene, &acme) };
    keep(scene, &[&own, &theirs, &without]).await;
    scene.clock.set(own.expires_at.plus(Duration::from_secs(86_400)));
    scene
        .look(async |unit| {
            assert_eq!(unit.invitation_by_token(&zeros).await.unwrap(), Some(own));
            assert_eq!(unit.invitation_by_token(&ones).await.unwrap().map(sorted), Some(theirs));
            let mut close = zeros;
            close[31] = 1;
            assert_eq!(unit.invitation_by_token(&close).await.unwrap(), None);
        })
        .await;
}

async fn a_dropped_unit_leaves_everything_as_it_was(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let acme = scene.tenant().await;
    let [one, two, _] = three_roles(scene, &acme).await;
    let kept = Invitation { roles: vec![one], ..new_invitation(scene, &acme) };
    let forgotten = new_invitation(scene, &acme);
    keep(scene, &[&kept]).await;
    {
        let mut unit = scene.units.begin(acme.scope()).await;
        unit.insert_invitation(&forgotten).await.unwrap();
        let changed = Invitation { roles: vec![two], state: InvitationState::Accepted, ..kept.clone() };
        unit.update_invitation(&changed).await.unwrap();
        assert_eq!(unit.invitation_by_id(kept.id).await.unwrap(), Some(changed));
    }
    assert_eq!(stored(scene, kept.id).await, Some(kept));
    assert_eq!(stored(scene, forgotten.id).await, None);
}
