//! Tests of when sessions were last used, and members last seen.

use std::time::Duration;
use tenantry_identity::{Session, Sessions};
use tenantry_kernel::{SessionId, TenantId, Timestamp, UserId};
use tenantry_tenancy::{MemberKeys, Memberships};

use crate::support::{Opened, SYSTEM};

on_both_databases! {
    use_is_noted_to_the_minute_on_session_and_membership
    any_number_of_sessions_is_noted_at_once
}

async fn last_used(opened: &Opened, session: &Session) -> Timestamp {
    let mut unit = opened.store.read(SYSTEM).await.unwrap();
    unit.session_by_id(session.id).await.unwrap().unwrap().last_used_at
}

async fn last_seen(opened: &Opened, tenant: TenantId, user: UserId) -> Option<Timestamp> {
    let mut unit = opened.store.begin(SYSTEM).await.unwrap();
    unit.lock_membership(tenant, user).await.unwrap().unwrap().last_seen_at
}

async fn use_is_noted_to_the_minute_on_session_and_membership(opened: Opened) {
    let (acme, ada) = opened.tenant().await;
    let (globex, grace) = opened.tenant().await;
    opened
        .system(async |unit| {
            let keys = MemberKeys::new("Ada", "ada@example.com");
            unit.insert_membership(&opened.membership(globex.id, ada.id), &keys).await.unwrap();
        })
        .await;
    let used = opened.session(ada.id, Some(acme.id)).await;
    let used_outside = opened.session(ada.id, None).await;
    let idle = opened.session(grace.id, Some(globex.id)).await;
    let before = idle.last_used_at;

    let now = opened.context.now().plus(Duration::from_millis(3_600_123));
    let unknown = SessionId::new(&opened.context);
    let used_now = [used.id, unknown, used_outside.id];
    opened.system(async |unit| unit.note_use(&used_now, now).await.unwrap()).await;
    assert_eq!(last_used(&opened, &used).await, now.to_minute());
    assert_eq!(last_used(&opened, &used_outside).await, now.to_minute());
    assert_eq!(last_used(&opened, &idle).await, before);
    assert_eq!(last_seen(&opened, acme.id, ada.id).await, Some(now.to_minute()));
    assert_eq!(last_seen(&opened, globex.id, ada.id).await, None, "there the session is not");
    assert_eq!(last_seen(&opened, globex.id, grace.id).await, None);
}

async fn any_number_of_sessions_is_noted_at_once(opened: Opened) {
    const MORE_THAN_A_STATEMENT_NAMES: usize = 1_001;
    let (acme, ada) = opened.tenant().await;
    let first = opened.session(ada.id, Some(acme.id)).await;
    let sessions: Vec<Session> = (0..MORE_THAN_A_STATEMENT_NAMES)
        .map(|_| Session { id: SessionId::new(&opened.context), ..first.clone() })
        .collect();
    opened
        .system(async |unit| {
            for session in &sessions {
                unit.insert_session(session).await.unwrap();
            }
        })
        .await;
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
    let now = opened.context.now().plus(Duration::from_secs(86_000));
    opened.system(async |unit| unit.note_use(&ids, now).await.unwrap()).await;
    let mut unit = opened.store.read(SYSTEM).await.unwrap();
    let running = unit.running_sessions_of(ada.id, opened.context.now()).await.unwrap();
    assert_eq!(running.len(), sessions.len() + 1);
    for session in running {
        let expected = if session.id == first.id { first.last_used_at } else { now.to_minute() };
        assert_eq!(session.last_used_at, expected);
    }

    let mut unit = opened.store.begin(SYSTEM).await.unwrap();
    let before = opened.store.statements();
    unit.note_use(&[], now).await.unwrap();
    assert_eq!(opened.store.statements(), before, "nothing to note, nothing asked");
}
