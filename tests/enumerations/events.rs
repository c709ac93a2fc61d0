use std::collections::BTreeSet;
use tenantry_kernel::Action;

use crate::support::{
    Kind, Server,
    routes::routes,
    walk::{self, Walk},
};

/// What no request can cause: the operator does these at the command line, a job dies and seals are made by themselves,
/// and refused reads carry the last.
const NOT_OVER_HTTP: &[Action] = &[
    Action::TenantSuspended,
    Action::TenantResumed,
    Action::TenantPlanChanged,
    Action::UserDisabled,
    Action::UserEnabled,
    Action::UserErased,
    Action::JobDied,
    Action::AuditSealed,
    Action::AccessDenied,
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
        let declared: BTreeSet<String> = route.operation().events.iter().map(|a| a.name().to_owned()).collect();
        assert_eq!(seen.events, declared, "{} left the first and declares the second", route.id);
        declared_anywhere.extend(declared);
    }
    let all: BTreeSet<String> = Action::ALL.iter().map(|action| action.name().to_owned()).collect();
    declared_anywhere.extend(NOT_OVER_HTTP.iter().map(|action| action.name().to_owned()));
    assert_eq!(declared_anywhere, all, "an action that nothing causes, or that is not on the list");
}
