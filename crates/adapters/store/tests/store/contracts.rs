//! Every contract suite of the test kit, on both databases.

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
    attempts authorities credentials invitations jobs journal links memberships people registrations roles sessions
    sweeps tenants units
}
