//! The suite of [`Links`].

use futures::future::join_all;
use std::time::Duration;
use tenantry_identity::{Link, LinkKind, Links};
use tenantry_kernel::{SessionId, UserId};

use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

mod tenant_isolation;

suite! {
    links(units: impl Units<Unit: Directory + Links>) calls (&Scene::new(&units)) {
        a_link_reads_back_as_put,
        a_link_is_found_by_its_own_hash_only,
        an_expired_link_is_found_still,
        re2_a_newer_link_takes_the_place_of_the_older,
        re2_a_link_is_taken_once,
        re2_of_many_units_one_takes_a_link,
        re2_an_older_link_never_takes_the_newer_with_it,
        the_link_of_a_kind_goes_alone,
        every_link_of_a_person_goes_at_once,
        a_dropped_unit_puts_and_takes_nothing,
    }
    tenant_isolation {
        te1_only_system_units_find_by_token,
        te1_another_persons_links_are_untouched,
    }
}

const KINDS: [LinkKind; 3] = [LinkKind::Verify, LinkKind::Reset, LinkKind::ChangeEmail];

/// Creates a link that has not been sent yet, valid for a day.
fn new_link(scene: &Scene<'_, impl Units>, user: UserId, kind: LinkKind) -> Link {
    let now = scene.context.now();
    Link {
        user,
        kind,
        email: scene.new_email("ada"),
        session: None,
        token_hash: scene.context.random(),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(86_400)),
    }
}

async fn put(scene: &Scene<'_, impl Units<Unit: Links>>, links: &[&Link]) {
    scene
        .system(async |unit| {
            for link in links {
                unit.put_link(link).await.unwrap();
            }
        })
        .await;
}

async fn take(scene: &Scene<'_, impl Units<Unit: Links>>, link: &Link) -> bool {
    scene.system(async |unit| unit.take_link(link).await.unwrap()).await
}

/// Returns the stored link, found by its token.
async fn stored(scene: &Scene<'_, impl Units<Unit: Links>>, link: &Link) -> Option<Link> {
    scene.look(async |unit| unit.link_by_token(&link.token_hash).await.unwrap()).await
}

async fn a_link_reads_back_as_put(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let owner = acme.owner.id;
    for (scope, kind) in [TestScope::System, TestScope::Person(owner), acme.scope()].into_iter().zip(KINDS) {
        let plain = new_link(scene, owner, kind);
        let full = Link {
            email: scene.new_email("josé.o'hara+100%_x"),
            session: Some(SessionId::new(&scene.context)),
            created_at: scene.later(1),
            expires_at: scene.later(998),
            ..new_link(scene, owner, kind)
        };
        for link in [plain, full] {
            scene.change(scope, async |unit| unit.put_link(&link).await.unwrap()).await;
            assert_eq!(stored(scene, &link).await.as_ref(), Some(&link), "{scope:?}");
        }
    }
}

async fn a_link_is_found_by_its_own_hash_only(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let person = scene.person().await;
    let [zeros, ones] = [[0; 32], [0xff; 32]];
    let verify = Link { token_hash: zeros, ..new_link(scene, person.id, LinkKind::Verify) };
    let reset = Link { token_hash: ones, ..new_link(scene, person.id, LinkKind::Reset) };
    put(scene, &[&verify, &reset]).await;
    assert_eq!(stored(scene, &verify).await, Some(verify.clone()));
    assert_eq!(stored(scene, &reset).await, Some(reset));
    let mut close = zeros;
    close[31] = 1;
    for token_hash in [close, scene.context.random()] {
        assert_eq!(stored(scene, &Link { token_hash, ..verify.clone() }).await, None);
    }
}

async fn an_expired_link_is_found_still(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let person = scene.person().await;
    let link = new_link(scene, person.id, LinkKind::Reset);
    put(scene, &[&link]).await;
    scene.clock.set(link.expires_at.plus(Duration::from_secs(86_400)));
    assert_eq!(stored(scene, &link).await.as_ref(), Some(&link));
    assert!(take(scene, &link).await, "what may be done with it is not the store's affair");
}

async fn re2_a_newer_link_takes_the_place_of_the_older(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let (person, other) = (scene.person().await, scene.person().await);
    for kind in KINDS {
        let older = KINDS.map(|kind| new_link(scene, person.id, kind));
        let others = new_link(scene, other.id, kind);
        put(scene, &[&older[0], &older[1], &older[2], &others]).await;
        scene.later(1);
        let newer = Link { session: Some(SessionId::new(&scene.context)), ..new_link(scene, person.id, kind) };
        put(scene, &[&newer]).await;
        assert_eq!(stored(scene, &newer).await.as_ref(), Some(&newer));
        for link in &older {
            let expected = (link.kind != kind).then_some(link);
            assert_eq!(stored(scene, link).await.as_ref(), expected, "{:?} after a newer {kind:?}", link.kind);
        }
        assert_eq!(stored(scene, &others).await.as_ref(), Some(&others), "another person's stays");
        assert!(!take(scene, older.iter().find(|link| link.kind == kind).unwrap()).await);
        assert_eq!(stored(scene, &newer).await, Some(newer));
    }
}

