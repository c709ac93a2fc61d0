//! The suite of [`Seals`], which stores sealed segments of the journal, and of [`AuditPolicies`], which stores their
//! retention.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;
use tenantry_audit::{
    AuditPolicies, AuditPolicy, Chain, Found, Listed, SealKeys, SealSigner, Seals, Segment, Signature, Summary, Trust,
    Verifier, remove_oldest_segment, seal_next_segment,
};
use tenantry_kernel::{Actor, Direction, Event, Journal, PageRequest, RequestId, StoreError, TenantId, UserId};
use tenantry_tenancy::Tenants;
use tenantry_tenancy::vocabulary::ROLE_CREATED;

use crate::{
    scene::Scene,
    units::{TestScope, Units},
};

suite! {
    seals(units: impl Units<Unit: Journal + Seals + AuditPolicies + Tenants>) calls (&Scene::new(&units)) {
        what_was_committed_waits_until_it_is_sealed,
        segments_follow_each_other,
        no_number_is_there_twice,
        what_did_not_wait_is_not_sealed,
        old_segments_go_and_leave_their_seals,
        what_was_never_sealed_is_found,
        a_tenant_sees_its_own_chain,
        policies_are_kept,
    }
}

/// A key for tests: its "signature" is a MAC, which needs the key.
struct TestKey;

impl SealSigner for TestKey {
    fn key_id(&self) -> &str {
        "test"
    }

    fn sign(&self, message: &[u8]) -> Signature {
        let half = |mark: u8| -> [u8; 32] {
            let mut mac = Hmac::<Sha256>::new(&[mark; 64].into());
            mac.update(message);
            mac.finalize().into_bytes().into()
        };
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&half(1));
        signature[32..].copy_from_slice(&half(2));
        Signature(signature)
    }
}

impl SealKeys for TestKey {
    fn check(&self, key_id: &str, message: &[u8], signature: &Signature) -> Trust {
        match (key_id == self.key_id(), self.sign(message) == *signature) {
            (false, _) => Trust::UnknownKey,
            (true, true) => Trust::Good,
            (true, false) => Trust::Bad,
        }
    }
}

/// Creates the chain of a tenant that only the journal knows.
fn new_chain(scene: &Scene<'_, impl Units>) -> Chain {
    Chain(Some(TenantId::new(&scene.context)))
}

fn event(scene: &Scene<'_, impl Units>, chain: Chain) -> Event {
    Event::new(&scene.context, &Actor::system(RequestId::new(&scene.context)), ROLE_CREATED).within(chain.0)
}

async fn append(scene: &Scene<'_, impl Units<Unit: Journal>>, chain: Chain, count: usize) -> Vec<Event> {
    let events: Vec<Event> = (0..count).map(|_| event(scene, chain)).collect();
    scene
        .system(async |unit| {
            for event in &events {
                unit.append_event(event.clone()).await.unwrap();
            }
        })
        .await;
    events
}

async fn seal(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>, chain: Chain) -> Option<Segment> {
    let actor = Actor::system(RequestId::new(&scene.context));
    scene.system(async |unit| seal_next_segment(unit, &actor, &scene.context, &TestKey, chain).await.unwrap()).await
}

async fn verify(scene: &Scene<'_, impl Units<Unit: Seals>>, chain: Chain) -> Summary {
    let mut verifier = Verifier::new(chain, &TestKey, &[]);
    scene
        .look(async |unit| {
            let mut number = 0;
            while let Some(next) = unit.segment_number_from(chain, number + 1).await.unwrap() {
                number = next;
                let segment = unit.segment_of(chain, number).await.unwrap().unwrap();
                let ids: Vec<_> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
                let evidence = unit.evidence_of(chain, &ids).await.unwrap();
                assert_eq!(evidence.iter().map(|evidence| evidence.record.id).collect::<Vec<_>>(), ids);
                let found: Vec<Found> = evidence.iter().map(|evidence| Found::new(evidence).unwrap()).collect();
                verifier.segment(&segment, &found).unwrap();
            }
        })
        .await;
    verifier.finish().unwrap()
}

async fn waiting(scene: &Scene<'_, impl Units<Unit: Seals>>, chain: Chain) -> u64 {
    scene.look(async |unit| unit.count_unsealed(chain).await.unwrap().entries).await
}

