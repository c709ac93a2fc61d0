//! Tests of the owners of a tenant: active memberships of enabled users with the owner's role.

use tenantry_identity::{People, Person, PersonStatus};
use tenantry_kernel::{DefaultRole, UserId};
use tenantry_tenancy::{Membership, MembershipStatus, Memberships};

use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::{TestScope, Units},
    vocabulary::every_permission,
};

async fn owners(scene: &Scene<'_, impl Units<Unit: Directory>>, tenant: &SampleTenant) -> Vec<UserId> {
    let mut answers = Vec::new();
    for scope in [TestScope::System, tenant.scope()] {
        let mut owners = scene.look_as(scope, async |unit| unit.active_owners(tenant.id()).await.unwrap()).await;
        owners.sort();
        answers.push(owners);
    }
    assert_eq!(answers[0], answers[1], "both scopes say the same");
    answers.remove(0)
}

pub(super) async fn te4_owners_are_active_enabled_and_hold_the_role(scene: &Scene<'_, impl Units<Unit: Directory>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let role = scene.default_role(&acme, DefaultRole::Owner).await;
    let admin = scene.default_role(&acme, DefaultRole::Admin).await;
    let everything = scene.role(&acme, "Owners' Club", every_permission()).await;
    assert_eq!(owners(scene, &acme).await, [acme.owner.id]);

    // Neither the same permissions nor ownership of another tenant makes a user an owner.
    let rich = scene.person().await;
    scene.join(&acme, &rich, &[admin.id, everything.id]).await;
    scene.join(&acme, &globex.owner, &[]).await;
    assert_eq!(owners(scene, &acme).await, [acme.owner.id]);
    assert_eq!(owners(scene, &globex).await, [globex.owner.id]);

    let second = scene.person().await;
    let membership = scene.join(&acme, &second, &[role.id, admin.id]).await;
    let mut both = [acme.owner.id, second.id];
    both.sort();
    assert_eq!(owners(scene, &acme).await, both);

    for (status, expected) in [(MembershipStatus::Deactivated, &[acme.owner.id][..]), (MembershipStatus::Active, &both)]
    {
        let changed = Membership { status, ..membership.clone() };
        scene.system(async |unit| unit.update_membership(&changed).await.unwrap()).await;
        assert_eq!(owners(scene, &acme).await, expected, "{status:?}");
    }
    for (version, status, expected) in
        [(1, PersonStatus::Disabled, &[acme.owner.id][..]), (2, PersonStatus::Enabled, &both)]
    {
        let changed = Person { status, version, ..second.clone() };
        scene.system(async |unit| unit.update_person(&changed).await.unwrap()).await;
        assert_eq!(owners(scene, &acme).await, expected, "{status:?}");
    }
    scene.system(async |unit| unit.replace_roles(acme.id(), acme.owner.id, &[admin.id]).await.unwrap()).await;
    assert_eq!(owners(scene, &acme).await, [second.id]);
    scene.change(acme.scope(), async |unit| unit.delete_membership(second.id).await.unwrap()).await;
    assert_eq!(owners(scene, &acme).await, []);
}