async fn re2_a_link_is_taken_once(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let owner = acme.owner.id;
    for (scope, kind) in [TestScope::System, TestScope::Person(owner), acme.scope()].into_iter().zip(KINDS) {
        let links = KINDS.map(|kind| new_link(scene, owner, kind));
        put(scene, &[&links[0], &links[1], &links[2]]).await;
        let taken = links.iter().find(|link| link.kind == kind).unwrap();
        assert!(scene.change(scope, async |unit| unit.take_link(taken).await.unwrap()).await, "{scope:?}");
        for link in &links {
            assert_eq!(stored(scene, link).await.as_ref(), (link != taken).then_some(link), "only that one, {scope:?}");
        }
        assert!(!scene.change(scope, async |unit| unit.take_link(taken).await.unwrap()).await, "{scope:?}");
    }
    assert!(!take(scene, &new_link(scene, owner, LinkKind::Reset)).await, "nor one that never was");
}

async fn re2_of_many_units_one_takes_a_link(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let person = scene.person().await;
    let link = new_link(scene, person.id, LinkKind::Reset);
    put(scene, &[&link]).await;
    let taken = join_all((0..20).map(|_| take(scene, &link))).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(stored(scene, &link).await, None);
}

/// A link is used while a newer one is sent: in either order, the newer one is valid.
async fn re2_an_older_link_never_takes_the_newer_with_it(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let person = scene.person().await;
    for _ in 0..10 {
        let (older, newer) = (new_link(scene, person.id, LinkKind::Reset), new_link(scene, person.id, LinkKind::Reset));
        put(scene, &[&older]).await;
        let send = async || put(scene, &[&newer]).await;
        futures::join!(take(scene, &older), send());
        assert_eq!(stored(scene, &older).await, None);
        assert_eq!(stored(scene, &newer).await, Some(newer));
    }
}

async fn the_link_of_a_kind_goes_alone(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let (owner, other) = (acme.owner.id, scene.person().await.id);
    for scope in [TestScope::System, TestScope::Person(owner), acme.scope()] {
        let links = KINDS.map(|kind| new_link(scene, owner, kind));
        let others = new_link(scene, other, LinkKind::Reset);
        put(scene, &[&links[0], &links[1], &links[2], &others]).await;
        for _ in 0..2 {
            scene.change(scope, async |unit| unit.delete_link_of(owner, LinkKind::Reset).await.unwrap()).await;
        }
        for link in links.iter().chain([&others]) {
            let is_gone = link.user == owner && link.kind == LinkKind::Reset;
            assert_eq!(stored(scene, link).await.is_none(), is_gone, "{link:?} in {scope:?}");
        }
    }
}

async fn every_link_of_a_person_goes_at_once(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let acme = scene.tenant().await;
    let (owner, other) = (acme.owner.id, scene.person().await.id);
    for scope in [TestScope::System, TestScope::Person(owner), acme.scope()] {
        let links = KINDS.map(|kind| new_link(scene, owner, kind));
        let others = new_link(scene, other, LinkKind::Verify);
        put(scene, &[&links[0], &links[1], &links[2], &others]).await;
        scene.change(scope, async |unit| unit.delete_links_of(owner).await.unwrap()).await;
        for link in &links {
            assert_eq!(stored(scene, link).await, None, "{scope:?}");
        }
        assert_eq!(stored(scene, &others).await.as_ref(), Some(&others), "another person's stay");
        scene.change(scope, async |unit| unit.delete_links_of(owner).await.unwrap()).await;
    }
}

async fn a_dropped_unit_puts_and_takes_nothing(scene: &Scene<'_, impl Units<Unit: Directory + Links>>) {
    let person = scene.person().await;
    let [kept, forgotten] = [LinkKind::Verify, LinkKind::Reset].map(|kind| new_link(scene, person.id, kind));
    put(scene, &[&kept]).await;
    {
        let mut unit = scene.units.begin(TestScope::System).await;
        unit.put_link(&forgotten).await.unwrap();
        assert_eq!(unit.link_by_token(&forgotten.token_hash).await.unwrap().as_ref(), Some(&forgotten));
        assert!(unit.take_link(&kept).await.unwrap());
    }
    assert_eq!(stored(scene, &forgotten).await, None);
    assert!(take(scene, &kept).await, "it can be taken still");
}
