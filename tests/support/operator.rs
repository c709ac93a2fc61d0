//! What only the operator can do.

use tenantry_kernel::{Actor, Origin, RequestId, TenantStatus};
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_tenancy::change_tenant_status;

use super::{Member, Server, Tenant};

impl Server {
    /// Suspends a tenant, or resumes it.
    pub(crate) async fn set_status(&self, tenant: &Tenant, status: TenantStatus) {
        let mut unit = self.operate().await;
        let world = &self.app.world;
        let id = tenant.id.parse().unwrap();
        change_tenant_status(&mut unit, &self.operator(), world, id, status).await.unwrap();
        unit.commit().await.unwrap();
        let wanted = status.name();
        for _ in 0..200 {
            if tenant.owner.get("/auth/me").await.is(200)["tenant"]["status"] == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the tenant does not become {wanted}");
    }

    /// Somebody signed in to a session without a tenant: their only one is suspended.
    pub(crate) async fn homeless(&self) -> Member {
        let home = self.tenant("nowhere").await;
        self.set_status(&home, TenantStatus::Suspended).await;
        let body = serde_json::json!({ "email": home.owner.email, "password": super::PASSWORD });
        let data = self.client().post("/auth/login", body).await.is(200);
        assert!(data["tenant"].is_null());
        let client = self.client().with_token(data["accessToken"].as_str().unwrap());
        Member { client, ..home.owner }
    }

    async fn operate(&self) -> Unit {
        self.app.store.begin(Scope::System(SystemReason::CommandLine)).await.unwrap()
    }

    fn operator(&self) -> Actor {
        Actor::operator(Origin { request: RequestId::new(&self.app.world), ip: None, user_agent: None })
    }
}
