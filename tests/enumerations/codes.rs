use std::collections::BTreeSet;
use tenantry_app::vocabulary::error_codes;
use tenantry_files::vocabulary::STORAGE_FULL;
use tenantry_idempotency::vocabulary::{IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_MISMATCH};
use tenantry_kernel::ErrorCode;

use super::refusals;
use crate::limits;
use crate::support::{
    Kind, Record, Server,
    routes::routes,
    walk::{self, Walk},
};

/// Codes that the requests of this file do not cause, and the test that does.
const ELSEWHERE: &[(ErrorCode, &str)] = &[
    (ErrorCode::TIMEOUT, "in2_slow_senders_are_answered_and_closed (it takes the deadline's 15 s)"),
    (IDEMPOTENCY_MISMATCH, "a_key_is_good_for_one_request_only, in tests/idempotency"),
    (IDEMPOTENCY_IN_PROGRESS, "while_the_first_runs_the_others_are_told_so, in tests/idempotency"),
    (ErrorCode::INTERNAL, "in4_a_panic_is_answered_and_the_process_lives, in crates/app/src/composition.rs"),
    (STORAGE_FULL, "fa6_a_full_disk_for_files_is_told_and_leaves_nothing_behind"),
    (ErrorCode::UNAVAILABLE, "a_database_that_is_away_shows_in_readiness_and_in_nothing_else, in tests/health.rs"),
];

/// Codes of responses that belong to no operation.
const OF_NO_OPERATION: &[(ErrorCode, &str)] =
    &[(ErrorCode::METHOD_NOT_ALLOWED, "every_path_refuses_other_methods_and_says_which_it_takes")];

#[test]
fn every_documented_code_of_every_operation_is_reached_sqlite() {
    Server::run(Kind::Sqlite, walk::settings(), |server| every_documented_code_is_reached(server, Kind::Sqlite));
}

#[test]
fn every_documented_code_of_every_operation_is_reached_postgres() {
    Server::run(Kind::Postgres, walk::settings(), |server| every_documented_code_is_reached(server, Kind::Postgres));
}

async fn every_documented_code_is_reached(server: Server, kind: Kind) {
    let record = Walk::through(&server, kind).await.record;
    drop(server);
    refusals::of_every_shape(kind, &record).await;
    limits::of_every_operation(kind, &record).await;
    for route in routes() {
        let missed: Vec<&str> = route
            .documented_codes()
            .into_iter()
            .filter(|code| !record.of(route.id).codes.contains(*code) && !is_reached_elsewhere(code))
            .collect();
        assert!(missed.is_empty(), "{} is documented to answer {missed:?}, which nothing has reached", route.id);
    }
    every_code_is_somewhere(&record);
}

fn is_reached_elsewhere(code: &str) -> bool {
    ELSEWHERE.iter().any(|(known, _)| known.name() == code)
}

fn every_code_is_somewhere(record: &Record) {
    let mut reached = record.codes();
    for (code, test) in ELSEWHERE.iter().chain(OF_NO_OPERATION) {
        assert!(!test.is_empty());
        assert!(reached.insert(code.name().to_owned()), "{code} is reached: take it from the list");
    }
    let all: BTreeSet<String> = error_codes().iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(reached, all);
}