async fn what_was_committed_waits_until_it_is_sealed(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    assert_eq!((seal(scene, chain).await, waiting(scene, chain).await), (None, 0));
    let mut dropped = scene.units.begin(TestScope::System).await;
    dropped.append_event(event(scene, chain)).await.unwrap();
    drop(dropped);
    assert_eq!(waiting(scene, chain).await, 0);
    append(scene, chain, 3).await;
    append(scene, Chain(None), 1).await;
    assert_eq!((waiting(scene, chain).await, waiting(scene, Chain(None)).await), (3, 1));
    let mut chains = Vec::new();
    scene
        .look(async |unit| {
            while let Some(next) = unit.next_unsealed_chain(chains.last().copied()).await.unwrap() {
                chains.push(next);
            }
        })
        .await;
    assert!(chains.is_sorted() && chains.contains(&chain) && chains[0] == Chain(None), "{chains:?}");
    let segment = seal(scene, chain).await.unwrap();
    assert_eq!((segment.seal.count, waiting(scene, chain).await), (4, 0), "with the entry of the sealing");
    assert_eq!(waiting(scene, Chain(None)).await, 1);
    assert_eq!(seal(scene, chain).await, None, "a quiet log is not sealed again");
    seal(scene, Chain(None)).await.unwrap();
    assert_eq!(verify(scene, Chain(None)).await.entries, 2);
}

async fn segments_follow_each_other(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    append(scene, chain, 150).await;
    let first = seal(scene, chain).await.unwrap();
    scene.later(60_000);
    append(scene, chain, 2).await;
    // An entry that was created long ago and is committed only now is sealed now.
    scene.clock.set(first.seal.sealed_at.minus(Duration::from_secs(3_600)));
    append(scene, chain, 1).await;
    scene.clock.set(first.seal.sealed_at.plus(Duration::from_secs(120)));
    let second = seal(scene, chain).await.unwrap();
    assert_eq!((second.seal.number, second.seal.first_position, second.seal.count), (2, 152, 4));
    assert_eq!(second.seal.previous, Some(first.seal.digest().unwrap()));
    assert_eq!(second.seal.newest, second.seal.sealed_at);
    let summary = verify(scene, chain).await;
    assert_eq!((summary.segments, summary.entries, summary.erased), (2, 155, 0));

    let page = async |direction, after| {
        let page = PageRequest { limit: 1, after, direction };
        scene.look(async |unit| unit.page_segments(chain, page).await.unwrap()).await
    };
    let newest = page(Direction::Descending, None).await;
    assert_eq!((newest.items[0].seal.number, newest.next), (2, Some(2)));
    assert!(newest.items[0].listed.is_none(), "lists are long, and not part of a page");
    let oldest = page(Direction::Descending, newest.next).await;
    assert_eq!((&oldest.items[0].seal, oldest.next), (&first.seal, None));
    assert_eq!(page(Direction::Ascending, Some(1)).await.items[0].seal, second.seal);
    let last = scene.look(async |unit| unit.last_segment(chain).await.unwrap()).await;
    assert_eq!(last.map(|segment| segment.seal), Some(second.seal));
}

async fn no_number_is_there_twice(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    append(scene, chain, 1).await;
    let first = seal(scene, chain).await.unwrap();
    let again = append(scene, chain, 1).await;
    let listed = vec![Listed { id: again[0].id.uuid(), digest: first.seal.entries }];
    let segment = Segment { listed: Some(listed), ..first };
    let outcome = scene.attempt(TestScope::System, async |unit| unit.insert_segment(&segment).await).await;
    assert!(matches!(outcome, Err(StoreError::Collision(_))), "{outcome:?}");
    assert_eq!(waiting(scene, chain).await, 1, "what was not sealed waits");
}

async fn what_did_not_wait_is_not_sealed(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    append(scene, chain, 1).await;
    let first = seal(scene, chain).await.unwrap();
    let mut seal = first.seal.clone();
    seal.number = 2;
    let segment = Segment { seal, ..first };
    let outcome = scene.attempt(TestScope::System, async |unit| unit.insert_segment(&segment).await).await;
    assert!(matches!(outcome, Err(StoreError::Inconsistent { .. })), "{outcome:?}");
}

