//! Tests of the counter from which refresh tokens derive, and of the record of which tokens were used.

use futures::future::join_all;
use std::time::Duration;
use tenantry_identity::{EndReason, Session, Sessions};
use tenantry_kernel::Timestamp;

use super::{keep, shown, stored};
use crate::{
    scene::{Directory, Scene},
    units::Units,
};

const IDLE: Duration = Duration::from_secs(3600);

async fn rotate(scene: &Scene<'_, impl Units<Unit: Sessions>>, session: &Session, from: u32) -> bool {
    let now = scene.context.now();
    let rotated = rotate_unless_idle(scene, session, from, now.minus(IDLE)).await;
    if let Some(rotated) = &rotated {
        assert_eq!((rotated.id, rotated.rotation), (session.id, from + 1), "it comes as it is afterwards");
    }
    rotated.is_some()
}

async fn rotate_unless_idle(
    scene: &Scene<'_, impl Units<Unit: Sessions>>,
    session: &Session,
    from: u32,
    idle_since: Timestamp,
) -> Option<Session> {
    let now = scene.context.now();
    scene.system(async |unit| unit.rotate_session(session.id, from, idle_since, now).await.unwrap()).await
}

async fn mark_seen(scene: &Scene<'_, impl Units<Unit: Sessions>>, session: &Session, rotation: u32) -> u32 {
    scene.system(async |unit| unit.mark_rotation_seen(session.id, rotation).await.unwrap()).await;
    stored(scene, session.id).await.unwrap().seen_rotation
}

pub(super) async fn a_session_is_rotated_from_where_it_stands(
    scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>,
) {
    let person = scene.person().await;
    let first = scene.new_session(person.id, None);
    let sibling = Session { sign_in: first.sign_in, ..scene.new_session(person.id, None) };
    keep(scene, [&first, &sibling]).await;

    let now = scene.later(90_001);
    assert!(rotate(scene, &first, 0).await);
    let once = Session { rotation: 1, rotated_at: now, last_used_at: now.to_minute(), ..first.clone() };
    assert_eq!(shown(&stored(scene, first.id).await), shown([&once]));

    scene.later(1_000);
    for elsewhere in [0, 2, u32::MAX] {
        assert!(!rotate(scene, &first, elsewhere).await, "it stands at 1 and not at {elsewhere}");
        assert_eq!(shown(&stored(scene, first.id).await), shown([&once]));
    }
    let later = scene.later(60_000);
    assert!(rotate(scene, &first, 1).await);
    let twice = Session { rotation: 2, seen_rotation: 1, rotated_at: later, last_used_at: later.to_minute(), ..once };
    assert_eq!(shown(&stored(scene, first.id).await), shown([&twice]), "the token that was spent has been seen");
    assert_eq!(shown(&stored(scene, sibling.id).await), shown([&sibling]), "its sibling stays where it was");
}

pub(super) async fn se1_of_many_units_one_rotates(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let person = scene.person().await;
    let session = scene.new_session(person.id, None);
    keep(scene, [&session]).await;
    let rotated = join_all((0..50).map(|_| rotate(scene, &session, 0))).await;
    assert_eq!(rotated.iter().filter(|rotated| **rotated).count(), 1);
    assert_eq!(stored(scene, session.id).await.unwrap().rotation, 1);
}

pub(super) async fn an_ended_session_is_not_rotated(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let person = scene.person().await;
    let session = Session { ended: Some((scene.later(1), EndReason::Revoked)), ..scene.new_session(person.id, None) };
    keep(scene, [&session]).await;
    assert!(!rotate(scene, &session, 0).await);
    assert_eq!(shown(&stored(scene, session.id).await), shown([&session]));
    assert!(!rotate(scene, &scene.new_session(person.id, None), 0).await, "nor one that is not there");
}

pub(super) async fn an_expired_or_idle_session_is_not_rotated(
    scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>,
) {
    let person = scene.person().await;
    let session = scene.new_session(person.id, None);
    let now = scene.later(60_000);
    let expired = Session { expires_at: now, ..scene.new_session(person.id, None) };
    keep(scene, [&session, &expired]).await;
    assert!(!rotate(scene, &expired, 0).await);
    let last_rotated = session.rotated_at;
    assert!(rotate_unless_idle(scene, &session, 0, last_rotated).await.is_none());
    assert_eq!(shown(&stored(scene, session.id).await), shown([&session]));
    let just_before = last_rotated.minus(Duration::from_millis(1));
    assert!(rotate_unless_idle(scene, &session, 0, just_before).await.is_some());
}

pub(super) async fn what_was_seen_never_goes_back(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let person = scene.person().await;
    let session = Session { rotation: 5, seen_rotation: 1, ..scene.new_session(person.id, None) };
    let sibling = Session { rotation: 5, sign_in: session.sign_in, ..scene.new_session(person.id, None) };
    keep(scene, [&session, &sibling]).await;
    for (shown_rotation, seen) in [(3, 3), (2, 3), (0, 3), (3, 3), (6, 3), (u32::MAX, 3), (5, 5), (4, 5)] {
        assert_eq!(mark_seen(scene, &session, shown_rotation).await, seen, "after {shown_rotation}");
    }
    let expected = Session { seen_rotation: 5, ..session };
    assert_eq!(shown(&stored(scene, expected.id).await), shown([&expected]), "and nothing else moved");
    assert_eq!(shown(&stored(scene, sibling.id).await), shown([&sibling]));
}
