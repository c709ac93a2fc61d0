//! Actions that only the operator can take.

use serde_json::json;
use tenantry_identity::{DisablePerson, EnablePerson, People, Person, disable_person, enable_person};
use tenantry_kernel::{Actor, EmailAddress, Origin, RequestId, TenantStatus};
use tenantry_store::{Scope, SystemReason, Unit};
use tenantry_tenancy::{ChangePlan, ChangeTenantStatus, Plan, change_plan, change_tenant_status};

use super::{Member, PASSWORD, Server, Tenant, eventually};

impl Server {
    /// Suspends or resumes a tenant, and waits until the server sees the change.
    pub(crate) async fn set_status(&self, tenant: &Tenant, status: TenantStatus) {
        self.order_status(tenant, status).await;
        eventually("the tenant has its new status", async || {
            tenant.owner.get("/auth/me").await.is(200)["tenant"]["status"] == status.name()
        })
        .await;
    }

    /// Does the same without waiting: the command line is another process.
    pub(crate) async fn order_status(&self, tenant: &Tenant, status: TenantStatus) {
        let mut unit = self.operate().await;
        let context = &self.app.context;
        let command = ChangeTenantStatus { tenant: tenant.id.parse().unwrap(), status };
        change_tenant_status(&mut unit, &self.operator(), context, command).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Moves a tenant to another plan, without waiting: the command line is another process.
    pub(crate) async fn order_plan(&self, tenant: &Tenant, plan: &'static Plan) {
        let mut unit = self.operate().await;
        let command = ChangePlan { tenant: tenant.id.parse().unwrap(), plan };
        change_plan(&mut unit, &self.operator(), &self.app.context, command).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Disables a user, even the last owner of a tenant.
    pub(crate) async fn disable(&self, member: &Member) {
        let (mut unit, person) = self.operate_on(member).await;
        let command = DisablePerson { user: person.id, force: true };
        disable_person(&mut unit, &self.operator(), &self.app.context, command).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Enables a user again.
    pub(crate) async fn enable(&self, member: &Member) {
        let (mut unit, person) = self.operate_on(member).await;
        let command = EnablePerson { user: person.id };
        enable_person(&mut unit, &self.operator(), &self.app.context, command).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Creates a user with a session without a tenant: the user's only tenant is suspended.
    pub(crate) async fn without_tenant(&self) -> Member {
        let home = self.tenant("nowhere").await;
        self.set_status(&home, TenantStatus::Suspended).await;
        let body = json!({ "email": home.owner.email, "password": PASSWORD });
        let data = self.client().post("/auth/login", body).await.is(200);
        assert!(data["tenant"].is_null());
        let client = self.client().with_token(data["accessToken"].as_str().unwrap());
        Member { client, ..home.owner }
    }

    async fn operate(&self) -> Unit {
        self.app.store.begin(Scope::System(SystemReason::CommandLine)).await.unwrap()
    }

    async fn operate_on(&self, member: &Member) -> (Unit, Person) {
        let mut unit = self.operate().await;
        let email = EmailAddress::parse(&member.email).unwrap();
        let person = unit.person_by_email(&email).await.unwrap().unwrap();
        (unit, person)
    }

    fn operator(&self) -> Actor {
        Actor::operator(Origin { trace: RequestId::new(&self.app.context).into(), ip: None, user_agent: None })
    }
}
