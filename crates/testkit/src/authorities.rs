//! The suite of [`Authorities`].
//!
//! This port does not cover whether an announcement reaches every process; the adapters that carry it test that.

use std::time::Duration;
use tenantry_identity::{EndReason, People, Person, PersonStatus, Session, Sessions};
use tenantry_kernel::{
    Authorities, Authority, DefaultRole, Permission, PermissionSet, SessionId, TenantStatus, Timestamp,
};
use tenantry_tenancy::{
    Membership, MembershipStatus, Memberships, Role, Roles, Tenant, Tenants,
    vocabulary::{INVITATIONS_READ, ROLES_CREATE, ROLES_READ, USERS_READ},
};

use crate::{
    scene::{Directory, SampleTenant, Scene, name},
    units::{TestScope, Units},
};

mod locking;
mod tenant_isolation;

/// The ports of this suite: those whose rows make up an authority.
pub trait AuthorityPorts: Directory + Sessions + Authorities {}
impl<T: Directory + Sessions + Authorities + ?Sized> AuthorityPorts for T {}

suite! {
    authorities(units: impl Units<Unit: AuthorityPorts>) calls (&Scene::new(&units)) {
        a_members_authority_is_complete,
        outside_any_tenant_there_are_no_roles,
        what_a_session_may_do_follows_every_change,
        se4_an_ended_or_expired_session_may_do_nothing,
        se4_a_disabled_person_may_do_nothing,
        se4_a_member_deactivated_or_removed_may_do_nothing,
        a_suspended_tenant_is_named_as_such,
        a_membership_gives_the_same_without_a_session,
    }
    locking {
        what_is_locked_is_what_is_held_now,
        nothing_is_locked_without_a_session,
        te3_changes_of_authority_in_a_tenant_come_one_after_the_other,
        changes_are_published_from_every_scope,
    }
    tenant_isolation {
        te1_authority_in_one_tenant_is_none_in_another,
        te1_a_scope_sees_its_own_authorities,
        te1_another_tenant_is_not_locked,
    }
}

/// Stores a session.
async fn signed_in(
    scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>,
    person: &Person,
    tenant: Option<&SampleTenant>,
) -> Session {
    let session = scene.new_session(person.id, tenant.map(SampleTenant::id));
    scene.system(async |unit| unit.insert_session(&session).await.unwrap()).await;
    session
}

async fn authority(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>, session: SessionId) -> Option<Authority> {
    authority_at(scene, session, scene.context.now()).await
}

async fn authority_at(
    scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>,
    session: SessionId,
    now: Timestamp,
) -> Option<Authority> {
    scene.look(async |unit| unit.authority_of(session, now).await.unwrap()).await
}

/// Returns the names of the user's roles in the session's tenant, in the returned order.
fn role_names(authority: &Authority) -> Vec<&str> {
    authority.tenant.iter().flat_map(|tenant| &tenant.roles).map(|role| role.name.as_str()).collect()
}

async fn a_membership_gives_the_same_without_a_session(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let member = scene.member(&acme).await;
    let session = signed_in(scene, &member, Some(&acme)).await;
    let of = async |tenant: &SampleTenant, person: &Person| {
        scene.look(async |unit| unit.member_authority(tenant.id(), person.id).await.unwrap()).await
    };
    let held = of(&acme, &member).await.unwrap();
    let by_session = authority(scene, session.id).await.unwrap().tenant.unwrap();
    assert_eq!((held.id, held.permissions, &held.roles), (acme.id(), by_session.permissions, &by_session.roles));
    assert_eq!((&held.plan, held.status), (&by_session.plan, TenantStatus::Active));
    assert!(of(&globex, &member).await.is_none(), "no member there");
    for scope in [acme.scope(), TestScope::Person(member.id)] {
        let asked = scene.attempt(scope, async |unit| unit.member_authority(acme.id(), member.id).await).await;
        assert!(asked.is_err(), "{scope:?}");
    }

    let suspended = Tenant { status: TenantStatus::Suspended, ..acme.tenant.clone() };
    scene.system(async |unit| unit.update_tenant(&suspended).await.unwrap()).await;
    assert_eq!(of(&acme, &member).await.unwrap().status, TenantStatus::Suspended);
    let deactivated = scene.look_as(acme.scope(), async |unit| unit.membership_of(member.id).await.unwrap()).await;
    let deactivated = Membership { status: MembershipStatus::Deactivated, ..deactivated.unwrap() };
    scene.change(acme.scope(), async |unit| unit.update_membership(&deactivated).await.unwrap()).await;
    assert!(of(&acme, &member).await.is_none(), "deactivated");
}

