//! Tests of ending sessions: only running sessions end, each with its reason, and the ended ones are returned.

use tenantry_identity::{EndReason, Session, Sessions};
use tenantry_kernel::Timestamp;

use super::{keep, shown, stored};
use crate::{
    scene::{Directory, SampleTenant, Scene},
    units::Units,
};

/// Sessions of two users in two tenants and in none, two of them of one sign-in; one has ended before.
struct Sample {
    acme: SampleTenant,
    globex: SampleTenant,
    in_acme: Session,
    sibling_in_globex: Session,
    in_none: Session,
    ended_before: Session,
    of_another: Session,
}

impl Sample {
    async fn keep(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) -> Self {
        let (acme, globex) = (scene.tenant().await, scene.tenant().await);
        let (user, other) = (acme.owner.id, globex.owner.id);
        let in_acme = scene.new_session(user, Some(acme.id()));
        let sign_in = in_acme.sign_in;
        let before = Some((scene.context.now(), EndReason::LoggedOut));
        let sample = Self {
            sibling_in_globex: Session { sign_in, ..scene.new_session(user, Some(globex.id())) },
            in_none: scene.new_session(user, None),
            ended_before: Session { sign_in, ended: before, ..scene.new_session(user, Some(acme.id())) },
            of_another: scene.new_session(other, Some(acme.id())),
            in_acme,
            acme,
            globex,
        };
        keep(scene, sample.all()).await;
        sample
    }

    fn all(&self) -> [&Session; 5] {
        [&self.in_acme, &self.sibling_in_globex, &self.in_none, &self.ended_before, &self.of_another]
    }

    /// Checks that exactly these sessions ended now and were returned so. The others are unchanged, also after a
    /// repetition.
    async fn assert_ended<U: Units<Unit: Directory + Sessions>>(
        &self,
        scene: &Scene<'_, U>,
        expected: &[&Session],
        reason: EndReason,
        end: impl AsyncFn(&mut U::Unit, EndReason, Timestamp) -> Vec<Session>,
    ) {
        let now = scene.later(1_234);
        let returned = scene.system(async |unit| end(unit, reason, now).await).await;
        let ended = |session: &Session| Session { ended: Some((now, reason)), ..session.clone() };
        let expected_rows: Vec<Session> = expected.iter().map(|session| ended(session)).collect();
        assert_eq!(shown(&returned), shown(&expected_rows));

        let later = scene.later(1_000);
        let again = scene.system(async |unit| end(unit, EndReason::Revoked, later).await).await;
        assert_eq!(shown(&again), shown([]), "what has ended is not ended again");

        for session in self.all() {
            let is_expected = expected.iter().any(|expected| expected.id == session.id);
            let row = if is_expected { ended(session) } else { session.clone() };
            assert_eq!(shown(&stored(scene, session.id).await), shown([&row]));
        }
    }
}

pub(super) async fn one_session_ends_once(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let sample = Sample::keep(scene).await;
    sample
        .assert_ended(scene, &[&sample.in_acme], EndReason::LoggedOut, async |unit, reason, now| {
            unit.end_session(sample.in_acme.id, reason, now).await.unwrap()
        })
        .await;
    let sample = Sample::keep(scene).await;
    sample
        .assert_ended(scene, &[], EndReason::LoggedOut, async |unit, reason, now| {
            unit.end_session(sample.ended_before.id, reason, now).await.unwrap()
        })
        .await;
}

pub(super) async fn the_sessions_of_a_sign_in_end_together(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let sample = Sample::keep(scene).await;
    let siblings = [&sample.in_acme, &sample.sibling_in_globex];
    sample
        .assert_ended(scene, &siblings, EndReason::Replayed, async |unit, reason, now| {
            unit.end_sessions_of_sign_in(sample.in_acme.sign_in, reason, now).await.unwrap()
        })
        .await;
}

pub(super) async fn a_persons_sessions_end_in_every_tenant(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let sample = Sample::keep(scene).await;
    let own = [&sample.in_acme, &sample.sibling_in_globex, &sample.in_none];
    sample
        .assert_ended(scene, &own, EndReason::PersonDisabled, async |unit, reason, now| {
            unit.end_sessions_of_user(sample.acme.owner.id, None, reason, now).await.unwrap()
        })
        .await;
}

pub(super) async fn all_but_the_acting_session_end(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let sample = Sample::keep(scene).await;
    let others = [&sample.sibling_in_globex, &sample.in_none];
    let acting = Some(sample.in_acme.id);
    sample
        .assert_ended(scene, &others, EndReason::PasswordChanged, async |unit, reason, now| {
            unit.end_sessions_of_user(sample.acme.owner.id, acting, reason, now).await.unwrap()
        })
        .await;
}

pub(super) async fn a_members_sessions_end_in_one_tenant(scene: &Scene<'_, impl Units<Unit: Directory + Sessions>>) {
    let sample = Sample::keep(scene).await;
    let in_acme = [&sample.in_acme];
    sample
        .assert_ended(scene, &in_acme, EndReason::MembershipRemoved, async |unit, reason, now| {
            unit.end_sessions_of_member(sample.acme.id(), sample.acme.owner.id, reason, now).await.unwrap()
        })
        .await;
    let sample = Sample::keep(scene).await;
    sample
        .assert_ended(scene, &[], EndReason::MembershipRemoved, async |unit, reason, now| {
            unit.end_sessions_of_member(sample.globex.id(), sample.globex.owner.id, reason, now).await.unwrap()
        })
        .await;
}
