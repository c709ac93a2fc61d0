//! Tests of lists of invitations, page by page.

use tenantry_kernel::{Direction, PageRequest, PermissionSet};
use tenantry_tenancy::{Invitation, Invitations, Memberships};

use super::{STATES, keep, new_invitation, sorted, three_roles};
use crate::{
    paging::{DIRECTIONS, all_pages},
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

pub(super) async fn all_pages_joined_are_the_whole_list(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let [one, two, three] = three_roles(scene, &acme).await;
    let mut expected: Vec<Invitation> = (0..7)
        .map(|number| {
            // Some at the same time, and before, between and after those of another tenant.
            scene.later(number % 2);
            let roles = [vec![], vec![one, three], vec![two]][usize::try_from(number).unwrap() % 3].clone();
            let state = STATES[usize::try_from(number).unwrap() % 3];
            Invitation { roles, state, ..new_invitation(scene, &acme) }
        })
        .collect();
    let theirs = new_invitation(scene, &globex);
    keep(scene, &[&expected[4], &expected[1], &theirs, &expected[6], &expected[0]]).await;
    keep(scene, &[&expected[3], &expected[5], &expected[2]]).await;

    expected.sort_by_key(|invitation| invitation.id);
    for direction in DIRECTIONS {
        for limit in [1, 2, 3, 6, 7, 8, 100] {
            let listed = scene
                .look_as(acme.scope(), async |unit| {
                    all_pages(limit, direction, async |page| unit.page_invitations(page).await.unwrap()).await
                })
                .await;
            let listed: Vec<Invitation> = listed.into_iter().map(|listed| sorted(listed.invitation)).collect();
            assert_eq!(listed, expected, "{direction:?} by {limit}");
        }
        expected.reverse();
    }
    let empty = scene.tenant().await;
    let page = PageRequest { limit: 100, after: Some(theirs.id), direction: Direction::Descending };
    let page = scene.look_as(empty.scope(), async |unit| unit.page_invitations(page).await.unwrap()).await;
    assert_eq!((page.items, page.next), (vec![], None));
}

pub(super) async fn a_page_has_the_names_of_roles_and_inviters(
    scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>,
) {
    let acme = scene.tenant().await;
    let roles = [
        scene.role(&acme, "Clerk", PermissionSet::EMPTY).await,
        scene.role(&acme, "Auditor", PermissionSet::EMPTY).await,
    ];
    let leaver = scene.member(&acme).await;
    let by_owner = Invitation { roles: roles.iter().map(|role| role.id).collect(), ..new_invitation(scene, &acme) };
    scene.later(1);
    let by_leaver = Invitation { roles: vec![], invited_by: leaver.id, ..new_invitation(scene, &acme) };
    keep(scene, &[&by_owner, &by_leaver]).await;
    let read = async || {
        let page = PageRequest { limit: 20, after: None, direction: Direction::Ascending };
        scene.look_as(acme.scope(), async |unit| unit.page_invitations(page).await.unwrap().items).await
    };
    let [of_owner, of_leaver] = &read().await[..] else { panic!("two invitations") };
    assert_eq!(of_owner.inviter.as_ref(), Some(&acme.owner.name));
    let mut names: Vec<&str> = of_owner.roles.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Auditor", "Clerk"]);
    assert_eq!((of_leaver.inviter.as_ref(), &of_leaver.roles[..]), (Some(&leaver.name), &[][..]));
    scene.change(acme.scope(), async |unit| unit.delete_membership(leaver.id).await.unwrap()).await;
    assert_eq!(read().await[1].inviter, None, "the inviter has left the tenant");
}

pub(super) async fn a_system_unit_lists_every_tenants(scene: &Scene<'_, impl Units<Unit: Directory + Invitations>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let (own, theirs) = (three_roles(scene, &acme).await, three_roles(scene, &globex).await);
    let mut made = Vec::new();
    for (tenant, roles) in [(&acme, own), (&globex, theirs), (&acme, own), (&globex, theirs)] {
        scene.later(1);
        made.push(Invitation { roles: roles.to_vec(), ..new_invitation(scene, tenant) });
    }
    keep(scene, &made.iter().collect::<Vec<_>>()).await;
    for direction in DIRECTIONS {
        let listed = scene
            .look_as(TestScope::System, async |unit| {
                all_pages(3, direction, async |page| unit.page_invitations(page).await.unwrap()).await
            })
            .await;
        let listed: Vec<Invitation> = listed
            .into_iter()
            .map(|listed| sorted(listed.invitation))
            .filter(|one| made.iter().any(|other| other.id == one.id))
            .collect();
        assert_eq!(listed, made, "{direction:?}, among those of other scenarios");
        made.reverse();
    }
}
