//! Runs every case of every contract suite of the test kit, and the queue against its model, on both databases.

tenantry_testkit::store_contract_tests! {
    on { sqlite: crate::support::sqlite().await, postgres: crate::support::postgres().await }
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
