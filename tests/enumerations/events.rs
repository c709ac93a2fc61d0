use std::collections::BTreeSet;
use tenantry_app::vocabulary::CRATES;
use tenantry_audit::vocabulary::AUDIT_SEALED;
use tenantry_identity::vocabulary::{USER_DISABLED, USER_ENABLED, USER_ERASED};
use tenantry_jobs::vocabulary::JOB_DIED;
use tenantry_kernel::Action;
use tenantry_tenancy::vocabulary::{TENANT_PLAN_CHANGED, TENANT_RESUMED, TENANT_SUSPENDED};

use crate::support::{
    Kind, Server,
    routes::routes,
    walk::{self, Walk},
};

/// Events that no request can cause: the operator causes some at the command line, a dead job and seals cause others,
/// and refused reads carry the last.
const NOT_OVER_HTTP: &[Action] = &[
    TENANT_SUSPENDED,
    TENANT_RESUMED,
    TENANT_PLAN_CHANGED,
    USER_DISABLED,
    USER_ENABLED,
    USER_ERASED,
    JOB_DIED,
    AUDIT_SEALED,
    Action::ACCESS_DENIED,
];

#[test]
fn every_operation_leaves_what_it_declares_sqlite() {
    Server::run(Kind::Sqlite, walk::settings(), |server| every_operation_leaves_what_it_declares(server, Kind::Sqlite));
}

#[test]
fn every_operation_leaves_what_it_declares_postgres() {
    let kind = Kind::Postgres;
    Server::run(kind, walk::settings(), |server| every_operation_leaves_what_it_declares(server, kind));
}

async fn every_operation_leaves_what_it_declares(server: Server, kind: Kind) {
    let walk = Walk::through(&server, kind).await;
    let mut declared_anywhere = BTreeSet::new();
    for route in routes() {
        let seen = walk.record.of(route.id);
        assert!(seen.succeeded, "the walk never sees {} succeed", route.id);
        let declared: BTreeSet<String> =
            route.operation().contract.events.iter().map(|a| a.name().to_owned()).collect();
        assert_eq!(seen.events, declared, "{} left the first and declares the second", route.id);
        declared_anywhere.extend(declared);
    }
    let all: BTreeSet<String> =
        CRATES.iter().flat_map(|one| one.actions).map(|action| action.name().to_owned()).collect();
    declared_anywhere.extend(NOT_OVER_HTTP.iter().map(|action| action.name().to_owned()));
    assert_eq!(declared_anywhere, all, "an action that nothing causes, or that is not on the list");
}