async fn old_segments_go_and_leave_their_seals(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    for _ in 0..3 {
        append(scene, chain, 2).await;
        seal(scene, chain).await.unwrap();
        scene.later(60_000);
    }
    let second = scene.look(async |unit| unit.segment_of(chain, 2).await.unwrap().unwrap()).await;
    let (before, just_not) = (second.seal.newest.plus(Duration::from_millis(1)), second.seal.newest);
    let count = async |before| scene.look(async |unit| unit.count_removable(chain, before).await.unwrap()).await;
    assert_eq!((count(before).await, count(just_not).await), (6, 3));
    let mut removed = Vec::new();
    for _ in 0..3 {
        let one = async |unit: &mut _| remove_oldest_segment(unit, chain, before).await.unwrap();
        removed.push(scene.system(async |unit| one(unit).await).await);
    }
    assert_eq!((removed, count(before).await), (vec![Some(3), Some(3), None], 0));
    let summary = verify(scene, chain).await;
    assert_eq!((summary.removed_segments, summary.removed_entries, summary.entries), (2, 6, 3));
}

async fn what_was_never_sealed_is_found(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let chain = new_chain(scene);
    append(scene, chain, 5).await;
    seal(scene, chain).await.unwrap();
    append(scene, chain, 1).await;
    scene
        .look(async |unit| {
            let (mut after, mut looked_at) = (None, 0);
            loop {
                let (found, last) = unit.unaccounted_entry(chain, after, 2).await.unwrap();
                assert_eq!(found, None);
                let Some(last) = last else { break };
                (after, looked_at) = (Some(last), looked_at + 1);
            }
            assert_eq!(looked_at, 4, "seven entries, two at a time");
        })
        .await;
}

async fn a_tenant_sees_its_own_chain(scene: &Scene<'_, impl Units<Unit: Journal + Seals>>) {
    let (own, other) = (new_chain(scene), new_chain(scene));
    for chain in [own, other] {
        append(scene, chain, 1).await;
        seal(scene, chain).await.unwrap();
    }
    let scope = TestScope::Tenant { tenant: own.0.unwrap(), person: UserId::new(&scene.context) };
    let page = || PageRequest { limit: 10, after: None, direction: Direction::Descending };
    let seen = scene.look_as(scope, async |unit| unit.page_segments(own, page()).await.unwrap()).await;
    assert_eq!(seen.items.len(), 1);
    let segment = scene.look_as(scope, async |unit| unit.segment_of(own, 1).await.unwrap()).await.unwrap();
    let ids: Vec<_> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
    let evidence = scene.look_as(scope, async |unit| unit.evidence_of(own, &ids).await.unwrap()).await;
    assert_eq!(evidence.len(), 2);
    for chain in [other, Chain(None)] {
        let outcome = scene.look_as(scope, async |unit| unit.page_segments(chain, page()).await).await;
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
    }
    let outcome = scene.look_as(scope, async |unit| unit.next_unsealed_chain(None).await).await;
    assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
}

async fn policies_are_kept(scene: &Scene<'_, impl Units<Unit: AuditPolicies + Seals + Tenants>>) {
    let tenant = scene.new_tenant();
    scene.system(async |unit| unit.insert_tenant(&tenant).await.unwrap()).await;
    let scope = TestScope::Tenant { tenant: tenant.id, person: UserId::new(&scene.context) };
    let policy = async || scene.look_as(scope, async |unit| unit.audit_policy_of(tenant.id).await.unwrap()).await;
    assert_eq!(policy().await, AuditPolicy::default());
    for set in [
        AuditPolicy { retention_days: Some(400), legal_hold: true },
        AuditPolicy { retention_days: None, legal_hold: false },
    ] {
        scene.change(scope, async |unit| unit.put_audit_policy(tenant.id, set).await.unwrap()).await;
        assert_eq!(policy().await, set);
    }
    let plan = scene.look(async |unit| unit.plan_of_chain(Chain(Some(tenant.id))).await.unwrap()).await;
    assert_eq!(plan.as_deref(), Some(tenant.plan.name));
    let other = TenantId::new(&scene.context);
    let outcome = scene.look_as(scope, async |unit| unit.audit_policy_of(other).await).await;
    assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
}
