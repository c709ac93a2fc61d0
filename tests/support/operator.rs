//! What the operator of an installation does, beside the API.

use tenantry_identity::{People, disable_person, enable_person};
use tenantry_kernel::{Actor, EmailAddress, Origin, RequestId, TenantStatus};
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_tenancy::change_tenant_status;

use super::{Member, Server, Tenant};

impl Server {
    /// Shuts a person out.
    pub(crate) async fn disable(&self, person: &Member) {
        let (mut unit, actor) = self.as_operator().await;
        let email = EmailAddress::parse(&person.email).unwrap();
        let id = unit.person_by_email(&email).await.unwrap().unwrap().id;
        disable_person(&mut unit, &actor, &self.app.world, id, true).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Lets a person in again.
    pub(crate) async fn enable(&self, person: &Member) {
        let (mut unit, actor) = self.as_operator().await;
        let email = EmailAddress::parse(&person.email).unwrap();
        let id = unit.person_by_email(&email).await.unwrap().unwrap().id;
        enable_person(&mut unit, &actor, &self.app.world, id).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Suspends a tenant, or resumes it, and waits until the server feels it.
    pub(crate) async fn set_status(&self, tenant: &Tenant, status: TenantStatus) {
        let (mut unit, actor) = self.as_operator().await;
        let id = tenant.id.parse().unwrap();
        change_tenant_status(&mut unit, &actor, &self.app.world, id, status).await.unwrap();
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

    async fn as_operator(&self) -> (Unit, Actor) {
        let origin = Origin { request: RequestId::new(&self.app.world), ip: None, user_agent: None };
        let unit = self.app.store.begin(Scope::System(SystemReason::CommandLine)).await.unwrap();
        (unit, Actor::operator(origin))
    }
}