async fn a_members_authority_is_complete(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let verified = Person { email_verified_at: Some(scene.later(3)), ..scene.new_person("Grace Hopper") };
    scene.system(async |unit| unit.insert_person(&verified).await.unwrap()).await;
    let roles = [
        scene.role(&acme, "zebra", PermissionSet::of(&[INVITATIONS_READ])).await,
        scene.role(&acme, "Ärzte", PermissionSet::EMPTY).await,
        scene.role(&acme, "Bookkeeper", PermissionSet::of(&[ROLES_CREATE, INVITATIONS_READ])).await,
        scene.default_role(&acme, DefaultRole::Viewer).await,
    ];
    scene.later(10);
    scene.join(&acme, &verified, &roles.each_ref().map(|role| role.id)).await;
    let session = Session {
        rotation: 9,
        seen_rotation: 7,
        created_at: scene.later(1),
        ..scene.new_session(verified.id, Some(acme.id()))
    };
    scene.system(async |unit| unit.insert_session(&session).await.unwrap()).await;

    let found = authority(scene, session.id).await.unwrap();
    let principal = found.session().unwrap();
    assert_eq!((principal.session, principal.sign_in), (session.id, session.sign_in));
    assert_eq!(principal.created_at, session.created_at);
    assert_eq!(principal.expires_at, session.expires_at);
    assert_eq!(principal.seen_rotation, 7);
    assert_eq!((principal.user, &principal.email), (verified.id, &verified.email));
    assert_eq!(found.subject(), Some(verified.id));
    assert!(found.assurance.email_verified);
    assert_eq!(principal.name, verified.name.as_str());
    assert_eq!((principal.user_created_at, principal.user_version), (verified.created_at, verified.version));

    let tenant = found.tenant.as_ref().unwrap();
    assert_eq!((tenant.id, tenant.name.as_str()), (acme.id(), acme.tenant.name.as_str()));
    assert_eq!((tenant.slug.as_str(), tenant.plan.as_str()), (acme.tenant.slug.as_str(), acme.tenant.plan.name));
    assert_eq!((tenant.status, tenant.created_at), (TenantStatus::Active, acme.tenant.created_at));
    assert_eq!(role_names(&found), ["Bookkeeper", "viewer", "zebra", "Ärzte"], "in order of name");
    for held in &tenant.roles {
        let role = roles.iter().find(|role| role.id == held.id).unwrap();
        assert_eq!((held.name.as_str(), &held.permissions), (role.name.as_str(), &role.permissions));
    }
    let together = roles.iter().fold(PermissionSet::EMPTY, |set, role| set.union(&role.permissions));
    assert_eq!(tenant.permissions, together);

    let plain = signed_in(scene, &acme.owner, Some(&acme)).await;
    let owner = authority(scene, plain.id).await.unwrap();
    assert!(!owner.assurance.email_verified);
    assert_eq!(owner.tenant.unwrap().permissions, scene.default_permissions(DefaultRole::Owner).await);
    let unknown = SessionId::new(&scene.context);
    assert!(authority(scene, unknown).await.is_none());
}

async fn outside_any_tenant_there_are_no_roles(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, None).await;
    let found = authority(scene, session.id).await.unwrap();
    assert_eq!(found.subject(), Some(acme.owner.id));
    assert!(found.tenant.is_none());
}

