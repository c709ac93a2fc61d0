//! Tests that a unit of one user neither sees nor changes the links of another.

use tenantry_identity::{Link, LinkKind, Links};
use tenantry_kernel::StoreError;

use super::{KINDS, new_link, put, stored};
use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

pub(super) async fn te1_only_system_units_find_by_token(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let link = new_link(scene, acme.owner.id, LinkKind::Verify);
    put(scene, &[&link]).await;
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        scene
            .look_as(scope, async |unit| {
                must_be!(unit.link_by_token(&link.token_hash).await, Err(StoreError::Misuse(_)));
            })
            .await;
    }
}

/// Not even the owner of the tenant can reach the links of a member.
pub(super) async fn te1_another_persons_links_are_untouched(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let member = scene.member(&acme).await;
    let kept = new_link(scene, member.id, LinkKind::Reset);
    put(scene, &[&kept]).await;
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        for kind in KINDS {
            let planted = new_link(scene, member.id, kind);
            must_be!(
                scene.attempt(scope, async |unit| unit.put_link(&planted).await).await,
                Err(StoreError::Misuse(_))
            );
            assert_eq!(stored(scene, &planted).await, None, "{scope:?}");
        }
        let taken = scene.attempt(scope, async |unit| unit.take_link(&kept).await).await;
        assert!(!matches!(taken, Ok(true)), "{scope:?}");
        // The same link under the caller's own user id.
        let disguised = Link { user: acme.owner.id, ..kept.clone() };
        assert!(!scene.change(scope, async |unit| unit.take_link(&disguised).await.unwrap()).await, "{scope:?}");
        must_be!(
            scene.attempt(scope, async |unit| unit.delete_links_of(member.id).await).await,
            Err(StoreError::Misuse(_))
        );
        scene.change(scope, async |unit| unit.delete_links_of(acme.owner.id).await.unwrap()).await;
        assert_eq!(stored(scene, &kept).await.as_ref(), Some(&kept), "{scope:?}");
    }
}
