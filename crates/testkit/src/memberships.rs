//! The suite of [`Memberships`].

use futures::future::join_all;
use tenantry_identity::{People, Person};
use tenantry_kernel::{EmailAddress, TenantId, UserId};
use tenantry_tenancy::{MemberKeys, Membership, MembershipStatus, Memberships, TenancyError, Tenant, Tenants};

use crate::{
    scene::{Directory, SampleTenant, Scene, email, name},
    units::{TestScope, Units},
};

mod listing;
mod owners;
mod role_assignments;
mod tenant_isolation;

suite! {
    memberships(units: impl Units<Unit: Directory>) calls (&Scene::new(&units)) {
        a_membership_reads_back_as_inserted,
        a_second_membership_is_refused_and_leaves_the_unit_usable,
        an_update_writes_the_status_and_moves_the_version_on,
        what_is_not_there_cannot_be_updated_or_deleted,
        a_locked_membership_is_held_until_the_unit_ends,
        te7_somebody_who_comes_back_inherits_nothing,
        a_persons_tenants_come_in_order_of_their_names,
        a_member_is_known_by_the_address,
    }
    role_assignments {
        a_member_has_exactly_the_assigned_roles,
        roles_are_held_in_one_tenant,
        roles_of_many_members_are_told_apart,
        giving_roles_leaves_the_membership_alone,
        every_role_of_a_person_comes_in_order_of_the_names,
    }
    owners {
        te4_owners_are_active_enabled_and_hold_the_role,
    }
    listing {
        all_pages_joined_are_the_whole_list,
        in1_a_prefix_is_taken_literally,
        filters_are_joined_by_and,
        a_page_may_begin_at_somebody_who_has_gone,
        a_page_of_members_is_read_with_their_names_and_roles,
    }
    tenant_isolation {
        te1_another_tenants_members_are_invisible,
        te1_another_tenants_members_are_untouched,
        te1_a_member_cannot_hold_another_tenants_role,
        te1_only_the_person_is_told_their_tenants,
        te1_only_the_person_is_told_what_they_hold_everywhere,
        te1_a_person_is_told_nothing_of_others_by_address,
    }
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Directory>>, tenant: TenantId, user: UserId) -> Option<Membership> {
    scene.system(async |unit| unit.lock_membership(tenant, user).await.unwrap()).await
}

fn keys() -> MemberKeys {
    MemberKeys::new("Ada", "ada@example.com")
}

async fn a_membership_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for (status, seen) in [(MembershipStatus::Active, None), (MembershipStatus::Deactivated, Some(60_000))] {
        let person = scene.person().await;
        let membership = Membership {
            status,
            version: 4,
            joined_at: scene.later(1),
            last_seen_at: seen.map(|millis| scene.later(millis).to_minute()),
            ..scene.new_membership(acme.id(), person.id)
        };
        scene.change(acme.scope(), async |unit| unit.insert_membership(&membership, &keys()).await.unwrap()).await;
        assert_eq!(stored(scene, acme.id(), person.id).await.as_ref(), Some(&membership));
        let found = scene.look_as(acme.scope(), async |unit| unit.membership_of(person.id).await.unwrap()).await;
        assert_eq!(found.as_ref(), Some(&membership));
        let found = scene.look(async |unit| unit.membership_in(acme.id(), person.id).await.unwrap()).await;
        assert_eq!(found, Some(membership));
        let found = scene.look(async |unit| unit.membership_in(globex.id(), person.id).await.unwrap()).await;
        assert_eq!(found, None, "there the person is not");
    }
    let nobody = UserId::new(&scene.context);
    assert_eq!(stored(scene, acme.id(), nobody).await, None);
    assert_eq!(scene.look(async |unit| unit.membership_in(acme.id(), nobody).await.unwrap()).await, None);
    assert_eq!(scene.look_as(acme.scope(), async |unit| unit.membership_of(nobody).await.unwrap()).await, None);
}

async fn a_second_membership_is_refused_and_leaves_the_unit_usable(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let (member, newcomer) = (scene.member(&acme).await, scene.person().await);
    let first = stored(scene, acme.id(), member.id).await;
    scene.later(1);
    let second = Membership { status: MembershipStatus::Deactivated, ..scene.new_membership(acme.id(), member.id) };
    let other = scene.new_membership(acme.id(), newcomer.id);
    scene
        .change(acme.scope(), async |unit| {
            must_be!(unit.insert_membership(&second, &keys()).await, Err(TenancyError::AlreadyMember));
            unit.insert_membership(&other, &keys()).await.unwrap();
        })
        .await;
    assert_eq!(stored(scene, acme.id(), member.id).await, first);
    assert_eq!(stored(scene, acme.id(), newcomer.id).await, Some(other), "the same unit admitted another user");
}

async fn an_update_writes_the_status_and_moves_the_version_on(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.member(&acme).await;
    scene.join(&globex, &person, &[]).await;
    let mut expected = stored(scene, acme.id(), person.id).await.unwrap();
    for (scope, status) in [
        (acme.scope(), MembershipStatus::Deactivated),
        (TestScope::System, MembershipStatus::Active),
        (acme.scope(), MembershipStatus::Active),
    ] {
        let changed = Membership { status, ..expected.clone() };
        scene.change(scope, async |unit| unit.update_membership(&changed).await.unwrap()).await;
        expected = Membership { version: expected.version + 1, ..changed };
        assert_eq!(stored(scene, acme.id(), person.id).await.as_ref(), Some(&expected));
    }
    let elsewhere = stored(scene, globex.id(), person.id).await.unwrap();
    assert_eq!((elsewhere.status, elsewhere.version), (MembershipStatus::Active, 1), "the other membership stays");
}

