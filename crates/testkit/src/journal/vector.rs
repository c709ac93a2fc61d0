//! One event whose canonical bytes and commitment are stored here. Every adapter, on every database, must reproduce
//! them. Seals are made of such bytes, so no release may change them.

use tenantry_audit::Entries;
use tenantry_kernel::{
    Actor, ChangeValue, Context, Event, Journal, Origin, Outcome, RequestId, RoleId, TenantId, UserId, canonical_json,
};
use tenantry_tenancy::vocabulary::ROLE_UPDATED;
use uuid::Uuid;

use crate::{
    context::{CountingEntropy, TestClock, moment},
    scene::Scene,
    units::Units,
};

use super::{Log, appended, assert_same, canonical, record};

const CANONICAL: &str = "\
    {\"action\":\"role.updated\",\"actorId\":\"019aaf0c-9e05-7000-8000-000000000002\",\"actorType\":\"user\",\
    \"changes\":[{\"field\":\"name\",\"from\":\"Clerk\",\"to\":\"Größe\\t\\\"\\\\/\\b\\u001f\u{2029}\u{1F980}\"},\
    {\"field\":\"permissions\",\"from\":[],\"to\":[\"roles:read\",\"audit:read\"]},{\"field\":\"limit\",\
    \"to\":-9007199254740991},{\"field\":\"password\"}],\
    \"commitment\":\"c1861e7f4b27205c45fcbc9d8386d174201f60a1b76bc727bbf2ebbf28e7079e\",\
    \"count\":9007199254740991,\"id\":\"01a207a2-3285-7001-8203-040506070809\",\
    \"occurredAt\":\"2026-11-23T09:00:00.005Z\",\"onBehalfOf\":\"019aaf0c-9e05-7000-8000-000000000003\",\
    \"outcome\":\"denied\",\"requestId\":\"019aaf0c-9e05-7000-8000-000000000004\",\
    \"targetId\":\"019aaf0c-9e05-7000-8000-000000000005\",\"targetType\":\"role\",\
    \"tenant\":\"019aaf0c-9e05-7000-8000-000000000001\",\"version\":1}";

/// HMAC-SHA256 of the canonical personal part under the salt 0a 0b 0c … 29.
const COMMITMENT: &str = "c1861e7f4b27205c45fcbc9d8386d174201f60a1b76bc727bbf2ebbf28e7079e";

fn id(last: u128) -> Uuid {
    Uuid::from_u128(0x019a_af0c_9e05_7000_8000_0000_0000_0000 + last)
}

fn log() -> Log {
    Log { tenant: TenantId::from_uuid(id(1)), person: UserId::from_uuid(id(2)) }
}

/// Creates an event with everything that has more than one spelling: escapes, line separators, characters beyond the
/// basic plane, composed letters, negative numbers, empty lists, secrets and fields out of order.
fn event() -> Event {
    let context = Context::new(TestClock::at(moment(1_795_424_400_005)), CountingEntropy::default());
    let origin = Origin {
        trace: RequestId::from_uuid(id(4)).into(),
        ip: Some("2001:db8:0:0::7".parse().unwrap()),
        user_agent: Some("Mozilla/5.0 (\\; <b>\u{2028}</b>)".to_owned()),
    };
    let person = Actor::anonymous(origin).known_as(log().person, "Zoë \"Ada\" O'Hara \u{1F980}");
    let actor = person.within(Some(log().tenant));
    let event = Event::new(&context, &actor, ROLE_UPDATED)
        .target(RoleId::from_uuid(id(5)), Some("Größe \u{7f}/"))
        .outcome(Outcome::Denied)
        .changed("name", "Clerk", "Gr\u{f6}\u{df}e\t\"\\/\u{8}\u{1f}\u{2029}\u{1F980}")
        .changed("permissions", Vec::new(), vec!["roles:read".to_owned(), "audit:read".to_owned()])
        .set("limit", ChangeValue::Number(-9_007_199_254_740_991))
        .changed_secret("password")
        .set_personal("email", "zoë@example.com")
        .changed_personal("name", "Zoe", "Zoë")
        .times(9_007_199_254_740_991);
    Event { on_behalf_of: Some(UserId::from_uuid(id(3))), ..event }
}

pub(super) async fn an_event_reads_back_as_the_stored_bytes(scene: &Scene<'_, impl Units<Unit: Journal + Entries>>) {
    let event = event();
    assert_eq!(canonical(&event), CANONICAL);
    let entry = appended(scene, log(), &event).await;
    assert_eq!(canonical_json(&record(&entry)).unwrap(), CANONICAL);
    let commitment: String = entry.commitment.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(commitment, COMMITMENT);
    assert_same(&entry, &event);
}
