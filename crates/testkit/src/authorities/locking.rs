//! Tests of the tenant lock: changes of authority in a tenant run one after the other, each by the permissions held at
//! that time.

use futures::future::join_all;
use tenantry_identity::{EndReason, Sessions};
use tenantry_kernel::{Action, Authorities, Command, DefaultRole, PermissionSet, Refusal, Requirement, authorize};
use tenantry_tenancy::{Memberships, Roles};

use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::Scene,
    units::{TestScope, Units},
};

use super::{AuthorityPorts, signed_in};

/// A command that any session may run, under the tenant's lock.
struct ChangePower;

impl Command for ChangePower {
    const REQUIRES: Requirement = Requirement::SignedIn;
    const EVENTS: &'static [Action] = &[];
    const LOCKS_TENANT: bool = true;
}

pub(super) async fn what_is_locked_is_what_is_held_now(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, Some(&acme)).await;
    let actor = scene.session_actor(&acme.owner, &session);
    let now = scene.later(1);
    let permissions = async |permissions: PermissionSet| {
        let held =
            scene.change(acme.scope(), async |unit| authorize::<ChangePower>(unit, &actor, &scene.context).await).await;
        assert_eq!(held.unwrap().tenant.unwrap().permissions, permissions);
    };
    permissions(scene.default_permissions(DefaultRole::Owner).await).await;
    scene.system(async |unit| unit.replace_roles(acme.id(), acme.owner.id, &[]).await.unwrap()).await;
    permissions(PermissionSet::EMPTY).await;
    scene.system(async |unit| unit.end_session(session.id, EndReason::Revoked, now).await.unwrap()).await;
    let held =
        scene.change(acme.scope(), async |unit| authorize::<ChangePower>(unit, &actor, &scene.context).await).await;
    assert!(matches!(held, Err(Refusal::SessionEnded)), "the session has ended meanwhile: {held:?}");

    let alone = scene.person().await;
    let session = signed_in(scene, &alone, None).await;
    let actor = scene.session_actor(&alone, &session);
    let scope = TestScope::Person(alone.id);
    let held = scene.change(scope, async |unit| authorize::<ChangePower>(unit, &actor, &scene.context).await).await;
    assert_eq!(held.unwrap().subject(), Some(alone.id));
}

pub(super) async fn nothing_is_locked_without_a_session(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let actor = scene.actor(&acme.owner, Some(acme.id()));
    scene
        .change(acme.scope(), async |unit| {
            must_be!(authorize::<ChangePower>(unit, &actor, &scene.context).await, Err(Refusal::SessionEnded));
        })
        .await;
}

/// Returns how many roles the tenant has, as the unit sees it.
async fn count_roles(unit: &mut (impl Roles + ?Sized)) -> usize {
    all_pages(100, DIRECTIONS[0], async |page| unit.page_roles(page).await.unwrap()).await.len()
}

/// Each unit may add a role while there are few. Without the lock, several units would count before any adds.
pub(super) async fn te3_changes_of_authority_in_a_tenant_come_one_after_the_other(
    scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>,
) {
    const UNITS: usize = 10;
    const ROOM: usize = 3;
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, Some(&acme)).await;
    let actor = &scene.session_actor(&acme.owner, &session);
    let before = scene.look_as(acme.scope(), async |unit| count_roles(unit).await).await;
    let acme = &acme;
    join_all((0..UNITS).map(|number| async move {
        let role = scene.new_role(acme.id(), &format!("Role {number}"), PermissionSet::EMPTY);
        // A unit with a session locks by it; a unit without one locks the tenant. Both take the same lock.
        let by_session = number % 2 == 0;
        scene
            .change(acme.scope(), async |unit| {
                if by_session {
                    authorize::<ChangePower>(unit, actor, &scene.context).await.unwrap();
                } else {
                    unit.lock_tenant(acme.id()).await.unwrap();
                }
                if count_roles(unit).await < before + ROOM {
                    unit.insert_role(&role).await.unwrap();
                }
            })
            .await;
    }))
    .await;
    let after = scene.look_as(acme.scope(), async |unit| count_roles(unit).await).await;
    assert_eq!(after, before + ROOM);
}

pub(super) async fn changes_are_published_from_every_scope(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, Some(&acme)).await;
    for scope in [acme.scope(), TestScope::Person(acme.owner.id), TestScope::System] {
        scene
            .change(scope, async |unit| {
                unit.session_authority_changed(session.id).await.unwrap();
                unit.user_authority_changed(acme.owner.id).await.unwrap();
                unit.tenant_authority_changed(acme.id()).await.unwrap();
            })
            .await;
    }
}
