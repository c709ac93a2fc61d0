//! The example's names in a composed program and in the real store.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use secrecy::SecretString;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tenantry_audit::{
    ActionFilter, Chain, Entries, EntryFilter, Evidence, EvidenceLine, Found, Seals, Verifier, seal_next_segment,
};
use tenantry_crypto::SealSigningKeys;
use tenantry_example_invoices::{
    ALREADY_PAID, INVOICE, INVOICE_PAID, INVOICES_PAY, Invoice, InvoiceError, InvoiceId, VOCABULARY, pay_invoice,
};
use tenantry_kernel::{
    Action, Actor, Coded, Context, CrateVocabulary, DefaultRole, Direction, Event, Journal, Name, PageRequest,
    RequestId, TenantId, TenantStatus, Vocabulary,
};
use tenantry_store::{Database, Scope, Store, StoreConfig, Synchronous, SystemReason};
use tenantry_tenancy::{Plan, Roles, Slug, Tenant, Tenants, insert_default_roles};
use tenantry_testkit::{
    context::test_context,
    databases::{self, TestDatabase},
};

const SYSTEM: Scope = Scope::System(SystemReason::Maintenance);

/// A key of RFC 8032, 7.1.
const SEAL_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

/// The crates of a program that has invoices.
const CRATES: &[&CrateVocabulary] = &[
    &tenantry_kernel::VOCABULARY,
    &tenantry_tenancy::vocabulary::VOCABULARY,
    &tenantry_jobs::vocabulary::VOCABULARY,
    &tenantry_audit::vocabulary::VOCABULARY,
    &VOCABULARY,
];

#[test]
fn the_names_are_composed_with_those_of_the_other_crates() {
    let vocabulary = Vocabulary::compose(CRATES).unwrap();
    assert_eq!(vocabulary.target_kind("invoice"), Some(INVOICE));
    let billing = CrateVocabulary { actions: &[INVOICE_PAID], ..CrateVocabulary::of("billing") };
    let twice = [CRATES, &[&billing]].concat();
    let refused = Vocabulary::compose(&twice).unwrap_err().to_string();
    assert_eq!(refused, "tenantry-example-invoices and billing both declare the action invoice.paid");
}

/// A store of that database that knows the example's names.
async fn open(database: &TestDatabase) -> Store {
    let file = database.url().trim_start_matches("sqlite://").split('?').next().unwrap();
    let config = StoreConfig {
        database: Database::Sqlite(PathBuf::from(file)),
        pool_size: 2,
        deadline: Duration::from_secs(20),
        synchronous: Synchronous::Normal,
    };
    let store = Store::connect(config, Arc::new(Vocabulary::compose(CRATES).unwrap())).await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn default_roles_of_a_tenant_hold_the_permission() {
    let database = databases::sqlite();
    let store = open(&database).await;
    let (context, _clock) = test_context();
    let tenant = Tenant {
        id: TenantId::new(&context),
        name: Name::parse("Acme, Inc.").unwrap(),
        slug: Slug::parse("acme").unwrap(),
        plan: Plan::first(),
        status: TenantStatus::Active,
        version: 1,
        created_at: context.now(),
    };
    let mut unit = store.begin(SYSTEM).await.unwrap();
    unit.insert_tenant(&tenant).await.unwrap();
    insert_default_roles(&mut unit, &context, tenant.id).await.unwrap();
    for (role, is_held) in DefaultRole::ALL.into_iter().zip([true, true, false, false]) {
        let role = unit.default_role(tenant.id, role).await.unwrap().unwrap();
        assert_eq!(role.permissions.contains(&INVOICES_PAY), is_held, "{role:?}");
    }
}

#[tokio::test]
async fn the_event_is_written_filtered_sealed_and_exported() {
    let database = databases::sqlite();
    let store = open(&database).await;
    let (context, _clock) = test_context();
    let tenant = TenantId::new(&context);
    let actor = Actor::system(RequestId::new(&context)).within(Some(tenant));
    let mut invoice = Invoice { id: InvoiceId::new(&context), amount_cents: 12_50, is_paid: false };

    let mut unit = store.begin(SYSTEM).await.unwrap();
    pay_invoice(&mut unit, &actor, &context, &mut invoice).await.unwrap();
    let refused = pay_invoice(&mut unit, &actor, &context, &mut invoice).await.unwrap_err();
    assert!(matches!(refused, InvoiceError::AlreadyPaid));
    assert_eq!(refused.code(), ALREADY_PAID);
    unit.append_event(Event::new(&context, &actor, Action::ACCESS_DENIED)).await.unwrap();
    unit.commit().await.unwrap();

    let vocabulary = Vocabulary::compose(CRATES).unwrap();
    for filter in [
        EntryFilter { action: ActionFilter::parse("invoice.paid", &vocabulary), ..EntryFilter::default() },
        EntryFilter { action: ActionFilter::parse("invoice.*", &vocabulary), ..EntryFilter::default() },
        EntryFilter { target_kind: Some(INVOICE), ..EntryFilter::default() },
        EntryFilter { target: Some(invoice.id.uuid()), ..EntryFilter::default() },
    ] {
        let page = PageRequest { limit: 10, after: None, direction: Direction::Ascending };
        let found = store.read(SYSTEM).await.unwrap().page_entries(&filter, page).await.unwrap().items;
        let [entry] = &found[..] else { panic!("{filter:?}: {found:?}") };
        let target = entry.target.as_ref().unwrap();
        assert_eq!((&*entry.action, &*target.kind, target.id), ("invoice.paid", "invoice", invoice.id.uuid()));
    }

    let keys = SealSigningKeys::parse(&[SecretString::from(SEAL_KEY)]).unwrap();
    let evidence = sealed(&store, &context, &keys, Chain(Some(tenant))).await;
    let exported: Vec<String> = evidence.into_iter().map(|one| EvidenceLine::Entry(one).write().unwrap()).collect();
    // The clock stands still, so the order of the ids within the millisecond is random.
    let paid = exported.iter().filter(|line| line.contains(r#""action":"invoice.paid""#));
    assert_eq!(paid.count(), 1, "{exported:?}");
    assert!(exported.iter().all(|line| EvidenceLine::read(line).is_ok()));
}

/// Seals the log, verifies it, and returns its entries with what proves them.
async fn sealed(store: &Store, context: &Context, keys: &SealSigningKeys, chain: Chain) -> Vec<Evidence> {
    let actor = Actor::system(RequestId::new(context));
    let mut unit = store.begin(SYSTEM).await.unwrap();
    let segment = seal_next_segment(&mut unit, &actor, context, keys, chain).await.unwrap().unwrap();
    let ids: Vec<_> = segment.listed.iter().flatten().map(|listed| listed.id).collect();
    let evidence = unit.evidence_of(chain, &ids).await.unwrap();
    unit.commit().await.unwrap();
    let found: Vec<Found> = evidence.iter().map(|one| Found::new(one).unwrap()).collect();
    let mut verifier = Verifier::new(chain, keys.trusted(), &[]);
    verifier.segment(&segment, &found).unwrap();
    assert_eq!(verifier.finish().unwrap().entries, 3);
    evidence
}
