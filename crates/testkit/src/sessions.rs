//! The suite of [`Sessions`].

use tenantry_identity::{EndReason, Session, Sessions};
use tenantry_kernel::SessionId;

use crate::{
    scene::{Directory, Scene},
    units::Units,
};

mod ending;
mod rotation;
mod tenant_isolation;

suite! {
    sessions(units: impl Units<Unit: Directory + Sessions>) calls (&Scene::new(&units)) {
        a_session_reads_back_as_inserted,
        running_sessions_come_newest_first,
    }
    rotation {
        a_session_is_rotated_from_where_it_stands,
        se1_of_many_units_one_rotates,
        an_ended_session_is_not_rotated,
        an_expired_or_idle_session_is_not_rotated,
        what_was_seen_never_goes_back,
    }
    ending {
        one_session_ends_once,
        the_sessions_of_a_sign_in_end_together,
        a_persons_sessions_end_in_every_tenant,
        all_but_the_acting_session_end,
        a_members_sessions_end_in_one_tenant,
    }
    tenant_isolation {
        te1_a_scope_sees_its_own_sessions,
        te1_sessions_out_of_scope_are_untouched,
        se4_an_admin_ends_what_is_in_the_own_tenant_only,
    }
}

/// Returns sessions in a form that can be compared.
fn shown<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> Vec<String> {
    let mut shown: Vec<String> = sessions.into_iter().map(|session| format!("{session:?}")).collect();
    shown.sort();
    shown
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(|session| session.id).collect()
}

async fn stored(scene: &Scene<'_, impl Units<Unit: Sessions>>, id: SessionId) -> Option<Session> {
    scene.look(async |unit| unit.session_by_id(id).await.unwrap()).await
}

/// Stores the sessions.
async fn keep<'a>(scene: &Scene<'_, impl Units<Unit: Sessions>>, sessions: impl IntoIterator<Item = &'a Session>) {
    scene
        .system(async |unit| {
            for session in sessions {
                unit.insert_session(session).await.unwrap();
            }
        })
        .await;
}

async fn a_session_reads_back_as_inserted(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let acme = scene.tenant().await;
    let plain = scene.new_session(acme.owner.id, None);
    let full = Session {
        key_id: "2026-11/\"k\"".to_owned(),
        rotation: u32::MAX,
        seen_rotation: u32::MAX - 1,
        created_at: scene.later(1),
        rotated_at: scene.later(10),
        last_used_at: scene.later(60_000).to_minute(),
        expires_at: scene.later(999),
        user_agent: Some("Mozilla/5.0 (\u{1F980}; it's \"100%\" _\\)".to_owned()),
        ip: Some("192.0.2.7".parse().unwrap()),
        ..scene.new_session(acme.owner.id, Some(acme.id()))
    };
    let ended = Session {
        ended: Some((scene.later(5), EndReason::MembershipRemoved)),
        ip: Some("2001:db8::7".parse().unwrap()),
        ..scene.new_session(acme.owner.id, Some(acme.id()))
    };
    keep(scene, [&plain, &full, &ended]).await;
    for session in [plain, full, ended] {
        let found = stored(scene, session.id).await;
        assert_eq!(shown(&found), shown([&session]));
    }
    assert!(stored(scene, SessionId::new(&scene.context)).await.is_none());
}

async fn running_sessions_come_newest_first(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let (acme, other) = (scene.tenant().await, scene.person().await);
    let mut running = Vec::new();
    for tenant in [None, Some(acme.id()), None, Some(acme.id())] {
        scene.later(1);
        running.insert(0, scene.new_session(acme.owner.id, tenant));
    }
    let now = scene.later(1);
    let ended = Session { ended: Some((now, EndReason::LoggedOut)), ..scene.new_session(acme.owner.id, None) };
    let expired = Session { expires_at: now, ..scene.new_session(acme.owner.id, None) };
    let last_moment = Session { expires_at: now.plus(MILLISECOND), ..scene.new_session(acme.owner.id, None) };
    let others = scene.new_session(other.id, Some(acme.id()));
    // In another order than they began.
    let [newest, .., oldest] = &running[..] else { unreachable!("there are four") };
    keep(scene, [newest, oldest, &running[2], &running[1], &ended, &expired, &last_moment, &others]).await;

    running.insert(0, last_moment);
    let found = scene.look(async |unit| unit.running_sessions_of(acme.owner.id, now).await.unwrap()).await;
    assert_eq!(ids(&found), ids(&running));
}

const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);
