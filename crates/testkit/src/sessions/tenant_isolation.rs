//! Tests that units of a tenant or of a user neither see nor change the sessions of others.

use std::time::Duration;
use tenantry_identity::{EndReason, Session, Sessions};
use tenantry_kernel::SessionId;

use super::{ids, keep, shown, stored};
use crate::{
    scene::{Directory, Scene},
    units::{TestScope, Units},
};

pub(super) async fn te1_a_scope_sees_its_own_sessions(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let colleague = scene.member(&acme).await;
    scene.join(&globex, &colleague, &[]).await;
    let in_acme = scene.new_session(colleague.id, Some(acme.id()));
    let in_globex = scene.new_session(colleague.id, Some(globex.id()));
    let in_none = scene.new_session(colleague.id, None);
    let of_globex = scene.new_session(globex.owner.id, Some(globex.id()));
    keep(scene, [&in_acme, &in_globex, &in_none, &of_globex]).await;

    let (a, g, n, o) = (in_acme.id, in_globex.id, in_none.id, of_globex.id);
    let table: [(TestScope, &[SessionId]); 6] = [
        (acme.scope(), &[a]),
        (globex.scope(), &[g, o]),
        (acme.scope_of(colleague.id), &[a, g, n]),
        (TestScope::Person(colleague.id), &[a, g, n]),
        (TestScope::Person(acme.owner.id), &[]),
        (TestScope::System, &[a, g, n, o]),
    ];
    let now = scene.context.now();
    for (scope, visible) in table {
        scene
            .look_as(scope, async |unit| {
                for id in [a, g, n, o] {
                    let found = unit.session_by_id(id).await.unwrap().map(|session| session.id);
                    assert_eq!(found, visible.contains(&id).then_some(id), "{scope:?}");
                }
                let mut running = Vec::new();
                for user in [colleague.id, globex.owner.id] {
                    running.extend(ids(&unit.running_sessions_of(user, now).await.unwrap()));
                }
                running.sort();
                let mut visible = visible.to_vec();
                visible.sort();
                assert_eq!(running, visible, "{scope:?}");
            })
            .await;
    }
}

pub(super) async fn te1_sessions_out_of_scope_are_untouched(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let user = globex.owner.id;
    let theirs = Session { rotation: 3, ..scene.new_session(user, Some(globex.id())) };
    let alone = Session { rotation: 3, ..scene.new_session(user, None) };
    let smuggled = scene.new_session(user, Some(globex.id()));
    keep(scene, [&theirs, &alone]).await;
    let (now, reason) = (scene.later(1), EndReason::Revoked);
    for scope in [acme.scope(), TestScope::Person(acme.owner.id)] {
        for session in [&theirs, &alone] {
            scene
                .change(scope, async |unit| {
                    let idle_since = now.minus(Duration::from_secs(3600));
                    assert!(unit.rotate_session(session.id, 3, idle_since, now).await.unwrap().is_none());
                    unit.mark_rotation_seen(session.id, 2).await.unwrap();
                    let ended = [
                        unit.end_session(session.id, reason, now).await.unwrap(),
                        unit.end_sessions_of_sign_in(session.sign_in, reason, now).await.unwrap(),
                        unit.end_sessions_of_user(user, None, reason, now).await.unwrap(),
                        unit.end_sessions_of_member(globex.id(), user, reason, now).await.unwrap(),
                    ];
                    assert_eq!(shown(ended.iter().flatten()), shown([]), "{scope:?}");
                })
                .await;
            assert_eq!(shown(&stored(scene, session.id).await), shown([session]), "{scope:?}");
        }
        assert!(scene.attempt(scope, async |unit| unit.insert_session(&smuggled).await).await.is_err());
        assert!(stored(scene, smuggled.id).await.is_none(), "{scope:?}");
    }
}

/// A user is signed in to two tenants by one sign-in. When one tenant ends every session it can, the session in the
/// other stays.
pub(super) async fn se4_an_admin_ends_what_is_in_the_own_tenant_only(
    scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>,
) {
    let (acme, globex) = (scene.tenant().await, scene.tenant().await);
    let person = scene.member(&acme).await;
    scene.join(&globex, &person, &[]).await;
    let in_acme = scene.new_session(person.id, Some(acme.id()));
    let mut in_globex = scene.new_session(person.id, Some(globex.id()));
    in_globex.sign_in = in_acme.sign_in;
    keep(scene, [&in_acme, &in_globex]).await;
    let (now, reason) = (scene.later(1), EndReason::MembershipRemoved);
    let ended = scene
        .change(acme.scope(), async |unit| {
            let mut ended = unit.end_sessions_of_user(person.id, None, reason, now).await.unwrap();
            ended.extend(unit.end_sessions_of_sign_in(in_acme.sign_in, reason, now).await.unwrap());
            ended.extend(unit.end_session(in_globex.id, reason, now).await.unwrap());
            ended
        })
        .await;
    assert_eq!(ids(&ended), [in_acme.id]);
    assert_eq!(shown(&stored(scene, in_globex.id).await), shown([&in_globex]));
}
