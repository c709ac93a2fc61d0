//! Every contract suite of the test kit, and the queue against its model, on both databases.

macro_rules! contracts {
    ($($suite:ident)*) => {$(
        mod $suite {
            #[tokio::test]
            async fn sqlite() {
                tenantry_testkit::$suite::contract(&crate::support::sqlite().await).await;
            }

            #[tokio::test]
            async fn postgres() {
                tenantry_testkit::$suite::contract(&crate::support::postgres().await).await;
            }
        }
    )*};
}

contracts! {
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
