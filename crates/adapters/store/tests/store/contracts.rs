//! Runs every case of every contract suite of the test kit, and the queue against its model, on both databases.

tenantry_testkit::contract_tests! {
    on { sqlite: crate::support::sqlite().await, postgres: crate::support::postgres().await }
    answers attempts authorities credentials erasure files invitations jobs journal links memberships people processes
    registrations roles schedules seals sessions sweeps tenants units
}

mod queue_property {
    use tenantry_testkit::{
        jobs::{USUAL_ROUNDS, property},
        rounds,
    };

    #[tokio::test]
    async fn sqlite() {
        property(&crate::support::sqlite().await, rounds(USUAL_ROUNDS)).await;
    }

    #[tokio::test]
    async fn postgres() {
        property(&crate::support::postgres().await, rounds(USUAL_ROUNDS)).await;
    }
}
