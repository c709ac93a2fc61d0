//! The suite of [`Roles`].

use futures::future::join_all;
use tenantry_kernel::{DefaultRole, Permission, PermissionSet, RoleId};
use tenantry_tenancy::{
    Description, Memberships, Role, Roles, TenancyError,
    vocabulary::{USERS_READ, USERS_REMOVE},
};

use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::{Directory, SampleTenant, Scene, role_name},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

mod tenant_isolation;

suite! {
    roles(units: impl Units<Unit: Directory>) calls (&Scene::new(&units)) {
        a_role_reads_back_as_inserted,
        default_roles_hold_what_the_vocabulary_says,
        names_are_unique_in_a_tenant_when_folded,
        two_units_cannot_both_take_a_name,
        many_roles_are_read_at_once,
        an_update_writes_and_moves_the_version_on,
        undeclared_permissions_are_kept,
        an_update_of_an_older_version_changes_nothing,
        an_update_cannot_take_the_name_of_another,
        all_pages_joined_are_the_whole_list,
        holders_are_counted,
        te7_a_new_role_of_a_deleted_ones_name_has_no_holders,
    }
    tenant_isolation {
        te1_another_tenants_roles_are_invisible,
        te1_another_tenants_roles_are_untouched,
        te1_outside_any_tenant_there_are_no_roles,
        te5_two_tenants_may_use_one_name,
    }
}

/// Returns some permissions of a role.
fn some() -> PermissionSet {
    PermissionSet::of(&[USERS_READ, USERS_REMOVE])
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Directory>>, id: RoleId) -> Option<Role> {
    scene.look(async |unit| unit.role_by_id(id).await.unwrap()).await
}

async fn a_role_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    for (number, permissions) in [PermissionSet::EMPTY, some(), every_permission()].into_iter().enumerate() {
        let role = Role {
            description: Description::parse("It's 100% \"his\" _\\ \u{1F980}").unwrap(),
            version: 5,
            created_at: scene.later(1),
            updated_at: scene.later(998),
            ..scene.new_role(acme.id(), &format!("Größe {number}"), permissions)
        };
        scene.change(acme.scope(), async |unit| unit.insert_role(&role).await.unwrap()).await;
        for scope in [acme.scope(), TestScope::System] {
            let found = scene.look_as(scope, async |unit| unit.role_by_id(role.id).await.unwrap()).await;
            assert_eq!(found.as_ref(), Some(&role), "{scope:?}");
        }
    }
    assert_eq!(stored(scene, RoleId::new(&scene.context)).await, None);
}

async fn default_roles_hold_what_the_vocabulary_says(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    for kind in DefaultRole::ALL {
        let (own, theirs) = scene
            .look(async |unit| {
                let own = unit.default_role(acme.id(), kind).await.unwrap().unwrap();
                (own, unit.default_role(globex.id(), kind).await.unwrap().unwrap())
            })
            .await;
        assert_eq!((own.system, own.tenant), (Some(kind), acme.id()));
        assert_eq!(own.permissions, scene.default_permissions(kind).await);
        assert_eq!((theirs.system, theirs.tenant), (Some(kind), globex.id()));
        let found = scene.look_as(acme.scope(), async |unit| unit.default_role(acme.id(), kind).await.unwrap()).await;
        assert_eq!(found, Some(own));
    }
    let nowhere = scene.new_tenant().id;
    assert_eq!(scene.look(async |unit| unit.default_role(nowhere, DefaultRole::Owner).await.unwrap()).await, None);
}

async fn names_are_unique_in_a_tenant_when_folded(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let first = scene.role(&acme, "Finance Größe", some()).await;
    for spelling in ["Finance Größe", "FINANCE GRÖßE", "  finance Gro\u{308}ße ", "ﬁnance größe"] {
        let second = scene.new_role(acme.id(), spelling, some());
        must_be!(
            scene.attempt(acme.scope(), async |unit| unit.insert_role(&second).await).await,
            Err(TenancyError::RoleNameTaken)
        );
        assert_eq!(stored(scene, second.id).await, None, "{spelling}");
        let found = scene
            .look_as(acme.scope(), async |unit| unit.role_by_name(acme.id(), &role_name(spelling)).await.unwrap())
            .await;
        assert_eq!(found.as_ref(), Some(&first), "{spelling}");
    }
    for other in ["Finance Grösse", "Finance", "Finance%", "Finance Größe."] {
        scene.role(&acme, other, some()).await;
    }
    let absent = role_name("Finance G_");
    assert_eq!(scene.look(async |unit| unit.role_by_name(acme.id(), &absent).await.unwrap()).await, None);
}