/// A change that matches no row must not be reported as done.
async fn what_is_not_there_cannot_be_updated_or_deleted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, stranger) = (scene.tenant().await, scene.person().await);
    let membership = scene.new_membership(acme.id(), stranger.id);
    for scope in [acme.scope(), TestScope::System] {
        assert!(scene.attempt(scope, async |unit| unit.update_membership(&membership).await).await.is_err());
        assert!(scene.attempt(scope, async |unit| unit.delete_membership(stranger.id).await).await.is_err());
    }
    assert_eq!(stored(scene, acme.id(), stranger.id).await, None);
}

/// Each unit increments the version and finds no other unit's step in between.
async fn a_locked_membership_is_held_until_the_unit_ends(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let read =
        async |unit: &mut _| Memberships::lock_membership(unit, acme.id(), member.id).await.unwrap().unwrap().version;
    let steps = join_all((0..10).map(|_| {
        scene.system(async |unit| {
            let locked = unit.lock_membership(acme.id(), member.id).await.unwrap().unwrap();
            unit.update_membership(&locked).await.unwrap();
            (locked.version, read(unit).await)
        })
    }))
    .await;
    for (before, after) in &steps {
        assert_eq!(*after, before + 1, "{steps:?}");
    }
    assert_eq!(stored(scene, acme.id(), member.id).await.map(|member| member.version), Some(11));
}

async fn te7_somebody_who_comes_back_inherits_nothing(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.member(&acme).await;
    let elsewhere = scene.join(&globex, &person, &[]).await;
    scene.change(acme.scope(), async |unit| unit.delete_membership(person.id).await.unwrap()).await;
    assert_eq!(stored(scene, acme.id(), person.id).await, None);
    assert_eq!(stored(scene, globex.id(), person.id).await, Some(elsewhere), "they stay elsewhere");

    let again = scene.new_membership(acme.id(), person.id);
    scene.change(acme.scope(), async |unit| unit.insert_membership(&again, &keys()).await.unwrap()).await;
    let roles = scene.look_as(acme.scope(), async |unit| unit.roles_of(&[person.id]).await.unwrap()).await;
    assert!(roles.is_empty(), "{roles:?}");
}

async fn a_persons_tenants_come_in_order_of_their_names(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let person = scene.person().await;
    let mut expected: Vec<(Membership, Tenant)> = Vec::new();
    for called in ["beta", "Alpha", "Äther", "alpha", "Beta 2", "Beta"] {
        let SampleTenant { tenant, owner } = scene.tenant().await;
        let renamed = Tenant { name: name(called), ..tenant };
        scene.system(async |unit| unit.update_tenant(&renamed).await.unwrap()).await;
        let tenant = SampleTenant { tenant: Tenant { version: 2, ..renamed }, owner };
        let membership = scene.join(&tenant, &person, &[]).await;
        expected.push((membership, tenant.tenant));
    }
    let left_out = scene.tenant().await;
    let deactivated = Membership { status: MembershipStatus::Deactivated, ..expected[0].0.clone() };
    scene.system(async |unit| unit.update_membership(&deactivated).await.unwrap()).await;
    expected[0].0 = Membership { version: 2, ..deactivated };
    expected.sort_by(|one, other| one.1.name.as_str().cmp(other.1.name.as_str()));

    for scope in [TestScope::System, TestScope::Person(person.id)] {
        let found = scene.look_as(scope, async |unit| unit.tenants_of(person.id).await.unwrap()).await;
        assert_eq!(found, expected, "without {}, {scope:?}", left_out.id());
    }
    let alone = scene.person().await;
    assert_eq!(scene.look(async |unit| unit.tenants_of(alone.id).await.unwrap()).await, []);
}

async fn a_member_is_known_by_the_address(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = Person { email: scene.new_email("jose\u{301}.ada"), ..scene.new_person("Ada") };
    scene.system(async |unit| unit.insert_person(&person).await.unwrap()).await;
    let spelling = email(&person.email.as_str().to_uppercase());
    let is_member = async |tenant: &SampleTenant, address: &EmailAddress| {
        let mut answers = Vec::new();
        for scope in [TestScope::System, tenant.scope()] {
            let ask = async |unit: &mut _| Memberships::is_member_address(unit, tenant.id(), address).await.unwrap();
            answers.push(scene.look_as(scope, ask).await);
        }
        assert_eq!(answers[0], answers[1], "both scopes say the same");
        answers[0]
    };
    assert!(!is_member(&acme, &person.email).await, "known, and no member");
    let membership = scene.join(&acme, &person, &[]).await;
    scene.join(&globex, &scene.person().await, &[]).await;
    for address in [&person.email, &spelling] {
        assert!(is_member(&acme, address).await);
        assert!(!is_member(&globex, address).await);
    }
    assert!(!is_member(&acme, &scene.new_email("nobody")).await);
    let deactivated = Membership { status: MembershipStatus::Deactivated, ..membership };
    scene.change(acme.scope(), async |unit| unit.update_membership(&deactivated).await.unwrap()).await;
    assert!(is_member(&acme, &person.email).await, "active or not");

    let moved = Person { email: scene.new_email("ada"), ..person.clone() };
    scene.system(async |unit| unit.update_person(&moved).await.unwrap()).await;
    assert!(!is_member(&acme, &person.email).await);
    assert!(is_member(&acme, &moved.email).await, "by the address of today");
    scene.change(acme.scope(), async |unit| unit.delete_membership(person.id).await.unwrap()).await;
    assert!(!is_member(&acme, &moved.email).await);
}