async fn what_a_session_may_do_follows_every_change(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let person = scene.person().await;
    scene.join(&acme, &person, &[]).await;
    let session = signed_in(scene, &person, Some(&acme)).await;
    let permissions = async || authority(scene, session.id).await.unwrap().tenant.unwrap().permissions;
    assert_eq!(permissions().await, PermissionSet::EMPTY, "a member without a role is a member");

    let clerk = scene.role(&acme, "Clerk", PermissionSet::of(&[USERS_READ])).await;
    scene.system(async |unit| unit.replace_roles(acme.id(), person.id, &[clerk.id]).await.unwrap()).await;
    assert_eq!(permissions().await, clerk.permissions);
    let raised = Role { permissions: PermissionSet::of(&[ROLES_READ]), ..clerk };
    scene.system(async |unit| unit.update_role(&raised).await.unwrap()).await;
    assert_eq!(permissions().await, raised.permissions);
    let newer = PermissionSet::of(&[Permission::from_stored("fly:away")]);
    let newer = Role { undeclared: newer, version: raised.version + 1, ..raised.clone() };
    scene.system(async |unit| unit.update_role(&newer).await.unwrap()).await;
    assert_eq!(permissions().await, raised.permissions, "an undeclared permission grants nothing");

    let renamed = Tenant { name: name("Acme Again"), ..acme.tenant.clone() };
    let person_renamed = Person { name: name("Ada King"), ..person };
    scene
        .system(async |unit| {
            unit.update_tenant(&renamed).await.unwrap();
            unit.update_person(&person_renamed).await.unwrap();
        })
        .await;
    let found = authority(scene, session.id).await.unwrap();
    let principal = found.session().unwrap();
    assert_eq!((principal.name.as_str(), principal.user_version), ("Ada King", 2));
    assert_eq!(found.tenant.unwrap().name, "Acme Again");
}

async fn se4_an_ended_or_expired_session_may_do_nothing(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, Some(&acme)).await;
    let last = session.expires_at.minus(Duration::from_millis(1));
    assert!(authority_at(scene, session.id, last).await.is_some());
    assert!(authority_at(scene, session.id, session.expires_at).await.is_none());
    let now = scene.later(1);
    scene.system(async |unit| unit.end_session(session.id, EndReason::LoggedOut, now).await.unwrap()).await;
    assert!(authority(scene, session.id).await.is_none());
}

async fn se4_a_disabled_person_may_do_nothing(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let sessions = [signed_in(scene, &acme.owner, Some(&acme)).await, signed_in(scene, &acme.owner, None).await];
    let disabled = Person { status: PersonStatus::Disabled, ..acme.owner.clone() };
    scene.system(async |unit| unit.update_person(&disabled).await.unwrap()).await;
    for session in sessions {
        assert!(authority(scene, session.id).await.is_none());
    }
}

async fn se4_a_member_deactivated_or_removed_may_do_nothing(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let person = scene.person().await;
    let membership = scene.join(&acme, &person, &[]).await;
    let in_acme = signed_in(scene, &person, Some(&acme)).await;
    let in_none = signed_in(scene, &person, None).await;
    for (status, alive) in [(MembershipStatus::Deactivated, false), (MembershipStatus::Active, true)] {
        let changed = Membership { status, ..membership.clone() };
        scene.system(async |unit| unit.update_membership(&changed).await.unwrap()).await;
        assert_eq!(authority(scene, in_acme.id).await.is_some(), alive, "{status:?}");
    }
    scene.change(acme.scope(), async |unit| unit.delete_membership(person.id).await.unwrap()).await;
    assert!(authority(scene, in_acme.id).await.is_none());
    assert!(authority(scene, in_none.id).await.is_some(), "the person is still a person");
}

async fn a_suspended_tenant_is_named_as_such(scene: &Scene<'_, impl Units<Unit: AuthorityPorts>>) {
    let acme = scene.tenant().await;
    let session = signed_in(scene, &acme.owner, Some(&acme)).await;
    let suspended = Tenant { status: TenantStatus::Suspended, ..acme.tenant.clone() };
    scene.system(async |unit| unit.update_tenant(&suspended).await.unwrap()).await;
    let found = authority(scene, session.id).await.unwrap();
    assert_eq!(found.tenant.as_ref().map(|tenant| tenant.status), Some(TenantStatus::Suspended));
    must_be!(found.active_tenant(), Err(tenantry_kernel::Refusal::TenantSuspended));
}