async fn two_units_cannot_both_take_a_name(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let outcomes = join_all((0..8).map(|number| {
        let role = scene.new_role(acme.id(), if number % 2 == 0 { "Clerk" } else { "CLERK" }, some());
        let scope = acme.scope();
        async move { scene.attempt(scope, async |unit| unit.insert_role(&role).await).await }
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        must_be!(refused, Err(TenancyError::RoleNameTaken));
    }
}

async fn many_roles_are_read_at_once(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let (one, two) = (scene.role(&acme, "One", some()).await, scene.role(&acme, "Two", some()).await);
    scene.role(&acme, "Three", some()).await;
    scene
        .look_as(acme.scope(), async |unit| {
            let ids = [two.id, RoleId::new(&scene.context), one.id, two.id];
            let mut found = unit.roles_by_ids(&ids).await.unwrap();
            found.sort_by_key(|role| role.id);
            let mut expected = [one.clone(), two.clone()];
            expected.sort_by_key(|role| role.id);
            assert_eq!(found, expected, "each once");
            assert_eq!(unit.roles_by_ids(&[]).await.unwrap(), []);
        })
        .await;
}

async fn an_update_writes_and_moves_the_version_on(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let mut expected = scene.role(&acme, "Clerk", some()).await;
    for (scope, permissions) in [(acme.scope(), PermissionSet::EMPTY), (TestScope::System, some())] {
        let changed = Role {
            name: role_name(&format!("CLERK {}", expected.version)),
            description: Description::parse("Keeps the books.").unwrap(),
            permissions,
            updated_at: scene.later(60_001),
            ..expected.clone()
        };
        scene.change(scope, async |unit| unit.update_role(&changed).await.unwrap()).await;
        expected = Role { version: expected.version + 1, ..changed };
        assert_eq!(stored(scene, expected.id).await.as_ref(), Some(&expected));
        let by_name = scene.look(async |unit| unit.role_by_name(acme.id(), &expected.name).await.unwrap()).await;
        assert_eq!(by_name.as_ref(), Some(&expected), "the name's key moved with it");
    }
}

/// A newer program may have written permissions that this one does not know.
async fn undeclared_permissions_are_kept(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let undeclared = PermissionSet::of(&["fly:away", "Fly-Back", "audit:read-2"].map(Permission::from_stored));
    let inserted = Role { undeclared: undeclared.clone(), ..scene.new_role(acme.id(), "Pilot", some()) };
    scene.change(acme.scope(), async |unit| unit.insert_role(&inserted).await.unwrap()).await;
    assert_eq!(stored(scene, inserted.id).await.as_ref(), Some(&inserted));
    let changed = Role { permissions: PermissionSet::EMPTY, ..inserted };
    scene.change(acme.scope(), async |unit| unit.update_role(&changed).await.unwrap()).await;
    let found = stored(scene, changed.id).await.unwrap();
    assert_eq!((found.permissions, found.undeclared), (PermissionSet::EMPTY, undeclared));
}

async fn an_update_of_an_older_version_changes_nothing(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let first = scene.role(&acme, "Clerk", some()).await;
    scene.system(async |unit| unit.update_role(&first).await.unwrap()).await;
    let current = stored(scene, first.id).await;
    for version in [first.version, first.version + 2] {
        let stale = Role { permissions: every_permission(), version, ..first.clone() };
        scene
            .change(acme.scope(), async |unit| {
                must_be!(unit.update_role(&stale).await, Err(TenancyError::VersionConflict));
            })
            .await;
        assert_eq!(stored(scene, first.id).await, current);
    }
}

async fn an_update_cannot_take_the_name_of_another(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let clerk = scene.role(&acme, "Clerk", some()).await;
    scene.role(&acme, "Auditor", some()).await;
    for taken in ["AUDITOR", "Owner"] {
        let greedy = Role { name: role_name(taken), ..clerk.clone() };
        must_be!(
            scene.attempt(acme.scope(), async |unit| unit.update_role(&greedy).await).await,
            Err(TenancyError::RoleNameTaken)
        );
        assert_eq!(stored(scene, clerk.id).await.as_ref(), Some(&clerk));
    }
    let respelled = Role { name: role_name("CLERK"), ..clerk.clone() };
    scene.change(acme.scope(), async |unit| unit.update_role(&respelled).await.unwrap()).await;
    assert_eq!(stored(scene, clerk.id).await.map(|role| role.name), Some(respelled.name), "its own name is free to it");
}

async fn all_pages_joined_are_the_whole_list(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    scene.role(&globex, "Elsewhere", some()).await;
    for number in 0..5 {
        scene.role(&acme, &format!("Role {number}"), some()).await;
    }
    let mut expected = own_roles(scene, &acme).await;
    expected.sort_by_key(|role| role.id);
    assert_eq!(expected.len(), DefaultRole::ALL.len() + 5);
    for direction in DIRECTIONS {
        for limit in [1, 2, 3, 8, 9, 10, 100] {
            let listed = scene
                .look_as(acme.scope(), async |unit| {
                    all_pages(limit, direction, async |page| unit.page_roles(page).await.unwrap()).await
                })
                .await;
            assert_eq!(listed, expected, "{direction:?} by {limit}");
        }
        expected.reverse();
    }
}

/// Returns the tenant's roles, found without a list.
async fn own_roles(scene: &Scene<'_, impl Units<Unit: Directory>>, tenant: &SampleTenant) -> Vec<Role> {
    let names = DefaultRole::ALL.map(|kind| kind.name().to_owned());
    let names = names.into_iter().chain((0..5).map(|number| format!("Role {number}")));
    scene
        .look(async |unit| {
            let mut roles = Vec::new();
            for name in names {
                roles.extend(unit.role_by_name(tenant.id(), &role_name(&name)).await.unwrap());
            }
            roles
        })
        .await
}

async fn holders_are_counted(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let (clerk, auditor) = (scene.role(&acme, "Clerk", some()).await, scene.role(&acme, "Auditor", some()).await);
    let idle = scene.role(&acme, "Idle", some()).await;
    for roles in [&[clerk.id][..], &[clerk.id, auditor.id], &[clerk.id]] {
        let person = scene.person().await;
        scene.join(&acme, &person, roles).await;
    }
    scene
        .look_as(acme.scope(), async |unit| {
            let mut counts = unit.count_holders(&[auditor.id, idle.id, clerk.id]).await.unwrap();
            counts.retain(|(_, holders)| *holders > 0);
            counts.sort();
            let mut expected = [(clerk.id, 3), (auditor.id, 1)];
            expected.sort();
            assert_eq!(counts, expected);
            assert!(unit.count_holders(&[idle.id]).await.unwrap().iter().all(|(_, holders)| *holders == 0));
            assert_eq!(unit.count_holders(&[]).await.unwrap(), []);
        })
        .await;
}

async fn te7_a_new_role_of_a_deleted_ones_name_has_no_holders(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let first = scene.role(&acme, "Clerk", some()).await;
    scene
        .change(acme.scope(), async |unit| {
            unit.replace_roles(acme.id(), member.id, &[first.id]).await.unwrap();
            unit.replace_roles(acme.id(), member.id, &[]).await.unwrap();
            unit.delete_role(first.id).await.unwrap();
        })
        .await;
    assert_eq!(stored(scene, first.id).await, None);
    let second = scene.role(&acme, "Clerk", PermissionSet::EMPTY).await;
    scene
        .look_as(acme.scope(), async |unit| {
            assert_eq!(unit.role_by_id(first.id).await.unwrap(), None);
            assert!(unit.count_holders(&[first.id, second.id]).await.unwrap().iter().all(|(_, n)| *n == 0));
            assert!(unit.roles_of(&[member.id]).await.unwrap().is_empty());
        })
        .await;
    scene.system(async |unit| unit.delete_role(second.id).await.unwrap()).await;
    assert_eq!(stored(scene, second.id).await, None, "a System unit deletes in the role's own tenant");
}
